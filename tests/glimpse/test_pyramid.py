"""A pyramid gives the same glimpses as reading the image directly, to the bit, and is built only where it pays."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from foveate.glimpse.foveate import foveate
from foveate.glimpse.location import window_sizes
from foveate.glimpse.pyramid import Pyramid, build_pyramid, read_pyramid, worthwhile
from foveate.glimpse.sensor import SpatialGlimpse

SIDE = st.integers(1, 30)
EXTENT = st.integers(1, 9)


@given(
    image_size=st.tuples(SIDE, SIDE),
    size=st.tuples(EXTENT, EXTENT),
    depth=st.integers(1, 5),
    channels=st.integers(1, 3),
    images=st.integers(1, 3),
    rollouts=st.integers(1, 3),
    seed=st.integers(0, 2**31),
)
def test_pyramid_equals_direct_reads(
    image_size: tuple[int, int],
    size: tuple[int, int],
    depth: int,
    channels: int,
    images: int,
    rollouts: int,
    seed: int,
):
    draws = torch.Generator().manual_seed(seed)
    image = torch.randint(0, 256, (images, channels, *image_size), dtype=torch.uint8, generator=draws)
    location = torch.rand(images * rollouts, 2, generator=draws) * 2.6 - 1.3  # beyond the image too
    pyramid = build_pyramid(image, size, window_sizes(size, depth, 2.0))
    direct = foveate(image, location, size=size, depth=depth, scale=2.0)
    assert torch.equal(read_pyramid(pyramid, location), direct)


def test_white_does_not_overflow():
    image = torch.full((1, 1, 64, 64), 255, dtype=torch.uint8)
    for depth in (1, 2, 3, 4, 5, 6):
        glimpse = read_pyramid(build_pyramid(image, (1, 1), window_sizes((1, 1), depth, 2.0)), torch.zeros(1, 2))
        assert torch.equal(glimpse, torch.ones(1, depth, 1, 1))


@pytest.mark.parametrize(
    ("image_size", "size", "depth", "num_glimpses", "pays"),
    [
        ((28, 28), 8, 1, 7, True),
        ((60, 60), 12, 3, 8, True),
        ((100, 100), 12, 4, 8, True),
        ((128, 128), 12, 3, 8, False),
        ((512, 512), 12, 3, 8, False),
    ],
)
def test_a_pyramid_is_built_where_it_pays(image_size: tuple[int, int], size: int, depth: int, num_glimpses: int, pays):
    sensor = SpatialGlimpse(size, depth)
    assert worthwhile(image_size, sensor.windows, num_glimpses) == pays
    image = torch.randint(0, 256, (2, 1, *image_size), dtype=torch.uint8)
    prepared = sensor.prepare(image, num_glimpses)
    assert isinstance(prepared, Pyramid) == pays
    location = torch.rand(2, 2) * 2 - 1
    assert torch.equal(sensor(prepared, location), sensor(image, location))


@pytest.mark.parametrize("image", [torch.rand(1, 1, 20, 20), torch.rand(1, 1, 20, 20).double()])
def test_floating_point_images_are_read_directly(image: torch.Tensor):
    assert SpatialGlimpse(8).prepare(image, 7) is image


def test_a_bilinear_scale_is_read_directly():
    image = torch.zeros(1, 1, 20, 20, dtype=torch.uint8)
    assert SpatialGlimpse(8, depth=2, scale=1.5).prepare(image, 7) is image
    assert isinstance(SpatialGlimpse(8, depth=1, scale=1.5).prepare(image, 7), Pyramid)
