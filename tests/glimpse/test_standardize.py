"""A sensor with a mean and a standard deviation gives the glimpse of the standardized image, 0 outside of it."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from asserts import assert_equal
from foveate import SpatialGlimpse
from foveate.glimpse.foveate import foveate
from foveate.glimpse.location import coverage, window_sizes

MEAN = (0.3, 0.6)
STD = (0.25, 0.1)
# images, rollouts, height, width, patch, depth, scale
CASES = st.tuples(
    st.integers(1, 3),
    st.integers(1, 2),
    st.integers(1, 20),
    st.integers(1, 20),
    st.tuples(st.integers(1, 5), st.integers(1, 5)),
    st.integers(1, 4),
    st.sampled_from((1, 1.5, 2)),
)


def drawn(case) -> tuple[torch.Tensor, torch.Tensor]:
    """Bytes of two channels, and locations in and beyond [-1, 1]."""
    images, rollouts, height, width, *_ = case
    generator = torch.Generator().manual_seed(height * width)
    image = torch.randint(0, 256, (images, 2, height, width), dtype=torch.uint8, generator=generator)
    return image, torch.rand(images * rollouts, 2, generator=generator) * 2.4 - 1.2


@pytest.mark.parametrize("kind", ["bytes", "floats", "doubles", "strided"])
@given(case=CASES)
@settings(max_examples=30, deadline=None)
def test_it_equals_the_glimpse_of_the_standardized_image(kind: str, case):
    """By every reader: native, runs and plain."""
    *_, size, depth, scale = case
    image, location = drawn(case)
    sensor = SpatialGlimpse(size, depth, scale, mean=MEAN, std=STD)
    mean, std = torch.tensor(MEAN).view(-1, 1, 1).double(), torch.tensor(STD).view(-1, 1, 1).double()
    expected = foveate((image.double() / 255 - mean) / std, location, size=size, depth=depth, scale=scale)
    given_image = {
        "bytes": image,
        "floats": image.float() / 255,
        "doubles": image.double() / 255,
        "strided": image.transpose(2, 3).contiguous().transpose(2, 3),
    }[kind]
    torch.testing.assert_close(sensor(given_image, location).double(), expected, rtol=1e-4, atol=1e-4)


@given(case=CASES)
@settings(max_examples=50, deadline=None)
def test_coverage_is_the_glimpse_of_an_image_of_ones(case):
    *_, height, width, size, depth, _ = case
    location = drawn(case)[1]
    ones = foveate(torch.ones(1, 1, height, width, dtype=torch.float32), location, size=size, depth=depth, scale=2)
    assert_equal(coverage(location, (height, width), size, window_sizes(size, depth, 2)), ones)


def test_pixels_outside_are_zero_and_a_constant_image_of_the_mean_is_unseen():
    sensor = SpatialGlimpse(4, depth=2, mean=MEAN, std=STD)
    image = torch.tensor(MEAN).view(1, 2, 1, 1).expand(1, 2, 9, 9)
    torch.testing.assert_close(sensor(image, torch.tensor([[-1.0, 1.0]])), torch.zeros(1, 4, 4, 4))


def test_mean_and_std_are_saved_and_follow_the_model():
    sensor = SpatialGlimpse(4, mean=MEAN, std=STD)
    assert sorted(sensor.state_dict()) == ["mean", "std"]
    assert SpatialGlimpse(4).state_dict() == {}
    image, location = torch.rand(1, 2, 9, 9).float(), torch.zeros(1, 2)
    assert sensor.double()(image.double(), location).dtype == torch.float64
    other = SpatialGlimpse(4, mean=(0.0, 0.0), std=(1.0, 1.0))
    other.load_state_dict(sensor.state_dict())
    assert_equal(other.float()(image, location), sensor.float()(image, location))


def test_the_gradient_to_the_image_is_that_of_the_standardized_one():
    image = torch.rand(2, 2, 7, 6, requires_grad=True)
    location = torch.tensor([[-1.0, 0.2], [0.4, 1.0]])
    SpatialGlimpse(3, depth=2, mean=MEAN, std=STD)(image, location).square().sum().backward()
    found = image.grad
    image.grad = None
    mean, std = torch.tensor(MEAN).view(-1, 1, 1), torch.tensor(STD).view(-1, 1, 1)
    SpatialGlimpse(3, depth=2)((image - mean) / std, location).square().sum().backward()
    torch.testing.assert_close(found, image.grad)


@pytest.mark.parametrize(
    ("mean", "std", "sentence"),
    [
        ((0.5,), (), r"one number for each channel"),
        ((0.5,), (0.0,), r"`std` above 0\. Found \(0\.5,\) and \(0\.0,\)"),
    ],
)
def test_a_mean_without_a_positive_std_is_refused(mean, std, sentence):
    with pytest.raises(ValueError, match=sentence):
        SpatialGlimpse(4, mean=mean, std=std)


def test_other_channels_are_refused():
    with pytest.raises(ValueError, match=r"should have 2 channel\(s\), as `mean` has\. Found 3\."):
        SpatialGlimpse(4, mean=MEAN, std=STD)(torch.rand(1, 3, 9, 9), torch.zeros(1, 2))
