"""Augmentation: directions, ranges, independence of the images, and reproducibility."""

import dataclasses
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from foveate.data.augment import MAX_RANGE, Augmentation, affine, bend, erase, recolor
from foveate.data.batches import batches
from foveate.data.canvas import Canvas
from foveate.data.records import InMemory


def seed(value=0):
    return torch.Generator().manual_seed(value)


def moved(image, draw, degrees=0.0, scale=0.0, translate=0.0):
    """Return an image augmented by given draws."""
    height, width = image.shape[-2:]
    offset = (2 * translate / width, 2 * translate / height)
    theta = affine(torch.tensor([draw]), degrees, scale, offset, width / height)
    grid = F.affine_grid(theta, [1, 1, height, width], align_corners=False)
    return F.grid_sample(image.view(1, 1, height, width).float(), grid, align_corners=False)[0, 0]


def test_convention_positive_angles_rotate_clockwise_in_pixels():
    image = torch.zeros(5, 9)
    image[2, 5:7] = 100  # to the right of the center
    turned = moved(image, [1.0, 0, 0, 0, 0], degrees=90)
    assert turned.nonzero().tolist() == [[3, 4], [4, 4]]  # below it, just as far in pixels


def test_convention_positive_translation_is_right_and_down_in_pixels():
    image = torch.zeros(5, 9)
    image[2, 4] = 100
    assert moved(image, [0, 0, 0, 1.0, 0.5], translate=2).round().nonzero().tolist() == [[3, 6]]


def test_convention_positive_scale_enlarges_width_and_height_separately():
    image = torch.zeros(9, 9)
    image[3:6, 3:6] = 100
    wide = moved(image, [0, 1.0, 0, 0, 0], scale=0.6)
    assert (wide[4] > 50).sum() == 5
    assert (wide[:, 4] > 50).sum() == 3


def test_pixels_equal_a_plain_loop():
    image = torch.randint(0, 256, (6, 7), generator=seed())
    draw = torch.tensor([0.3, -0.7, 0.9, 0.2, -0.4])
    fast = moved(image, draw.tolist(), degrees=40, scale=0.3, translate=1.5)
    angle = math.radians(0.3 * 40)
    for y in range(6):
        for x in range(7):
            right, down = x - 3 - 0.2 * 1.5, y - 2.5 + 0.4 * 1.5
            across, along = (
                math.cos(angle) * right + math.sin(angle) * down,
                -math.sin(angle) * right + math.cos(angle) * down,
            )
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
def test_shape_and_type_are_preserved(batch, channels, height, width):
    image = torch.randint(0, 256, (batch, channels, height, width), dtype=torch.uint8, generator=seed())
    distorted = Augmentation(degrees=15, scale=0.15, translate=2, elastic=3)(image, seed())
    assert distorted.shape == image.shape
    assert distorted.dtype == torch.uint8


def test_images_are_augmented_independently_and_reproducibly():
    image = torch.randint(0, 256, (1, 1, 12, 12), dtype=torch.uint8, generator=seed()).expand(8, 1, 12, 12)
    distorted = Augmentation(degrees=20)(image, seed(1))
    assert len(distorted.unique(dim=0)) == 8
    assert torch.equal(distorted, Augmentation(degrees=20)(image, seed(1)))
    assert not torch.equal(distorted, Augmentation(degrees=20)(image, seed(2)))


def test_the_identity_draws_no_random_numbers():
    image, generator = torch.zeros(2, 1, 3, 3, dtype=torch.uint8), seed()
    assert Augmentation()(image, generator) is image
    assert torch.equal(generator.get_state(), seed().get_state())


def test_batches_are_augmented():
    images = InMemory(torch.randint(0, 256, (6, 1, 9, 9), dtype=torch.uint8), torch.arange(6))
    (plain,) = batches(images, 6, seed())
    (distorted,) = batches(
        images,
        6,
        seed(),
        canvas=Canvas("centered", (9, 9), augmentation=Augmentation(degrees=30, scale=0.2, translate=1)),
    )
    assert torch.equal(plain.label, distorted.label)
    assert not torch.equal(plain.image, distorted.image)


def test_every_range_is_bounded():
    assert set(MAX_RANGE) == {field.name for field in dataclasses.fields(Augmentation)}


@pytest.mark.parametrize(
    "wrong",
    [
        {"degrees": -1},
        {"degrees": 181},
        {"scale": 1.0},
        {"translate": -0.1},
        {"translate": math.nan},
        {"elastic": -1},
    ],
)
def test_ranges_out_of_bounds_are_refused(wrong):
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=f"`{name}` should be between .* Found `{name} = {value:g}`"):
        Augmentation(**wrong)


def test_translation_is_in_pixels_along_both_axes():
    image = torch.zeros(200, 1, 11, 41, dtype=torch.uint8)
    image[:, :, 5, 20] = 255
    rows, columns = Augmentation(translate=3)(image, seed()).nonzero()[:, 2:].unbind(1)
    assert (rows.min(), rows.max()) == (2, 8)
    assert (columns.min(), columns.max()) == (17, 23)


def test_convention_a_positive_knot_fetches_from_the_right_and_below_in_pixels():
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


def test_the_field_is_smooth_between_knots():
    field = bend(torch.rand(50, 2, 5, 5, generator=seed()) * 2 - 1, 2, (28, 28)) * 14  # in pixels
    for axis in (1, 2):
        assert field.diff(dim=axis).abs().max() < 1.2  # a knot may be 4 px from the next, 6.75 px away
        assert field.diff(n=2, dim=axis).abs().max() < 0.7
    assert field.abs().max() < 2 * 1.25**2  # a cubic overshoots a little, along both axes


def test_bend_equals_bicubic_interpolation():
    draws = torch.rand(3, 2, 5, 5, generator=seed()) * 2 - 1
    slow = F.interpolate(draws, (9, 13), mode="bicubic", align_corners=True)
    field = bend(draws, 3, (9, 13))
    torch.testing.assert_close(field[..., 0], slow[:, 0] * 6 / 13)
    torch.testing.assert_close(field[..., 1], slow[:, 1] * 6 / 9)


def test_elastic_distortions_are_independent_and_reproducible():
    image = torch.randint(0, 256, (1, 2, 12, 12), dtype=torch.uint8, generator=seed()).expand(8, 2, 12, 12)
    bent = Augmentation(elastic=2)(image, seed(1))
    assert len(bent.unique(dim=0)) == 8
    assert torch.equal(bent, Augmentation(elastic=2)(image, seed(1)))


def test_flips_are_exact_and_as_frequent_as_asked():
    image = torch.randint(0, 256, (1000, 1, 3, 5), dtype=torch.uint8, generator=seed(1))
    found = Augmentation(horizontal_flip=0.3)(image, seed())
    same = (found == image).flatten(1).all(1)
    flipped = (found == image.flip(-1)).flatten(1).all(1)
    assert torch.equal(same, ~flipped)
    assert 0.25 < flipped.double().mean() < 0.35
    assert torch.equal(Augmentation(horizontal_flip=1)(image, seed()), image.flip(-1))


@pytest.mark.parametrize("channels", [1, 3])
def test_brightness_and_contrast_are_those_of_torchvision(channels: int):
    """Written out: v2.functional.adjust_brightness, then adjust_contrast, on numbers that are not rounded between."""
    image = torch.randint(0, 256, (2, channels, 4, 5), dtype=torch.uint8, generator=seed(1))
    bright, contrast = torch.tensor([0.5, 1.4]), torch.tensor([1.7, 0.2])
    found = recolor(image, bright.view(2, 1, 1, 1), contrast.view(2, 1, 1, 1))
    weights = (0.2989, 0.587, 0.114) if channels == 3 else (1.0,)
    for i in range(2):
        lit = [[min(255.0, p * float(bright[i])) for p in image[i, c].flatten().tolist()] for c in range(channels)]
        gray = [sum(w * lit[c][j] for c, w in enumerate(weights)) for j in range(20)]
        mean = sum(gray) / 20
        for c in range(channels):
            wanted = [min(255.0, max(0.0, mean + float(contrast[i]) * (p - mean))) for p in lit[c]]
            assert found[i, c].flatten().tolist() == pytest.approx(wanted, abs=0.51)


def test_factors_stay_within_their_range():
    image = torch.full((500, 1, 2, 2), 100, dtype=torch.uint8)
    found = Augmentation(brightness=0.2)(image, seed())[:, 0, 0, 0]
    assert 80 <= found.min() <= 82
    assert 118 <= found.max() <= 120
    flat = Augmentation(contrast=0.5)(image, seed())
    assert torch.equal(flat, image)


def test_a_rectangle_is_erased():
    image = torch.full((400, 2, 20, 30), 255, dtype=torch.uint8)
    found = Augmentation(erasing=0.5)(image, seed())
    black = found == 0
    assert torch.equal(black[:, 0], black[:, 1])
    assert torch.equal(found[~black], image[~black])
    erased = black[:, 0].flatten(1).any(1)
    assert 0.4 < erased.double().mean() < 0.6
    for one in black[erased, 0]:
        rows = one.any(1).nonzero().flatten()
        columns = one.any(0).nonzero().flatten()
        assert one.sum() == (rows[-1] - rows[0] + 1) * (columns[-1] - columns[0] + 1)  # one whole rectangle
        assert 0.01 < one.double().mean() < 0.36
    edges = black[:, 0].any(0)
    assert all(side.any() for side in (edges[0], edges[-1], edges[:, 0], edges[:, -1]))


def test_convention_draws_move_a_rectangle_down_and_to_the_right():
    """The least area of 20 x 30 pixels, 12, twice as tall as wide: 5 x 2 pixels."""
    stretch = math.log(2) / math.log(3.3)
    last = 1 - 2**-20  # draws stay below 1
    draws = torch.tensor([[-1, -1, stretch, -1, -1], [-1, -1, stretch, last, last], [-1, -1, stretch, 0, 0]])
    erased = erase(torch.full((3, 1, 20, 30), 9, dtype=torch.uint8), draws, 0.5)[:, 0] == 0
    for found, top, left in zip(erased, (0, 15, 8), (0, 28, 14), strict=True):
        expected = torch.zeros(20, 30, dtype=torch.bool)
        expected[top : top + 5, left : left + 2] = True
        assert torch.equal(found, expected)


@pytest.mark.parametrize("name", ["horizontal_flip", "brightness", "contrast", "erasing"])
def test_changes_of_pixels_are_drawn_after_the_warp(name: str):
    """So that a recipe without them keeps its numbers; and each image of a batch has a draw of its own."""
    image = torch.randint(0, 256, (40, 1, 9, 9), dtype=torch.uint8, generator=seed(1))
    plain = Augmentation(degrees=20)(image, seed())
    found = Augmentation(degrees=20, **{name: 0.5})(image, seed())
    assert torch.equal(found, Augmentation(**{name: 0.5})(plain, after_warp()))
    assert torch.equal(found, Augmentation(degrees=20, **{name: 0.5})(image, seed()))
    assert (found != plain).flatten(1).any(1).sum() > 1


def after_warp() -> torch.Generator:
    """The generator of `seed()` after the draws of a warp of 40 images."""
    generator = seed()
    torch.rand(40, 5, generator=generator)
    return generator
