"""The sensor equals the reference, for batches, and has a gradient to the image only."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from asserts import assert_equal, assert_no_host_sync, operations
from foveate import SpatialGlimpse
from slow_forms import slow_glimpse

SCALES = (1, 1.5, 2, 2.5, 3)


def locations(count: int, seed: int) -> Tensor:
    """Multiples of 1/16 from -1.25 to 1.25: exact in floating point, with corners and locations beyond the image."""
    return torch.randint(-20, 21, (count, 2), generator=torch.Generator().manual_seed(seed)) / 16


UNKNOWN = [torch.int8, torch.int16, torch.int32, torch.int64, torch.uint16, torch.complex64]
UNKNOWN += [torch.float8_e4m3fn, torch.float8_e5m2]


def pixels(*shape: int, seed: int = 0) -> Tensor:
    """Random bytes."""
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


# images, rollouts, channels, height, width (not square, often smaller than a window), size, depth, scale
CASES = st.tuples(
    st.integers(1, 3),
    st.integers(1, 2),
    st.integers(1, 4),
    st.integers(1, 24),
    st.integers(1, 24),
    st.tuples(st.integers(1, 7), st.integers(1, 7)),
    st.integers(1, 4),
    st.sampled_from(SCALES),
)


def made(case) -> tuple[Tensor, Tensor, SpatialGlimpse]:
    """Byte images, locations and sensor of a case."""
    images, rollouts, channels, height, width, size, depth, scale = case
    image = pixels(images, channels, height, width, seed=height)
    return image, locations(images * rollouts, seed=width), SpatialGlimpse(size, depth, scale)


def slow(image: Tensor, location: Tensor, sensor: SpatialGlimpse) -> Tensor:
    return slow_glimpse(image, location, sensor.size, sensor.depth, sensor.scale)


@given(CASES)
@settings(max_examples=150)
def test_equals_the_slow_form(case):
    """To the bit if sums are exact (pooled integers), otherwise within about the last digit of 255 (of 1 for uint8)."""
    image, location, sensor = made(case)
    for pictures in (image, image.float(), image.double()):
        actual, expected = sensor(pictures, location), slow(pictures, location, sensor)
        if sensor.scale in (1, 2):
            assert_equal(actual, expected)
        else:
            tolerance = {torch.uint8: 1e-6, torch.float32: 2e-4, torch.float64: 1e-12 * 255}[pictures.dtype]
            torch.testing.assert_close(actual, expected, rtol=0, atol=tolerance)


@given(case=CASES, x=st.floats(-1.5, 1.5), y=st.floats(-1.5, 1.5))
def test_equals_the_slow_form_at_any_location(case, x, y):
    """In float64, as Python computes."""
    image, _, sensor = made(case)
    location = torch.tensor([[x, y]], dtype=torch.float64).expand(len(image), 2)
    torch.testing.assert_close(
        sensor(image.double(), location), slow(image.double(), location, sensor), rtol=0, atol=1e-9
    )


@given(CASES)
def test_bytes_are_read_as_fractions_of_255(case):
    image, location, sensor = made(case)
    torch.testing.assert_close(sensor(image, location), sensor(image.float() / 255, location), rtol=0, atol=1e-6)
    finest = SpatialGlimpse(sensor.size, depth=1)
    assert_equal(finest(image, location), finest(image.float() / 255, location))


def test_the_canonical_example():
    """A 3 x 512 x 512 image is read as 9 x 64 x 64 numbers, 6/128 or about 5 % of its pixels."""
    image = pixels(3, 512, 512).float()
    glimpse = SpatialGlimpse(64, 3, 2)(image, torch.zeros(2))
    assert glimpse.shape == (9, 64, 64)
    assert glimpse.numel() / image.numel() == 6 / 128
    assert_equal(glimpse[:3], image[:, 224:288, 224:288])
    assert_equal(glimpse[6:], torch.nn.functional.avg_pool2d(image[:, 128:384, 128:384], 4))


def test_convention_location_is_x_then_y_and_y_points_down():
    image = torch.arange(12.0).view(1, 3, 4)
    sensor = SpatialGlimpse(1, depth=1)
    seen = [sensor(image, torch.tensor(place)).item() for place in ([1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0], [1.0, 1.0])]
    assert seen == [3, 8, 0, 11]


def test_convention_outside_the_image_is_zero():
    glimpse = SpatialGlimpse(3, depth=1)(torch.ones(1, 5, 5), torch.tensor([-1.0, 1.0]))
    assert glimpse[0].tolist() == [[0, 1, 1], [0, 1, 1], [0, 0, 0]]


def test_convention_size_is_height_then_width():
    assert SpatialGlimpse((2, 5), depth=1)(torch.ones(1, 9, 9), torch.zeros(2)).shape == (1, 2, 5)


def test_chunk_unrolls_the_scales_fine_first():
    image, location = pixels(2, 3, 30, 20), locations(2, seed=1)
    chunks = SpatialGlimpse(4, depth=3)(image, location).chunk(3, dim=1)
    assert_equal(chunks[0], SpatialGlimpse(4, depth=1)(image, location))
    assert_equal(torch.cat(chunks[:2], dim=1), SpatialGlimpse(4, depth=2)(image, location))


def test_bug_18_scale_changes_what_the_coarse_patches_see():
    image, location = pixels(1, 1, 30, 30), torch.zeros(1, 2)
    seen = [SpatialGlimpse(4, 2, scale)(image, location) for scale in SCALES]
    for i, one in enumerate(seen):
        assert_equal(one[:, :1], seen[0][:, :1])
        assert all(not torch.equal(one, other) for other in seen[:i])


@given(CASES)
@settings(max_examples=30)
def test_location_i_reads_image_i_modulo_the_batch(case):
    """Location i looks at image i mod B, as it does alone."""
    image, location, sensor = made(case)
    together = sensor(image, location)
    alone = [sensor(image[i % len(image)], place) for i, place in enumerate(location)]
    torch.testing.assert_close(together, torch.stack(alone), rtol=0, atol=0 if sensor.scale in (1, 2) else 1e-6)
    assert_equal(together, sensor(image.repeat(len(location) // len(image), 1, 1, 1), location))


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("size", [1, 2, 3, (5, 2), 40])
def test_bug_09_odd_sizes_batches_of_one_any_scale_and_corners(size, scale):
    sensor = SpatialGlimpse(size, 3, scale)
    corners = torch.tensor([[1.0, 1.0], [-1.0, 1.0], [1.0, -1.0], [-1.0, -1.0]])
    for image in (pixels(1, 2, 9, 14) | 1, pixels(1, 1, 1, 1) | 1):
        for corner in corners:
            glimpse = sensor(image, corner.unsqueeze(0))
            assert glimpse.shape == (1, 3 * image.shape[1], *sensor.size)
            assert glimpse[:, : image.shape[1]].any(), "the finest patch holds the corner's pixel"


@pytest.mark.parametrize("scale", [2, 1.5])
def test_bug_10_a_larger_batch_takes_the_same_operations(scale):
    sensor = SpatialGlimpse(4, 3, scale)
    batches = [(pixels(b, 1, 20, 20), locations(b, seed=b)) for b in (2, 2, 16)]  # the first fills the caches
    _, small, large = (len(operations(lambda batch=batch: sensor(*batch))) for batch in batches)
    assert small == large > 0


@pytest.mark.parametrize("scale", SCALES)
def test_the_gradient_to_the_image_is_correct(scale):
    """With two locations per image and windows partly outside, gradients of a pixel add up."""
    image = torch.rand(2, 2, 6, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    sensor, location = SpatialGlimpse((3, 2), 3, scale), locations(4, seed=3).double()
    assert torch.autograd.gradcheck(lambda image: sensor(image, location), (image,), fast_mode=True)
    sensor(image, location).sum().backward()
    assert image.grad is not None
    assert image.grad.abs().sum() > 0


@pytest.mark.parametrize("scale", [2, 1.5])
def test_there_is_no_gradient_to_the_location(scale):
    location = locations(2, seed=1).requires_grad_()
    sensor = SpatialGlimpse(3, 2, scale)
    assert not sensor(pixels(2, 1, 9, 9), location).requires_grad
    image = torch.rand(2, 1, 9, 9, requires_grad=True)
    sensor(image, location).sum().backward()
    assert image.grad is not None
    assert location.grad is None


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
@pytest.mark.parametrize("scale", [1, 2, 1.5])
def test_never_waits_for_the_device(scale, dtype):
    """No operation reads values, and none fails on a tensor without values."""
    sensor, image, location = SpatialGlimpse(4, 3, scale), pixels(4, 1, 20, 30).to(dtype), locations(4, seed=1)
    sensor(image, location)
    assert_no_host_sync(lambda: sensor(image, location))
    sensor(image.to("meta"), location.to("meta"))
    assert_no_host_sync(lambda: sensor(image.to("meta"), location.to("meta")))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e30])
@pytest.mark.parametrize("scale", [2, 1.5])
def test_a_nonfinite_location_does_not_crash(scale, value):
    """A diverged run reports its own error, and other images are read as before."""
    image, location = pixels(2, 1, 9, 9), torch.tensor([[0.0, value], [0.5, 0.5]])
    sensor = SpatialGlimpse(3, 3, scale)
    glimpse = sensor(image, location)
    assert glimpse.isfinite().all()
    assert_equal(glimpse[1:], sensor(image[1:], location[1:]))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("scale", [2, 1.5])
def test_a_floating_point_image_keeps_its_type(scale, dtype):
    assert SpatialGlimpse(4, 2, scale)(torch.rand(1, 1, 9, 9).to(dtype), torch.zeros(1, 2)).dtype == dtype


@pytest.mark.parametrize("dtype", UNKNOWN)
@pytest.mark.parametrize("single", [True, False])
def test_types_without_a_known_range_are_refused(single, dtype):
    image, location = torch.zeros(1, 1, 9, 9, dtype=dtype), torch.zeros(1, 2)
    with pytest.raises(ValueError, match=rf"`image` should be uint8 .*, or floating point .* Found {dtype}"):
        SpatialGlimpse(3)(*((image[0], location[0]) if single else (image, location)))


def test_a_mask_is_black_and_white():
    mask, location = pixels(2, 1, 9, 9) > 127, locations(2, seed=1)
    assert_equal(SpatialGlimpse(3, 2)(mask, location), SpatialGlimpse(3, 2)(mask.float(), location))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"size": 0}, "`size` should be at least 1. Found `size = 0`."),
        ({"size": (3, -1)}, r"`size` should be at least 1. Found `size = \(3, -1\)`."),
        ({"size": 3, "depth": 0}, "`depth` should be at least 1. Found `depth = 0`."),
        ({"size": 3, "scale": 0.5}, "`scale` should be at least 1. Found `scale = 0.5`."),
        ({"size": 3, "scale": float("nan")}, "`scale` should be at least 1. Found `scale = nan`."),
        ({"size": 3, "scale": float("inf")}, "`scale` should be at least 1. Found `scale = inf`."),
    ],
)
def test_impossible_sensors_are_refused(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        SpatialGlimpse(**arguments)


@pytest.mark.parametrize(
    ("image", "location", "found"),
    [
        ((2, 1, 9, 9), (3, 2), r"\(3, 2\)"),
        ((2, 1, 9, 9), (2,), r"\(2,\)"),
        ((1, 9, 9), (1, 2), r"\(1, 1, 2\)"),
        ((1, 1, 0, 9), (1, 2), r"\(1, 1, 0, 9\)"),
        ((0, 1, 9, 9), (0, 2), r"\(0, 1, 9, 9\)"),
        ((1, 1, 1, 9, 9), (1, 2), r"\(1, 1, 1, 9, 9\)"),
    ],
)
def test_images_and_locations_that_do_not_fit_are_refused(image, location, found):
    with pytest.raises(ValueError, match=f"Found (the shape )?{found}."):
        SpatialGlimpse(3)(torch.zeros(image), torch.zeros(location))


def test_print_shows_the_sizes():
    assert repr(SpatialGlimpse(8, 2, 1.5)) == "SpatialGlimpse(size=(8, 8), depth=2, scale=1.5)"


def test_a_nan_location_reads_within_the_image():
    image = torch.randint(0, 256, (2, 1, 28, 28), dtype=torch.uint8)
    nowhere, sensor = torch.full((2, 2), torch.nan), SpatialGlimpse(8, depth=2)
    for pixels in (image, image / 255, image.double()):
        assert torch.equal(sensor(pixels, nowhere), sensor(pixels, -torch.ones(2, 2)))


def test_windows_above_the_maximum_are_refused():
    with pytest.raises(ValueError, match=r"should keep windows within 65536 pixels. Found a window of 4398046511104"):
        SpatialGlimpse(8, depth=40)
