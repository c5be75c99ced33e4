"""Boxes cover the pixels that the sensor reads."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from foveate.glimpse.location import boxes
from foveate.glimpse.sensor import SpatialGlimpse

LEFT, RIGHT, TOP, BOTTOM = -1.0, 1.0, -1.0, 1.0


@pytest.mark.parametrize(
    ("location", "window", "expected"),
    [
        ((LEFT, TOP), (3, 3), [-1, -1, 2, 2]),
        ((RIGHT, TOP), (3, 3), [18, -1, 21, 2]),
        ((LEFT, BOTTOM), (3, 3), [-1, 8, 2, 11]),
        ((RIGHT, BOTTOM), (3, 3), [18, 8, 21, 11]),
        ((0.0, 0.0), (4, 4), [8, 3, 12, 7]),
        ((LEFT, TOP), (4, 4), [-1, -1, 3, 3]),
        ((RIGHT, BOTTOM), (4, 4), [17, 7, 21, 11]),
        ((0.0, 0.0), (2, 6), [7, 4, 13, 6]),
        ((LEFT, BOTTOM), (1, 1), [0, 9, 1, 10]),
    ],
)
def test_boxes_at_known_locations(location: tuple[float, float], window: tuple[int, int], expected: list[int]) -> None:
    """On an image of 10 x 20 pixels (height x width)."""
    assert boxes(torch.tensor(location), (10, 20), (window,)).tolist() == [expected]


def test_convention_location_is_x_then_y() -> None:
    """A reading as (y, x) would put the right edge at the bottom."""
    x0, y0, x1, y1 = boxes(torch.tensor([1.0, -1.0]), (10, 20), ((3, 3),))[0].tolist()
    assert (x0, x1) == (18, 21)
    assert (y0, y1) == (-1, 2)


@given(
    side=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    size=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    where=st.tuples(st.floats(-1, 1), st.floats(-1, 1)),
)
def test_boxes_hold_what_the_sensor_sees(
    side: tuple[int, int], size: tuple[int, int], where: tuple[float, float]
) -> None:
    """The mean of a box, zeros beyond the image, is the mean of its patch."""
    sensor = SpatialGlimpse(size, depth=3, scale=2)
    image = torch.rand(1, *side, generator=torch.Generator().manual_seed(0))
    location = torch.tensor(where)
    patches = sensor(image, location)
    for (x0, y0, x1, y1), patch in zip(boxes(location, side, sensor.windows).tolist(), patches, strict=True):
        inside = image[0, max(0, y0) : max(0, y1), max(0, x0) : max(0, x1)]
        torch.testing.assert_close(inside.sum() / ((x1 - x0) * (y1 - y0)), patch.mean(), atol=1e-6, rtol=1e-5)


def test_boxes_keep_the_batch() -> None:
    assert boxes(torch.zeros(7, 2, 2), (10, 20), ((3, 3), (6, 6))).shape == (7, 2, 2, 4)
