"""The curve of a small run, as it was when it was last looked at: nobody changes what is learned by accident.

After a change that is meant to change it: `python tests/training/test_golden.py` writes golden.json again.
"""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from foveate import fit
from training.tiny import metrics, tiny

GOLDEN = Path(__file__).with_name("golden.json")


def curve(folder: Path) -> list[dict]:
    """Three epochs on the digits, with a little of everything."""
    settings = {"locator_width": 6, "depth": 2, "num_rollouts": 2, "label_smoothing": 0.1, "weight_decay": 0.05}
    fit(tiny(epochs=3, **settings), folder)
    return metrics(folder)


def test_a_run_learns_what_it_did_before(tmp_path):
    """Up to what another processor rounds otherwise."""
    found, expected = curve(tmp_path), json.loads(GOLDEN.read_text())
    assert len(found) == len(expected)
    for line, golden in zip(found, expected, strict=True):
        assert line == pytest.approx(golden, rel=1e-5, abs=1e-7)


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        GOLDEN.write_text(json.dumps(curve(Path(folder)), indent=2) + "\n")
