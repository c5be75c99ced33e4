"""Distortion: its directions, its ranges, and that each image goes its own way."""

import dataclasses
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from foveate.data.batches import batches
from foveate.data.canvas import Canvas
from foveate.data.distortion import MOST, Distortion, affine, bend
from foveate.data.records import InMemory


def seed(value=0):
    return torch.Generator().manual_seed(value)


def moved(image, draw, rotation=0.0, slant=0.0, zoom=0.0, shift=0.0):
    """An image distorted by given draws."""
    height, width = image.shape[-2:]
    theta = affine(torch.tensor([draw]), rotation, slant, zoom, (2 * shift / width, 2 * shift / height), width / height)
    grid = F.affine_grid(theta, [1, 1, height, width], align_corners=False)
    return F.grid_sample(image.view(1, 1, height, width).float(), grid, align_corners=False)[0, 0]


def test_convention_positive_turns_clockwise_in_pixels_of_an_oblong_image():
    image = torch.zeros(5, 9)
    image[2, 5:7] = 100  # to the right of the centre
    turned = moved(image, [1.0, 0, 0, 0, 0, 0], rotation=90)
    assert turned.nonzero().tolist() == [[3, 4], [4, 4]]  # below it, just as far in pixels


def test_convention_positive_moves_right_and_down_by_pixels():
    image = torch.zeros(5, 9)
    image[2, 4] = 100
    assert moved(image, [0, 0, 0, 1.0, 0.5, 0], shift=2).round().nonzero().tolist() == [[3, 6]]


def test_convention_positive_enlarges_width_and_height_each_for_itself():
    image = torch.zeros(9, 9)
    image[3:6, 3:6] = 100
    wide = moved(image, [0, 1.0, 0, 0, 0, 0], zoom=0.6)
    assert (wide[4] > 50).sum() == 5
    assert (wide[:, 4] > 50).sum() == 3


def test_convention_positive_slants_to_the_right_as_italics_in_pixels_of_an_oblong_image():
    image = torch.zeros(5, 9)
    image[:, 4] = 100
    leaning = moved(image, [0, 0, 0, 0, 0, 1.0], slant=45)
    assert leaning.round().nonzero().tolist() == [[0, 6], [1, 5], [2, 4], [3, 3], [4, 2]]
    flat = torch.zeros(5, 9)
    flat[2, 2:7] = 100
    torch.testing.assert_close(moved(flat, [0, 0, 0, 0, 0, -1.0], slant=45), flat)


def test_a_slow_form_gives_the_same_pixels():
    image = torch.randint(0, 256, (6, 7), generator=seed())
    draw = torch.tensor([0.3, -0.7, 0.9, 0.2, -0.4, 0.6])
    fast = moved(image, draw.tolist(), rotation=40, slant=25, zoom=0.3, shift=1.5)
    angle = math.radians(0.3 * 40)
    for y in range(6):
        for x in range(7):
            right, down = x - 3 - 0.2 * 1.5, y - 2.5 + 0.4 * 1.5
            across, along = (
                math.cos(angle) * right + math.sin(angle) * down,
                -math.sin(angle) * right + math.cos(angle) * down,
            )
            across += math.tan(math.radians(0.6 * 25)) * along
            column, row = across / (1 - 0.7 * 0.3) + 3, along / (1 + 0.9 * 0.3) + 2.5
            left, above = math.floor(column), math.floor(row)
            value = sum(
                image[j, i].item() * (1 - abs(column - i)) * (1 - abs(row - j))
                for j in (above, above + 1)
                for i in (left, left + 1)
                if 0 <= j < 6 and 0 <= i < 7
            )
            assert fast[y, x].item() == pytest.approx(value, abs=1e-2)


@given(st.integers(1, 4), st.integers(1, 3), st.integers(1, 12), st.integers(1, 12))
def test_any_shape_stays(batch, channels, height, width):
    image = torch.randint(0, 256, (batch, channels, height, width), dtype=torch.uint8, generator=seed())
    distorted = Distortion(rotation=15, slant=20, zoom=0.15, shift=2, elastic=3)(image, seed())
    assert distorted.shape == image.shape
    assert distorted.dtype == torch.uint8


def test_every_image_goes_its_own_way_and_a_seed_gives_the_same():
    image = torch.randint(0, 256, (1, 1, 12, 12), dtype=torch.uint8, generator=seed()).expand(8, 1, 12, 12)
    distorted = Distortion(rotation=20)(image, seed(1))
    assert len(distorted.unique(dim=0)) == 8
    assert torch.equal(distorted, Distortion(rotation=20)(image, seed(1)))
    assert not torch.equal(distorted, Distortion(rotation=20)(image, seed(2)))


def test_nothing_is_drawn_where_nothing_is_distorted():
    image, generator = torch.zeros(2, 1, 3, 3, dtype=torch.uint8), seed()
    assert Distortion()(image, generator) is image
    assert torch.equal(generator.get_state(), seed().get_state())


def test_batches_distort():
    images = InMemory(torch.randint(0, 256, (6, 1, 9, 9), dtype=torch.uint8), torch.arange(6))
    (plain,) = batches(images, 6, seed())
    (distorted,) = batches(
        images, 6, seed(), canvas=Canvas("centred", (9, 9), distortion=Distortion(rotation=30, zoom=0.2, shift=1))
    )
    assert torch.equal(plain.label, distorted.label)
    assert not torch.equal(plain.image, distorted.image)


def test_every_range_has_its_most():
    assert set(MOST) == {field.name for field in dataclasses.fields(Distortion)}


@pytest.mark.parametrize(
    "wrong",
    [
        {"rotation": -1},
        {"rotation": 181},
        {"slant": 90},
        {"zoom": 1.0},
        {"shift": -0.1},
        {"shift": math.nan},
        {"elastic": -1},
    ],
)
def test_impossible_ranges_are_refused(wrong):
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=f"`{name}` should be between .* Found `{name} = {value:g}`"):
        Distortion(**wrong)


def test_a_shift_is_in_pixels_along_both_axes_of_an_oblong_image():
    image = torch.zeros(200, 1, 11, 41, dtype=torch.uint8)
    image[:, :, 5, 20] = 255
    rows, columns = Distortion(shift=3)(image, seed()).nonzero()[:, 2:].unbind(1)
    assert (rows.min(), rows.max()) == (2, 8)
    assert (columns.min(), columns.max()) == (17, 23)


def test_convention_a_knot_takes_its_pixel_from_further_right_and_down_by_pixels_of_an_oblong_image():
    draws = torch.zeros(1, 2, 5, 5)
    draws[0, 0, 2, 1], draws[0, 1, 2, 1] = 1.0, -0.5  # the knot in the middle row, a quarter of the way across
    field = bend(draws, 3, (9, 13))
    assert field[0, 4, 3].tolist() == pytest.approx([2 * 3 / 13, -0.5 * 2 * 3 / 9])
    for row, column in ((4, 6), (4, 0), (2, 3), (6, 3)):  # the knots around it stay
        assert field[0, row, column].abs().max() < 1e-6
    image = torch.zeros(1, 1, 9, 13)
    image[..., 4, 6] = 100
    grid = F.affine_grid(torch.eye(2, 3)[None], [1, 1, 9, 13], align_corners=False)
    draws[0, 1] = 0
    assert F.grid_sample(image, grid + bend(draws, 3, (9, 13)), align_corners=False)[0, 0, 4, 3] == pytest.approx(100)


def test_what_lies_between_the_knots_follows_smoothly():
    field = bend(torch.rand(50, 2, 5, 5, generator=seed()) * 2 - 1, 2, (28, 28)) * 14  # in pixels
    for axis in (1, 2):
        assert field.diff(dim=axis).abs().max() < 1.2  # a knot may be 4 px from the next, 6.75 px away
        assert field.diff(n=2, dim=axis).abs().max() < 0.7
    assert field.abs().max() < 2 * 1.25**2  # a cubic overshoots a little, along both axes


def test_bending_a_whole_batch_is_bicubic_interpolation():
    draws = torch.rand(3, 2, 5, 5, generator=seed()) * 2 - 1
    slow = F.interpolate(draws, (9, 13), mode="bicubic", align_corners=True)
    field = bend(draws, 3, (9, 13))
    torch.testing.assert_close(field[..., 0], slow[:, 0] * 6 / 13)
    torch.testing.assert_close(field[..., 1], slow[:, 1] * 6 / 9)


def test_every_image_is_bent_its_own_way_and_a_seed_gives_the_same():
    image = torch.randint(0, 256, (1, 2, 12, 12), dtype=torch.uint8, generator=seed()).expand(8, 2, 12, 12)
    bent = Distortion(elastic=2)(image, seed(1))
    assert len(bent.unique(dim=0)) == 8
    assert torch.equal(bent, Distortion(elastic=2)(image, seed(1)))


def test_slants_reach_their_range_both_ways_and_leave_the_other_draws_as_they_are():
    image = torch.zeros(200, 1, 11, 21, dtype=torch.uint8)
    image[:, :, 0, 10] = 255
    slanted = Distortion(slant=45)(image, seed())
    assert torch.equal(slanted, Distortion(slant=45)(image, seed()))
    columns = slanted[:, 0, 0].nonzero()[:, 1]
    assert (columns.min(), columns.max()) == (5, 15)
    image = torch.randint(0, 256, (4, 1, 12, 12), dtype=torch.uint8, generator=seed())
    slightly = Distortion(rotation=20, slant=1e-5, zoom=0.2, shift=1)(image, seed())
    assert (slightly.int() - Distortion(rotation=20, zoom=0.2, shift=1)(image, seed()).int()).abs().max() <= 1


def test_what_is_not_slanted_draws_as_before_there_was_a_slant():
    generator, before = seed(), seed()
    Distortion(rotation=20)(torch.zeros(4, 1, 12, 12, dtype=torch.uint8), generator)
    torch.rand(4, 5, generator=before)
    assert torch.equal(generator.get_state(), before.get_state())


def test_bending_leaves_the_other_draws_as_they_are():
    image = torch.randint(0, 256, (4, 1, 12, 12), dtype=torch.uint8, generator=seed())
    slightly = Distortion(rotation=20, zoom=0.2, shift=1, elastic=1e-6)(image, seed())
    assert (slightly.int() - Distortion(rotation=20, zoom=0.2, shift=1)(image, seed()).int()).abs().max() <= 1
