"""Glimpses of images too large to load: each scale is that of a dense image of the level's size, to the bit."""

import time
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import foveate
from foveate.data.huge import open_pyramid
from foveate.data.pyramid import ArrayPyramid
from foveate.glimpse.pyramids import Pyramids, level_of
from foveate.glimpse.sensor import SpatialGlimpse

RNG = np.random.default_rng(0)


def dense(pyramid: ArrayPyramid, level: int) -> torch.Tensor:
    """A level as a batch of one image."""
    return torch.from_numpy(pyramid.arrays[level]).movedim(2, 0).unsqueeze(0).contiguous()


@settings(max_examples=40)
@given(st.integers(5, 60), st.integers(5, 60), st.integers(1, 7), st.integers(1, 4), st.booleans(), st.integers(0, 99))
def test_each_scale_is_the_glimpse_of_its_level(
    height: int, width: int, size: int, depth: int, standard: bool, seed: int
) -> None:
    image = ArrayPyramid(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))
    location = 2.4 * torch.rand(4, 2) - 1.2
    moments = {"mean": (0.3, 0.4, 0.5), "std": (0.2, 0.3, 0.4)} if standard else {}
    found = SpatialGlimpse(size, depth, **moments)(Pyramids([image]), location)
    for k, planes in enumerate(found.chunk(depth, dim=1)):
        level = min(k, len(image.levels) - 1)
        if level == k:
            expected = SpatialGlimpse(size, 1, **moments)(dense(image, level), location)
            assert torch.equal(planes, expected)


@settings(max_examples=40)
@given(st.integers(5, 60), st.integers(5, 60), st.integers(1, 7), st.integers(1, 4), st.integers(0, 99))
def test_without_coarser_levels_it_is_the_glimpse_of_the_image(
    height: int, width: int, size: int, depth: int, seed: int
) -> None:
    image = ArrayPyramid(np.random.default_rng(seed).integers(0, 256, (height, width, 1), dtype=np.uint8), levels=[])
    location = 2.4 * torch.rand(4, 2) - 1.2
    sensor = SpatialGlimpse(size, depth)
    assert torch.equal(sensor(Pyramids([image]), location), sensor(dense(image, 0), location))


def test_a_file_gives_the_glimpses_of_its_array(tmp_path: Path) -> None:
    image = ArrayPyramid(RNG.integers(0, 256, (300, 200, 3), dtype=np.uint8))
    with tifffile.TiffWriter(tmp_path / "image.tif") as writer:
        for number, level in enumerate(image.arrays[:5]):
            writer.write(level, photometric="rgb", tile=(64, 64), subifds=4 * (number == 0), subfiletype=number > 0)
    sensor = SpatialGlimpse(12, 4)
    location = 2 * torch.rand(8, 2) - 1
    found = sensor(Pyramids([open_pyramid(tmp_path / "image.tif")]), location)
    assert torch.equal(found, sensor(Pyramids([image]), location))


def test_the_level_that_matches_is_read() -> None:
    assert level_of([(1001, 999), (501, 500), (250, 250)], 4) == (2, 1)
    assert level_of([(1001, 999), (501, 500)], 4) == (1, 2)
    assert level_of([(1001, 999), (334, 333)], 4) == (0, 4)  # a third is no level of this scale


def test_images_of_several_sizes_stand_in_one_batch_and_leave_it() -> None:
    images = [ArrayPyramid(RNG.integers(0, 256, (side, 2 * side, 1), dtype=np.uint8)) for side in (40, 50, 60, 40)]
    model = foveate.build(foveate.config.Model(image=(1, 40, 80), classes=("a", "b"), num_glimpses=3)).eval()
    both = model(Pyramids(images), num_rollouts=2, sample=False)
    assert both.logits.shape == (3, 8, 2)
    for number, image in enumerate(images):
        alone = model(Pyramids([image]), sample=False)
        assert torch.allclose(alone.logits[:, 0], both.logits[:, number], atol=1e-6)
    stopped = model(Pyramids(images), stop=0.0, sample=False)
    assert torch.allclose(stopped.logits[0], both.logits[0, :4], atol=1e-6)
    assert stopped.num_glimpses is not None
    assert stopped.num_glimpses.tolist() == [1, 1, 1, 1]
    kept = Pyramids(images).index_select(0, torch.tensor([2, 0]))
    assert kept.pyramids == [images[2], images[0]]


def test_gradients_reach_the_weights() -> None:
    image = Pyramids([ArrayPyramid(RNG.integers(0, 256, (40, 40, 1), dtype=np.uint8))])
    model = foveate.build(foveate.config.Model(image=(1, 40, 40), classes=("a", "b"), num_glimpses=2))
    losses = foveate.HybridLoss()(model(image), torch.tensor([1]))
    losses.total.backward()
    assert all(weight.grad is not None for weight in model.glimpse.parameters())


def sparse(file: Path, side: int, place: tuple[int, int], digit: np.ndarray) -> Path:
    """A square image of three levels without pixels, but for one tile (row, column) of the first, in tiles of 256."""
    options = {"dtype": np.uint8, "tile": (256, 256), "compression": "zlib", "metadata": None}
    with tifffile.TiffWriter(file, bigtiff=True) as writer:
        for level, size in enumerate((side, side // 2, side // 4)):
            across = -(-size // 256)
            tiles = [b""] * across**2
            if level == 0:
                tiles[place[0] * across + place[1]] = zlib.compress(digit.tobytes())
            writer.write(iter(tiles), shape=(size, size), subifds=2 * (level == 0), subfiletype=level > 0, **options)
    return file


def test_a_sparse_image_of_a_hundred_thousand_pixels_a_side_takes_moments(tmp_path: Path) -> None:
    digit = np.zeros((256, 256), np.uint8)
    digit[100:128, 100:110] = 255
    file = sparse(tmp_path / "sparse.tif", 100_000, (195, 195), digit)
    began = time.process_time()
    image = open_pyramid(file)
    model = foveate.build(foveate.config.Model(image=(1, 60, 60), classes=("a", "b"), glimpse_size=(12, 12), depth=3))
    place = torch.tensor([[2 * (195 * 256 + 110) / 99_999 - 1] * 2])
    assert model.glimpse.sensor(Pyramids([image]), place)[0, 0].amax() == 1
    model(Pyramids([image]), sample=False, start=place)
    assert image.num_read < 0.001 * image.num_tiles
    assert image.num_decoded == 1
    assert time.process_time() - began < 10  # it takes a tenth of a second; all tiles would take hours


def test_what_cannot_be_read_is_refused() -> None:
    image = ArrayPyramid(np.zeros((9, 9, 3), np.uint8))
    gray = ArrayPyramid(np.zeros((9, 9, 1), np.uint8))
    with pytest.raises(ValueError, match=r"one number of channels. Found \[1, 3\]"):
        Pyramids([image, gray])
    with pytest.raises(ValueError, match="Found none"):
        Pyramids([])
    with pytest.raises(ValueError, match="`scale` should be 2 where levels"):
        SpatialGlimpse(4, 2, scale=3)(Pyramids([gray]), torch.zeros(1, 2))
    with pytest.raises(ValueError, match=r"one \(x, y\) for each of the 1 images"):
        SpatialGlimpse(4)(Pyramids([gray]), torch.zeros(2))
    with pytest.raises(ValueError, match=r"3 channel\(s\), as `mean` has. Found 1"):
        SpatialGlimpse(4, mean=(0.5,) * 3, std=(0.5,) * 3)(Pyramids([gray]), torch.zeros(1, 2))
    model = foveate.build(foveate.config.Model(image=(1, 9, 9), classes=("a", "b")))
    with pytest.raises(ValueError, match=r"1 channel\(s\), as the model has. Found 3"):
        model(Pyramids([image]))
