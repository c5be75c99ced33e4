"""Our training step beside another implementation's own, from its checkout: `python -m benchmarks.peers CHECKOUT`.

The peer is K. Zakka's recurrent-visual-attention, the best-known port to PyTorch. None of its code is copied: its
`Trainer.train_one_epoch` is called as it is, with batches in memory. Both sides have the paper's sizes, Adam, float32
and one thread.
"""

import contextlib
import importlib
import os
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from statistics import median
from types import ModuleType, SimpleNamespace
from typing import Annotated, Any

import torch
from cyclopts import Parameter, run

from benchmarks.questions import machine
from benchmarks.timing import Form, alternate
from benchmarks.workload import CLASSES, MNIST, SCENE60, SCENE100, trainer
from foveate.config import Model
from foveate.speed.compile import can_compile

MODELS = {28: MNIST, 60: SCENE60, 100: SCENE100}
STEPS = 4  # of the peer in one call


class Batches(list[tuple[torch.Tensor, torch.Tensor]]):
    """Batches in memory, with what the peer asks of a data loader."""

    def __init__(self, model: Model, batch: int) -> None:
        for _ in range(STEPS):
            self.append((torch.rand(batch, *model.image), torch.randint(len(CLASSES), (batch,))))
        self.sampler = SimpleNamespace(indices=range(STEPS * batch))


@contextlib.contextmanager
def checkout(folder: Path) -> Iterator[tuple[Any, Any]]:
    """The peer's `Trainer` and default settings, in a folder where it may write; its logger is left out.

    Raises:
        FileNotFoundError: if there is no such checkout.
    """
    if not (folder / "trainer.py").is_file():
        raise FileNotFoundError(f"`CHECKOUT` should hold the peer's trainer.py. Found none in `{folder}`.")
    logger = ModuleType("tensorboard_logger")
    vars(logger).update(configure=None, log_value=None)
    sys.modules.setdefault("tensorboard_logger", logger)
    sys.path.insert(0, str(folder.resolve()))
    words = sys.argv
    here = os.getcwd()
    try:
        sys.argv = words[:1]
        module = importlib.import_module("trainer")
        module.tqdm = partial(module.tqdm, disable=True)  # what is printed is not timed  # pyright: ignore[reportAttributeAccessIssue]
        with tempfile.TemporaryDirectory() as desk:
            os.chdir(desk)
            settings, _ = importlib.import_module("config").get_config()
            yield module.Trainer, settings
            os.chdir(here)
    finally:
        os.chdir(here)
        sys.argv = words
        sys.path.pop(0)


def peer_step(build: Any, settings: Any, model: Model, batch: int) -> Form:
    """`STEPS` training steps of the peer, with the sizes of our model."""
    sizes = {
        "patch_size": model.glimpse_size[0],
        "num_patches": model.depth,
        "glimpse_scale": 2,
        "glimpse_hidden": model.what_width,
        "loc_hidden": model.where_width,
        "num_glimpses": model.num_glimpses,
        "hidden_size": model.hidden_size,
        "std": model.std,
        "use_gpu": False,
        "use_tensorboard": False,
        "is_train": True,
        "plot_freq": 2,
    }
    vars(settings).update(sizes)
    batches = Batches(model, batch)
    peer = build(settings, (batches, batches))
    return lambda: peer.train_one_epoch(1)  # an odd epoch, which draws no pictures


def peers(
    folder: Path,
    /,
    *,
    size: tuple[int, ...] = tuple(MODELS),
    batch: int = 128,
    repeats: int = 9,
    compiled: Annotated[bool, Parameter(negative="--no-compiled")] = True,
) -> None:
    """Print how many times as fast our training step is as the peer's, uncompiled and compiled.

    Parameters
    ----------
    folder
        Checkout of the peer.
    size
        Sides of the images in pixels: 28, 60, 100.
    batch
        Images in a batch.
    repeats
        Interleaved repeats, whose median ratio is printed with the least and the greatest.
    compiled
        Measure our compiled step too, where there is a compiler.
    """
    torch.set_num_threads(1)
    print(", ".join(f"{name} {value}" for name, value in machine().items()))
    with checkout(folder) as (build, settings):
        for side in size:
            forms = {"peer": peer_step(build, settings, MODELS[side], batch)}
            forms["eager"] = trainer(MODELS[side], batch, "fp32")
            if compiled and can_compile(torch.device("cpu")):
                forms["compiled"] = trainer(MODELS[side], batch, "fp32", compiled=True)
            turns = dict(zip(forms, alternate(list(forms.values()), repeats, 0.1), strict=True))
            theirs = [seconds / STEPS for seconds in turns.pop("peer")]
            print(f"{side}x{side} pixels, peer: {1e6 * median(theirs) / batch:.0f} us an image")
            for name, ours in turns.items():
                times = [a / b for a, b in zip(theirs, ours, strict=True)]
                print(
                    f"  ours, {name}: {1e6 * median(ours) / batch:.0f} us an image, {median(times):.1f} times as fast "
                    f"({min(times):.1f} to {max(times):.1f})"
                )


if __name__ == "__main__":
    run(peers)
