"""The direct reader equals the plain reader to the bit, for images of any strides with contiguous rows."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from asserts import assert_equal, assert_no_host_sync
from benchmarks.timing import allocated
from foveate.glimpse.foveate import foveate
from foveate.glimpse.location import window_sizes
from foveate.glimpse.runs import has_byte_rows, read_runs
from foveate.glimpse.sensor import SpatialGlimpse

SIDE = st.integers(1, 30)
EXTENT = st.integers(1, 9)


def pixels(*shape: int, seed: int = 0) -> torch.Tensor:
    """Random bytes above 0, since 0 means outside the image."""
    return torch.randint(1, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


@given(
    image_size=st.tuples(SIDE, SIDE),
    size=st.tuples(EXTENT, EXTENT),
    depth=st.integers(1, 5),
    channels=st.integers(1, 3),
    images=st.integers(1, 3),
    rollouts=st.integers(1, 3),
    seed=st.integers(0, 2**31),
)
def test_direct_reads_equal_the_plain_reader(
    image_size: tuple[int, int],
    size: tuple[int, int],
    depth: int,
    channels: int,
    images: int,
    rollouts: int,
    seed: int,
):
    image = pixels(images, channels, *image_size, seed=seed)
    draws = torch.Generator().manual_seed(seed)
    location = torch.rand(images * rollouts, 2, generator=draws) * 2.6 - 1.3  # beyond the image too
    glimpse = read_runs(image, location, size, window_sizes(size, depth, 2.0))
    assert_equal(glimpse, foveate(image, location, size=size, depth=depth, scale=2.0))


LAID_OUT = {
    "in one piece": lambda: pixels(3, 2, 20, 30),
    "cut out of larger images": lambda: pixels(3, 4, 40, 50)[:, 1:3, 7:27, 9:39],
    "every other image": lambda: pixels(6, 2, 20, 30)[1::2],
    "every other row": lambda: pixels(3, 2, 40, 30)[:, :, ::2],
    "channels swapped": lambda: pixels(3, 2, 20, 30).flip(1).transpose(0, 1).contiguous().transpose(0, 1),
    "one image many times": lambda: pixels(1, 2, 20, 30).expand(3, -1, -1, -1),
}


@pytest.mark.parametrize("made", LAID_OUT.values(), ids=LAID_OUT)
def test_images_of_any_strides_are_read_without_a_copy(made):
    image, location = made(), torch.rand(6, 2, generator=torch.Generator().manual_seed(0)) * 2.6 - 1.3
    assert has_byte_rows(image)
    plain = foveate(image, location, size=(5, 4), depth=3, scale=2.0)
    assert_equal(read_runs(image, location, (5, 4), window_sizes((5, 4), 3, 2.0)), plain)
    assert_equal(SpatialGlimpse((5, 4), 3)(image, location), plain)


@pytest.mark.parametrize("image", [pixels(2, 20, 30, 2).permute(0, 3, 1, 2), pixels(2, 2, 30, 20).transpose(2, 3)])
def test_images_without_contiguous_rows_use_the_plain_reader(image: torch.Tensor):
    assert not has_byte_rows(image)
    location = torch.rand(4, 2, generator=torch.Generator().manual_seed(0)) * 2.6 - 1.3
    assert_equal(SpatialGlimpse(5, 3)(image, location), SpatialGlimpse(5, 3)(image.contiguous(), location))


def directly(size: int, depth: int) -> Callable[..., torch.Tensor]:
    """A sensor without its choice of a reader."""
    sensor = SpatialGlimpse(size, depth)
    return lambda image, location: read_runs(image, location, sensor.size, sensor.windows)


@pytest.mark.parametrize("kind", [directly, SpatialGlimpse])
def test_memory_does_not_grow_with_the_image(kind: Callable[..., Callable[..., torch.Tensor]]):
    read, location = kind(12, 3), torch.rand(4, 2) * 2 - 1
    small, large = (pixels(4, 1, side, side) for side in (100, 1000))
    for image in (small, large):  # fill the caches
        read(image, location)
    assert allocated(lambda: read(large, location)) == allocated(lambda: read(small, location)) < large.numel()


def test_means_of_white_pixels_are_one_up_to_blocks_of_256():
    image = torch.full((1, 1, 600, 600), 255, dtype=torch.uint8)
    windows = window_sizes((2, 2), 9, 2.0)
    assert windows[-1] == (512, 512)
    assert_equal(read_runs(image, torch.zeros(1, 2), (2, 2), windows), torch.ones(1, 9, 2, 2, dtype=torch.float32))


@pytest.mark.parametrize("kind", [directly, SpatialGlimpse])
def test_autocast_does_not_round_a_glimpse(kind: Callable[..., Callable[..., torch.Tensor]]):
    image, location = pixels(3, 1, 40, 40), torch.zeros(3, 2)
    read = kind(6, 3)
    with torch.autocast("cpu", torch.bfloat16):
        assert_equal(read(image, location), foveate(image, location, size=(6, 6), depth=3, scale=2.0))


@pytest.mark.parametrize("kind", [directly, SpatialGlimpse])
def test_a_window_larger_than_the_image_costs_no_more_than_the_image(
    kind: Callable[..., Callable[..., torch.Tensor]],
):
    image, location = pixels(2, 1, 9, 9), torch.zeros(2, 2)
    read = kind(64, 8)
    assert SpatialGlimpse(64, 8).windows[-1] == (8192, 8192)
    read(image, location)
    assert allocated(lambda: read(image, location)) < 2**21
    assert_no_host_sync(lambda: read(image, location))
