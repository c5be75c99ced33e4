"""Training steps ready to be timed: models, canvases, and images that are random bytes in memory."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import ModuleType
from typing import Literal, cast

import torch
from torch import Tensor

from foveate.config import Config, Model, Training
from foveate.data.batches import Batch, batches
from foveate.data.canvas import Canvas
from foveate.data.records import InMemory
from foveate.glimpse.network import GlimpseNetwork
from foveate.glimpse.sensor import Prepared
from foveate.training.build import build
from foveate.training.fusion import fused
from foveate.training.learner import make_learner
from foveate.training.memory import keep_memory
from foveate.training.scenes import distortion
from foveate.training.step import train_step
from foveate.training.timing import Form

Precision = Literal["fp32", "bf16"]
DTYPES: dict[Precision, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16}
CLASSES = tuple("0123456789")
MNIST = Model(image=(1, 28, 28), classes=CLASSES)
SCENE60 = Model(image=(1, 60, 60), classes=CLASSES, num_glimpses=8, glimpse_size=(12, 12), depth=3, unit_pixels=26.0)
SCENE100 = replace(SCENE60, image=(1, 100, 100), depth=4, unit_pixels=43.0)
CANVASES = [
    (SCENE60, Canvas("translated", (60, 60))),
    (SCENE60, Canvas("cluttered", (60, 60), 4)),
    (SCENE100, Canvas("cluttered", (100, 100), 8)),
]


def as_trained(config: Config) -> tuple[Model, Canvas]:
    """The network of a recipe for MNIST, and the canvas on which its training shows the images.

    Its baseline is one that a single rollout can do with.
    """
    data = config.data
    side = data.canvas_size or MNIST.image[1]
    model = replace(config.model, image=(1, side, side), classes=CLASSES, baseline="value")
    return model, Canvas(data.canvas, (side, side), data.distractors, distortion(data))


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
    """A whole training step, from reading the batch, of a set of so many images, to updating the parameters."""
    keep_memory()  # as `fit` does
    training = Training(batch_size=batch, precision=precision, num_rollouts=num_rollouts)
    learner = make_learner(Config(model=model, training=training), torch.device(device), compiled=compiled)
    learner.model.train()
    order, draws = endless(model, batch, canvas, device, count), torch.Generator(device).manual_seed(0)
    return lambda: train_step(learner, next(order), draws)


def looper(yardstick: ModuleType, model: Model, batch: int, precision: Precision) -> Form:
    """The same step in the plain loop form."""
    learner = make_learner(Config(model=model), torch.device("cpu"))
    plain = yardstick.in_a_loop(learner.model.train())
    step = yardstick.plain_step(plain, learner.criterion, DTYPES[precision], torch.Generator().manual_seed(0))
    order = endless(model, batch)
    return lambda: step(*vars(next(order)).values())


def seeing(model: Model, batch: int, canvas: Canvas, *, compiled: bool = False) -> Form:
    """What a step does before its first product: render scenes, prepare them, read every glimpse."""
    order, glimpse = endless(model, batch, canvas), cast(GlimpseNetwork, build(model).glimpse)
    locations = torch.rand(model.num_glimpses, batch, 2) * 2 - 1

    def look(image: Prepared) -> list[Tensor]:
        return [glimpse.sensor(image, location) for location in locations]

    looked = fused(look) if compiled else look  # all at once, as a step is compiled
    kept: list[object] = []  # until the next call, as in a step: memory that is given back at once is dear to get anew

    def see() -> None:
        image = glimpse.prepare(next(order).image, model.num_glimpses)
        kept[:] = [image, *looked(image)]

    return see


def endless(
    model: Model, batch: int, canvas: Canvas | None = None, device: str = "cpu", count: int = 2048
) -> Iterator[Batch]:
    """One epoch of batches after the other, of images of 28 pixels where there is a canvas."""
    images = random_images(max(count, batch), MNIST.image if canvas else model.image, device)
    draws = torch.Generator(device).manual_seed(0)
    epochs = (batches(images, batch, draws, canvas=canvas) for _ in itertools.count())
    return itertools.chain.from_iterable(epochs)


@contextmanager
def using(threads: int) -> Iterator[None]:
    """So many threads for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
