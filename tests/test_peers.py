"""The comparison with other implementations: it calls the peer's own step, with our sizes, and leaves no trace."""

import os
import sys
from pathlib import Path

import pytest

from benchmarks.peers import STEPS, peers

TRAINER = """
import os
import torch
from tqdm import tqdm
from tensorboard_logger import log_value

class Trainer:
    def __init__(self, config, loaders):
        self.config, self.loader = config, loaders[0]
        assert len(loaders[0].sampler.indices) == len(self.loader) * 2
        os.makedirs("plots")
        assert not config.use_tensorboard

    def train_one_epoch(self, epoch):
        assert epoch % self.config.plot_freq
        for image, label in tqdm(self.loader):
            print(tuple(image.shape), self.config.patch_size, self.config.num_patches, self.config.num_glimpses)
"""
CONFIG = "import types\n\ndef get_config():\n    return types.SimpleNamespace(), []\n"


def test_the_peer_runs_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("tqdm")
    for name in ("config", "tensorboard_logger", "trainer"):
        monkeypatch.setitem(sys.modules, name, None)  # taken away again after the test
        del sys.modules[name]
    (tmp_path / "trainer.py").write_text(TRAINER)
    (tmp_path / "config.py").write_text(CONFIG)
    before = os.getcwd(), list(sys.path), list(sys.argv)
    peers(tmp_path, size=(28,), batch=2, repeats=1, compiled=False)
    assert (os.getcwd(), sys.path, sys.argv) == before
    printed, errors = capsys.readouterr()
    assert printed.count("(2, 1, 28, 28) 8 1 7") % STEPS == 0
    assert "28x28 pixels, peer: " in printed
    assert "  ours, eager: " in printed
    assert errors == ""
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "__pycache__") == ["config.py", "trainer.py"]


def test_a_folder_without_the_peer_is_refused(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"`CHECKOUT` should hold the peer's trainer\.py"):
        peers(tmp_path)
