"""What every test gets: one thread, and a plain word where the real MNIST files or a browser are missing."""

import os
import shutil
from collections.abc import Iterator
from typing import Any

# Two threads on a busy machine with two cores are many times slower than one. Set before torch is imported.
os.environ["OMP_NUM_THREADS"] = "1"

import jaxtyping
import pytest
import torch
from hypothesis import settings

torch.set_num_threads(1)

# `make float64` tests the parts of a network in double precision; modules of tests make tensors on import, too.
DTYPE = getattr(torch, os.environ.get("FOVEATE_TEST_DTYPE", "float32"))
torch.set_default_dtype(DTYPE)

# The same examples in every run, and no deadline: a busy machine is no failure.
settings.register_profile("foveate", deadline=None, derandomize=True, database=None)
settings.load_profile("foveate")


CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
QUIET = "no-sandbox disable-gpu disable-quic no-first-run disable-background-networking disable-component-update"
NEEDS = {
    "mnist": "Needs the real MNIST files: set FOVEATE_DATA to the folder that holds mnist/.",
    "browser": "Needs Chromium: `apt-get install --no-install-recommends chromium` on Debian.",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    there = {"mnist": os.environ.get("FOVEATE_DATA"), "browser": CHROMIUM}
    for item in items:
        for name, reason in NEEDS.items():
            if item.get_closest_marker(name) and not there[name]:
                item.add_marker(pytest.mark.skip(reason=reason))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say what was not tried, and how it would be."""
    told = [str(report.longrepr) for report in terminalreporter.stats.get("skipped", [])]
    for reason in NEEDS.values():
        if number := sum(reason in each for each in told):
            terminalreporter.write_line(f"{number} tests were skipped. {reason}", yellow=True)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium without a window, driven by playwright. For tests that are marked `browser`."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        flags = [f"--{flag}" for flag in QUIET.split()]
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--headless", "--disable-sync", *flags])
        yield chromium
        chromium.close()


@pytest.fixture(autouse=True)
def one_seed() -> None:
    """What a test draws without a generator of its own is the same in every run and in any order."""
    torch.manual_seed(0)


@pytest.fixture
def without_shape_checks() -> Iterator[None]:
    """No checks of shapes at run time, which a symbolic shape does not pass. For tests that trace."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)
