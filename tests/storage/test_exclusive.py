"""Runs of one process: one after the other, and nothing of the process is left changed."""

import threading
from pathlib import Path

import pytest
import torch

from foveate import fit, from_pretrained
from training.tiny import outcome, tiny


@pytest.mark.filterwarnings("ignore:`fit` should run once at a time:UserWarning")
def test_runs_in_threads_are_the_same_to_the_bit_as_alone(tmp_path: Path):
    config = tiny(dropout=0.5, epochs=1)
    fit(config, tmp_path / "alone")
    threads = [threading.Thread(target=fit, args=(config, tmp_path / name)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    alone = outcome(tmp_path / "alone")
    assert all(outcome(tmp_path / name) == alone for name in "abc")


def test_a_run_that_waits_for_another_says_so(tmp_path: Path):
    from foveate.storage.exclusive import exclusive

    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with exclusive(1):
            held.set()
            done.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(60)
    threading.Timer(0.2, done.set).start()
    with (
        pytest.warns(UserWarning, match=r"`fit` should run once at a time .* Found another run, and waits"),
        exclusive(1),
    ):
        assert done.is_set()
    thread.join()


def test_the_number_of_threads_and_the_global_random_state_are_left_as_they_were(tmp_path: Path):
    torch.set_num_threads(2)
    try:
        before = torch.get_rng_state()
        fit(tiny(epochs=1), tmp_path)
        from_pretrained(tmp_path)
        assert torch.get_num_threads() == 2
        assert torch.equal(torch.get_rng_state(), before)
    finally:
        torch.set_num_threads(1)
