"""What every test gets: one thread, and a plain word where the real MNIST files are missing."""

import os

# Two threads on a busy machine with two cores are many times slower than one. Set before torch is imported.
os.environ["OMP_NUM_THREADS"] = "1"

import pytest
import torch
from hypothesis import settings

torch.set_num_threads(1)

# The same examples in every run, and no deadline: a busy machine is no failure.
settings.register_profile("saccade", deadline=None, derandomize=True, database=None)
settings.load_profile("saccade")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.environ.get("SACCADE_DATA"):
        return
    skip = pytest.mark.skip(reason="Needs the real MNIST files: set SACCADE_DATA to the folder that holds mnist/.")
    for item in items:
        if item.get_closest_marker("mnist"):
            item.add_marker(skip)


@pytest.fixture(autouse=True)
def one_seed() -> None:
    """What a test draws without a generator of its own is the same in every run and in any order."""
    torch.manual_seed(0)
