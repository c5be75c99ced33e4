"""Canvases: equal to a plain loop bit for bit, uniform, and the same on every machine."""

import hashlib
import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from asserts import assert_equal, assert_no_host_sync
from foveate.data import Canvas, InMemory, centered, cluttered, load, render_fixed, translated
from foveate.data.placement import Clutter, draw_clutter, draw_place
from foveate.data.render import render
from slow_forms import slow_scenes

sides = st.integers(1, 9)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise(*shape: int) -> torch.Tensor:
    return torch.randint(256, shape, dtype=torch.uint8, generator=seeded(1))


@settings(max_examples=40)
@given(st.integers(1, 3), st.integers(1, 3), sides, sides, sides, sides, st.integers(0, 5), st.data())
def test_bug_16_scenes_equal_the_slow_form(batch, channels, height, width, more_rows, more_columns, distractors, data):
    piece = data.draw(st.integers(1, min(height, width)))
    seed = data.draw(st.integers(0, 99))
    image, pool = noise(batch, channels, height, width), noise(4, channels, height, width)
    size, sides = (height + more_rows - 1, width + more_columns - 1), (height, width)
    generator = seeded(seed)
    place = draw_place((batch,), sides, size, generator)
    clutter = draw_clutter((batch, distractors), 4, piece, sides, size, generator)
    expected = slow_scenes(image, size, place, clutter, pool)
    assert_equal(render(image, size, place, clutter, pool[clutter.source.flatten()]), expected)
    assert_equal(cluttered(image, size, distractors, pool, seeded(seed), piece), expected)


def test_cluttered_without_distractors_equals_translated():
    image = noise(7, 1, 5, 4)
    assert_equal(cluttered(image, (9, 11), 0, image, seeded(), piece=2), translated(image, (9, 11), seeded()))


def test_sums_saturate_and_pieces_overlap():
    image = torch.full((1, 1, 2, 2), 200, dtype=torch.uint8)
    three = torch.tensor([[[0, 0], [1, 0], [3, 3]]])  # two that overlap each other and the image, one far from it
    clutter = Clutter(torch.zeros(1, 3, dtype=torch.int64), torch.zeros_like(three), three, piece=1)
    scene = render(image, (4, 4), torch.tensor([[0, 0]]), clutter, torch.full((3, 1, 2, 2), 100, dtype=torch.uint8))
    assert scene[0, 0].tolist() == [[255, 255, 0, 0], [200, 200, 0, 0], [0, 0, 0, 0], [0, 0, 0, 100]]


def test_convention_place_is_x_then_y():
    scene = render(torch.full((1, 1, 1, 1), 9, dtype=torch.uint8), (2, 3), torch.tensor([[2, 1]]))
    assert scene[0, 0].tolist() == [[0, 0, 0], [0, 0, 9]]


def test_convention_cut_is_x_then_y():
    other = torch.arange(6, dtype=torch.uint8).view(1, 1, 2, 3)
    first = torch.zeros(1, 1, 2, dtype=torch.int64)
    clutter = Clutter(first[..., 0], torch.tensor([[[2, 1]]]), first, piece=1)
    assert render(torch.zeros_like(other), (2, 3), first[0], clutter, other)[0, 0, 0, 0] == 5


def test_positions_are_uniform():
    places = draw_place((12000,), (3, 2), (4, 5), seeded())  # 2 rows and 4 columns of places
    values, counts = places.unique(dim=0, return_counts=True)
    assert values.tolist() == [[x, y] for x in range(4) for y in range(2)]
    assert (counts - 1500).abs().max() < 5 * (12000 / 8 * 7 / 8) ** 0.5


def test_clutter_covers_the_whole_pool_and_canvas():
    clutter = draw_clutter((500, 4), 3, 2, (4, 5), (6, 9), seeded())
    assert clutter.source.unique().tolist() == [0, 1, 2]
    assert clutter.cut.amax((0, 1)).tolist() == [3, 2]
    assert clutter.place.amax((0, 1)).tolist() == [7, 4]
    assert min(clutter.cut.min(), clutter.place.min()) == 0


@given(sides, sides, st.integers(0, 5), st.integers(0, 5))
def test_centered_borders_differ_by_at_most_one_pixel(height, width, rows, columns):
    scene = centered(torch.ones(1, 1, height, width, dtype=torch.uint8), (height + rows, width + columns))[0, 0]
    inside = scene[rows // 2 : rows // 2 + height, columns // 2 : columns // 2 + width]
    assert inside.all()
    assert scene.sum() == height * width


@pytest.mark.parametrize(
    "canvas", [Canvas("centered", (9, 9)), Canvas("translated", (9, 9)), Canvas("cluttered", (9, 9), 2)]
)
def test_a_canvas_does_not_synchronize_with_the_device(canvas):
    images = InMemory(noise(5, 1, 8, 8), torch.arange(5))
    generator = seeded()
    assert_no_host_sync(lambda: canvas(images.image, images, generator))


def test_canvas_calls_the_function_of_its_kind():
    images = InMemory(noise(5, 3, 8, 9), torch.arange(5))
    image, size = images.image, (12, 11)
    assert_equal(Canvas("centered", size)(image, images, seeded()), centered(image, size))
    assert_equal(Canvas("translated", size)(image, images, seeded()), translated(image, size, seeded()))
    assert_equal(Canvas("cluttered", size, 3)(image, images, seeded()), cluttered(image, size, 3, image, seeded()))


def test_fixed_scenes_depend_only_on_the_seed():
    images = InMemory(noise(5, 1, 8, 8), torch.arange(5))
    canvas = Canvas("cluttered", (20, 20), 2)
    everything = torch.arange(5)
    scenes = [render_fixed(images, canvas, seed).read(everything) for seed in (0, 0, 1)]
    assert_equal(scenes[0], scenes[1])
    assert not torch.equal(scenes[0], scenes[2])
    assert render_fixed(images, Canvas("centered", (8, 8)), 0) is images
    named = InMemory(images.image, images.label, tuple(map(str, range(len(images)))))
    assert render_fixed(named, canvas, 0).names == named.names


def checksum(source: str, canvas: Canvas) -> str:
    test = load(source).test
    scenes = render_fixed(test, canvas, seed=0)
    return hashlib.sha256(scenes.read(torch.arange(len(scenes))).numpy().tobytes()).hexdigest()


@pytest.mark.parametrize(
    ("canvas", "expected"),
    [
        (Canvas("translated", (20, 20)), "318cd33c3dd426ebe580fe7372419a86e799ac6e79ad4508e68d6fbebf984a61"),
        (Canvas("cluttered", (20, 24), 3), "658ad933a6f00294b1aafa000a7a84ebcdf0129a45a30acdaf08c5cbfbc9c780"),
    ],
)
def test_checksum_of_the_test_scenes_of_digits(canvas, expected):
    assert checksum("digits", canvas) == expected


@pytest.mark.mnist
@pytest.mark.parametrize(
    ("canvas", "expected"),
    [
        (Canvas("translated", (60, 60)), "94b9fee1c6192e9de5e0dbf5577c22120ece65d03c6748226afc32c5bbfd37c6"),
        (Canvas("cluttered", (60, 60), 4), "ff23fe34e109a4f9e81973d8e52f746ffffc94560bff528417098199445c59d6"),
        (Canvas("cluttered", (100, 100), 8), "9fd47b7ce4f1491d236f7176fdb12f3517fdf856f32c5d7e6187b2dfe1013691"),
    ],
)
def test_checksum_of_the_test_scenes_of_mnist(canvas, expected):
    assert checksum("mnist", canvas) == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("cluttered", (60, 60), 0), "at least 1 on a `cluttered` canvas"),
        (("translated", (60, 60), 4), "Found `distractors = 4` on a `translated` one"),
        (("cluttered", (60, 60), -1), "Found `distractors = -1`"),
        (("centered", (0, 60)), "at least 1 x 1. Found 0 x 60"),
        (("centred", (60, 60)), "Found `centred`"),
    ],
)
def test_invalid_canvases_are_refused(arguments, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        Canvas(*arguments)


@pytest.mark.parametrize("size", [(7, 20), (20, 8)])
def test_a_canvas_smaller_than_its_images_is_refused(size):
    image = noise(1, 1, 8, 9)
    for call in (lambda: centered(image, size), lambda: translated(image, size, seeded())):
        with pytest.raises(ValueError, match=f"at least as large as its images, 8 x 9. Found {size[0]} x {size[1]}"):
            call()


def test_a_piece_larger_than_the_images_is_refused():
    image = noise(1, 1, 8, 7)
    with pytest.raises(ValueError, match=r"within an image of 8 x 7. Found one of 8 x 8"):
        cluttered(image, (20, 20), 1, image, seeded())
