"""Cached constants do not depend on the mode of the call that made them."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx

from asserts import assert_equal, gradient
from foveate import SpatialGlimpse
from slow_forms import slow_glimpse

SCALES = (1.5, 2, 3)


@contextmanager
def default_type(dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextmanager
def default_device(device: str) -> Iterator[None]:
    torch.set_default_device(device)
    try:
        yield
    finally:
        torch.set_default_device(None)
        vars(torch._GLOBAL_DEVICE_CONTEXT).clear()  # PyTorch 2.8 cannot name the default device after None


MODES = {
    "inference": torch.inference_mode,
    "float64": lambda: default_type(torch.float64),
    "bfloat16": lambda: default_type(torch.bfloat16),
    "meta device": lambda: torch.device("meta"),
    "default device": lambda: default_device("meta"),
    "fake tensors": lambda: FakeTensorMode(allow_non_fake_inputs=True),
}


WIDTHS = itertools.count(20)


def made(scale: float) -> tuple[SpatialGlimpse, Tensor, Tensor]:
    """A sensor, byte images of a new width, for which nothing is cached, and locations."""
    shape, generator = (4, 1, 28, next(WIDTHS)), torch.Generator("cpu").manual_seed(0)
    image = torch.randint(256, shape, generator=generator, dtype=torch.int64, device="cpu").to(torch.uint8)
    location = torch.randint(-16, 17, (4, 2), generator=generator, dtype=torch.int64, device="cpu") / 16
    return SpatialGlimpse(8, 2, scale), image, location.float()


def assert_right(sensor: SpatialGlimpse, image: Tensor, location: Tensor) -> None:
    """Glimpses of any type equal the slow form and have a gradient to the image."""
    for pixels in (image, image.float(), image.double()):
        glimpse = sensor(pixels, location)
        assert type(glimpse) is Tensor
        expected = slow_glimpse(pixels, location, sensor.size, sensor.depth, sensor.scale)
        torch.testing.assert_close(glimpse, expected, rtol=0, atol=1e-3)
    pixels = image.float().requires_grad_()
    sensor(pixels, location.clone().requires_grad_()).sum().backward()
    assert gradient(pixels).any()


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("mode", MODES)
def test_a_glimpse_does_not_depend_on_the_mode_of_an_earlier_one(mode: str, scale: float):
    sensor, image, location = made(scale)
    several = [image, image.float(), image.double()]
    with MODES[mode]():
        glimpses = [sensor(pixels, location) for pixels in several]
    if mode != "fake tensors":
        for pixels, glimpse in zip(several, glimpses, strict=True):
            assert_equal(glimpse, sensor(pixels, location))
    assert_right(sensor, image, location)


@pytest.mark.usefixtures("without_shape_checks")
@pytest.mark.parametrize("kind", ["real", "fake", "symbolic"])
@pytest.mark.parametrize("scale", SCALES)
def test_a_glimpse_does_not_depend_on_an_earlier_trace(scale: float, kind: str):
    sensor, image, location = made(scale)
    graph = make_fx(sensor, tracing_mode=kind)(image.float(), location)
    torch.testing.assert_close(graph(image.float(), location), sensor(image.float(), location))
    assert_right(sensor, image, location)


@pytest.mark.usefixtures("without_shape_checks")
@pytest.mark.parametrize("scale", SCALES)
def test_a_sensor_compiles_where_a_default_device_is_set(scale: float):
    sensor, image, location = made(scale)
    with default_device("cpu"):
        compiled = torch.compile(sensor, fullgraph=True, backend="eager")
        assert_equal(compiled(image.float(), location), sensor(image.float(), location))
