"""Workloads of the benchmarks: models, canvases, and training steps on random images in memory."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Literal, cast

import torch
from torch import Tensor

from benchmarks import loop
from benchmarks.timing import Form
from foveate.config import Config, Model, Training
from foveate.data.batches import Batch, batches
from foveate.data.canvas import Canvas
from foveate.data.records import InMemory
from foveate.glimpse.network import GlimpseNetwork
from foveate.speed.compile import compile_function
from foveate.speed.memory import keep_memory
from foveate.training.build import build
from foveate.training.scenes import augmentation
from foveate.training.state import create_train_state
from foveate.training.step import train_step

Precision = Literal["fp32", "bf16"]
DTYPES: dict[Precision, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16}
CLASSES = tuple("0123456789")
PAPER = {"locator_width": 0, "dropout": 0.0, "std": 0.22, "baseline": "value"}
MNIST = Model(image=(1, 28, 28), classes=CLASSES, glimpse_size=(8, 8), depth=1, unit_pixels=13.0, **PAPER)
SCENE60 = replace(MNIST, image=(1, 60, 60), num_glimpses=8, glimpse_size=(12, 12), depth=3, unit_pixels=26.0)
PLAIN = Training(num_rollouts=1, learning_rate=1e-3, weight_decay=0.0, ema_decay=0.0)
SCENE100 = replace(SCENE60, image=(1, 100, 100), depth=4, unit_pixels=43.0)
CANVASES = [
    (SCENE60, Canvas("translated", (60, 60))),
    (SCENE60, Canvas("cluttered", (60, 60), 4)),
    (SCENE100, Canvas("cluttered", (100, 100), 8)),
]


def as_trained(config: Config) -> tuple[Model, Canvas]:
    """The network of an MNIST recipe and the canvas of its training images.

    The baseline is the value baseline, which needs only a single rollout.
    """
    data = config.data
    side = data.canvas_size or MNIST.image[1]
    model = replace(config.model, image=(1, side, side), classes=CLASSES, baseline="value")
    return model, Canvas(data.canvas, (side, side), data.distractors, augmentation(data))


def random_images(n: int, shape: tuple[int, int, int], device: str = "cpu") -> InMemory:
    """Random bytes with random labels."""
    return InMemory(torch.randint(0, 256, (n, *shape), dtype=torch.uint8), torch.randint(0, len(CLASSES), (n,))).to(
        device
    )


def trainer(
    model: Model,
    batch: int,
    precision: Precision,
    *,
    canvas: Canvas | None = None,
    num_rollouts: int = 1,
    device: str = "cpu",
    compiled: bool = False,
    count: int = 2048,
) -> Form:
    """A whole training step, from reading a batch out of `count` images to updating the parameters."""
    keep_memory()  # as `fit` does
    training = replace(PLAIN, batch_size=batch, precision=precision, num_rollouts=num_rollouts)
    state = create_train_state(Config(model=model, training=training), torch.device(device), compiled=compiled)
    state.model.train()
    order, draws = endless(model, batch, canvas, device, count), torch.Generator(device).manual_seed(0)
    return lambda: train_step(state, next(order), draws)


def looper(model: Model, batch: int, precision: Precision) -> Form:
    """The same training step with the plain loop of `benchmarks/loop.py`."""
    state = create_train_state(Config(model=model, training=PLAIN), torch.device("cpu"))
    plain = loop.in_a_loop(state.model.train())
    step = loop.plain_step(plain, state.criterion, DTYPES[precision], torch.Generator().manual_seed(0))
    order = endless(model, batch)
    return lambda: step(*vars(next(order)).values())


def seeing(model: Model, batch: int, canvas: Canvas, *, compiled: bool = False) -> Form:
    """The work of a step before its first product: render scenes, and read every glimpse."""
    order, glimpse = endless(model, batch, canvas), cast(GlimpseNetwork, build(model).glimpse)
    locations = torch.rand(model.num_glimpses, batch, 2) * 2 - 1

    def look(image: Tensor) -> list[Tensor]:
        return [glimpse.sensor(image, location) for location in locations]

    looked = compile_function(look) if compiled else look  # all at once, as a step is compiled
    kept: list[object] = []  # until the next call, as in a step: memory that is freed at once is slow to get again

    def see() -> None:
        image = next(order).image
        kept[:] = [image, *looked(image)]

    return see


def endless(
    model: Model, batch: int, canvas: Canvas | None = None, device: str = "cpu", count: int = 2048
) -> Iterator[Batch]:
    """Batches of one epoch after the other; images have 28 pixels a side if there is a canvas."""
    images = random_images(max(count, batch), MNIST.image if canvas else model.image, device)
    draws = torch.Generator(device).manual_seed(0)
    epochs = (batches(images, batch, draws, canvas=canvas) for _ in itertools.count())
    return itertools.chain.from_iterable(epochs)


@contextmanager
def using(threads: int) -> Iterator[None]:
    """Set torch's number of threads inside the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
