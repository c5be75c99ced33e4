"""Coordinates: what a location means in pixels."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from asserts import assert_equal
from foveate.glimpse.location import reach, window_origin, window_sizes

SIDES = st.integers(1, 60)
# Multiples of 1/64, in the corners and beyond: every step of the arithmetic is exact, so any right form agrees.
LOCATIONS = st.integers(-100, 100).map(lambda i: i / 64)


def centers(location: list[float], image_size: tuple[int, int], windows: tuple[tuple[int, int], ...]) -> torch.Tensor:
    """Center (x, y) of each window in pixels; 0 is the center of the first pixel."""
    origin = window_origin(torch.tensor(location, dtype=torch.float32), image_size, windows)
    return origin + (torch.tensor(windows).flip(-1) - 1) / 2


@given(x=LOCATIONS, y=LOCATIONS, height=SIDES, width=SIDES, window=st.tuples(SIDES, SIDES))
def test_corner_equals_the_formula_of_the_reference(x, y, height, width, window):
    def corner(location, side, g):
        p = (g - 1) // 2
        travel = max(0, side + 2 * p - g)
        return math.floor(min(max((location + 1) / 2 * travel, 0), travel)) - p

    expected = torch.tensor([corner(x, width, window[1]), corner(y, height, window[0])])
    for dtype in (torch.float32, torch.float64):
        assert_equal(window_origin(torch.tensor([x, y], dtype=dtype), (height, width), (window,))[0], expected)


@given(height=SIDES, width=SIDES, half=st.tuples(st.integers(0, 20), st.integers(0, 20)))
def test_convention_an_odd_window_is_centered_on_the_first_and_last_pixel_at_the_ends(height, width, half):
    window = (2 * half[0] + 1, 2 * half[1] + 1)
    assert centers([-1, -1], (height, width), (window,)).tolist() == [[0, 0]]
    assert centers([1, 1], (height, width), (window,)).tolist() == [[width - 1, height - 1]]


@given(height=st.integers(2, 60), width=st.integers(2, 60), half=st.tuples(st.integers(1, 20), st.integers(1, 20)))
def test_convention_an_even_window_is_half_a_pixel_inside_at_the_ends(height, width, half):
    window = (2 * half[0], 2 * half[1])
    assert centers([-1, -1], (height, width), (window,)).tolist() == [[0.5, 0.5]]
    assert centers([1, 1], (height, width), (window,)).tolist() == [[width - 1.5, height - 1.5]]


def test_convention_location_is_x_then_y_and_y_points_down():
    at = {corner: centers(list(corner), (3, 7), ((1, 1),))[0].tolist() for corner in [(1, -1), (-1, 1), (0, 0)]}
    assert at == {(1, -1): [6, 0], (-1, 1): [0, 2], (0, 0): [3, 1]}


def test_bug_08_each_axis_has_its_own_side():
    """In an image of 11 x 101 pixels the same number is ten times as far along x."""
    assert centers([0.5, 0.5], (11, 101), ((1, 1),)).tolist() == [[75, 7]]
    assert window_origin(torch.tensor([-1.0, -1.0]), (11, 101), ((3, 9),)).tolist() == [[-4, -1]]
    assert reach(10, (40, 80)) == (0.25, 0.5)


@given(x=LOCATIONS, y=LOCATIONS, height=SIDES, width=SIDES)
def test_locations_beyond_the_ends_are_clamped(x, y, height, width):
    beyond, location = torch.tensor([x, y]), torch.tensor([x, y]).clamp(-1, 1)
    windows = ((5, 5), (10, 10))
    assert_equal(window_origin(beyond, (height, width), windows), window_origin(location, (height, width), windows))


@given(
    x=LOCATIONS, y=LOCATIONS, image_size=st.tuples(SIDES, SIDES), size=st.tuples(st.integers(1, 9), st.integers(1, 9))
)
def test_windows_of_all_scales_are_concentric(x, y, image_size, size):
    """Exactly if all sides are odd or all are even, otherwise within one pixel."""
    image_size = (image_size[0] + 1, image_size[1] + 1)
    for scale in (2.0, 3.0):
        windows = window_sizes(size, 3, scale)
        middles = centers([x, y], image_size, windows)
        assert (middles - middles[0]).abs().max() <= 1
        for axis in (0, 1):
            if len({window[axis] % 2 for window in windows}) == 1:
                assert middles[:, 1 - axis].unique().numel() == 1


@pytest.mark.parametrize(
    ("scale", "expected"),
    [
        (1, [(7, 5), (7, 5), (7, 5), (7, 5)]),
        (1.5, [(7, 5), (10, 7), (15, 10), (22, 15)]),
        (2, [(7, 5), (14, 10), (28, 20), (56, 40)]),
        (2.5, [(7, 5), (17, 12), (42, 30), (105, 75)]),
    ],
)
def test_each_window_is_the_floor_of_the_last_one_times_scale(scale, expected):
    """Rounds down at every step: 7 * 1.5^2 is 15.75, but floor(floor(7 * 1.5) * 1.5) is 15."""
    assert list(window_sizes((7, 5), 4, scale)) == expected


@given(batch=st.lists(st.integers(1, 3), min_size=0, max_size=3), seed=st.integers(0, 9))
def test_leading_dimensions_are_batch_dimensions(batch, seed):
    location = torch.rand(*batch, 2, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    windows = ((3, 4), (6, 8))
    together = window_origin(location, (20, 30), windows)
    alone = [window_origin(one, (20, 30), windows) for one in location.reshape(-1, 2)]
    assert_equal(together, torch.stack(alone).view(*batch, 2, 2))


def test_reach_is_unit_pixels_from_the_center():
    """The script's 13 on 28 pixels and 26 on 60."""
    assert reach(13, (28, 28)) == pytest.approx((0.9286, 0.9286), abs=1e-4)
    assert reach(26, (60, 60)) == pytest.approx((0.8667, 0.8667), abs=1e-4)
    x, y = reach(10, (41, 81))  # the first and last pixel of these are 40 and 80 pixels apart
    moved = centers([x, -y], (41, 81), ((1, 1),)) - centers([0, 0], (41, 81), ((1, 1),))
    assert (moved - torch.tensor([[10, -10]])).abs().max() <= 1
