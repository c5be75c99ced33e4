"""Whatever a person has becomes the pixels that the model was trained on, or one sentence says why not."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from foveate.config import Model
from foveate.data.intake import as_bytes, as_picture
from foveate.training.prepare import prepare, zoom

GRAY, COLOR = (1, 4, 6), (3, 4, 6)
RED = np.broadcast_to(np.array([255, 0, 0], dtype=np.uint8), (4, 6, 3))


def spot(height: int = 4, width: int = 6) -> np.ndarray:
    """Black, with a white pixel at the top right: no turn and no flip leaves it in its place."""
    pixels = np.zeros((height, width), dtype=np.uint8)
    pixels[0, -1] = 255
    return pixels


def taken(image: object, shape: tuple[int, int, int] = GRAY, resize: str | None = None) -> torch.Tensor:
    """The pixels that a model of images of this shape looks at."""
    return prepare(image, Model(image=shape, classes=("a", "b")), resize=resize).image


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    "image",
    [
        spot(),
        spot()[..., None],
        spot() / 255,
        (spot() / 255).astype(np.float32),
        spot() > 0,
        (spot() / 255 * 65535).astype(np.uint16),
        *(spot().astype(kind) for kind in ("int16", "int32", "int64", "uint32", "uint64")),
        spot().astype(np.float64) / 255,
        (spot() / 255).astype(np.float16),
        np.stack([spot()] * 3, axis=-1),
        np.stack([spot()] * 3 + [np.full((4, 6), 255, dtype=np.uint8)], axis=-1),
        torch.from_numpy(spot())[None],
        torch.from_numpy(spot()),
        *(torch.from_numpy(spot())[None].to(kind) for kind in (torch.int16, torch.int32, torch.int64)),
        *((torch.from_numpy(spot())[None] / 255).to(kind) for kind in (torch.float64, torch.half, torch.bfloat16)),
        torch.from_numpy(spot())[None] > 0,
        torch.from_numpy(np.stack([spot()] * 3)),
        torch.from_numpy(np.stack([spot()] * 3)).to(torch.bfloat16) / 255,
        Image.fromarray(spot()),
        Image.fromarray(spot()).convert("RGBA"),
        Image.fromarray(spot()).convert("P"),
        Image.fromarray(spot()).convert("1"),
        Image.fromarray((spot() / 255 * 65535).astype(np.uint16)),
    ],
    ids=lambda image: f"{type(image).__name__}-{getattr(image, 'dtype', getattr(image, 'mode', ''))}",
)
def test_every_kind_of_image_becomes_the_same_pixels(image: object, channels: int) -> None:
    pixels = taken(image, (channels, 4, 6)).float()
    pixels = pixels if pixels.max() > 1 else pixels * 255
    assert torch.equal(pixels, torch.from_numpy(spot()).float().expand(channels, 4, 6))


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.bmp", "a.gif", "a.webp", "a.tif"])
def test_files(name: str, tmp_path: Path) -> None:
    Image.fromarray(np.full((4, 6), 255, dtype=np.uint8)).save(tmp_path / name)
    assert taken(tmp_path / name).min() > 250
    assert taken(str(tmp_path / name)).min() > 250


def test_a_sixteen_bit_file_is_scaled_not_cut(tmp_path: Path) -> None:
    Image.fromarray(np.full((4, 6), 32768, dtype=np.uint16)).save(tmp_path / "a.png")
    assert taken(tmp_path / "a.png").unique().tolist() == [128]


def test_a_picture_is_turned_upright(tmp_path: Path) -> None:
    """Orientation 6: what is stored lies on its left side, so its top right is shown at the bottom right."""
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(spot(6, 4)).save(tmp_path / "a.png", exif=exif)
    for image in (tmp_path / "a.png", Image.open(tmp_path / "a.png")):
        prepared = prepare(image, Model(image=GRAY, classes=("a", "b")))
        assert prepared.original == (4, 6)
        assert prepared.image[0].nonzero().tolist() == [[3, 5]]


def test_color_becomes_gray_and_gray_becomes_color() -> None:
    assert taken(RED).shape == GRAY
    assert 70 < int(taken(RED)[0, 0, 0]) < 80  # the luma of red
    assert taken(RED, COLOR)[:, 0, 0].tolist() == [255, 0, 0]


def test_a_tensor_of_the_models_shape_keeps_its_numbers() -> None:
    image = torch.rand(5, 4, 6)
    assert torch.equal(taken(image, (5, 4, 6)), image)


@pytest.mark.parametrize(
    ("resize", "expected"), [("pad", [0, 255, 255, 0]), ("crop", [255] * 4), ("stretch", [255] * 4)]
)
def test_fitting(resize: str, expected: list[int]) -> None:
    """A wide white picture in a square: bars of black above and below only where it is padded."""
    pixels = taken(np.full((10, 20), 255, dtype=np.uint8), (1, 4, 4), resize)
    assert pixels[0, :, 1].tolist() == expected


@pytest.mark.parametrize(("resize", "expected"), [("pad", (0.2, 0.2)), ("crop", (0.4, 0.4)), ("stretch", (0.2, 0.4))])
def test_zoom(resize: str, expected: tuple[float, float]) -> None:
    """(x, y), so that the wide picture is narrowed more than it is lowered."""
    assert zoom((10, 20), (4, 4), resize) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("image", "sentence"),
    [
        (3, "should be a path, a file, bytes, a picture, an array or a tensor. Found a int"),
        (b"no picture", "should be a readable image. Found no image of a known format"),
        (io.BytesIO(b""), "should be a readable image"),
        (io.StringIO("text"), "should be a file opened for reading bytes. Found one of str"),
        (np.zeros((3, 28, 28)), r"1 to 4 channels. Found the shape \(3, 28, 28\)"),
        (np.zeros((0, 3)), r"Found the shape \(0, 3\)"),
        (np.full((4, 6), 300), r"of int64 should be in \[0, 255\]. Found \[300, 300\]"),
        (np.full((4, 6), -1, dtype=np.int16), r"of int16 should be in \[0, 255\]. Found \[-1, -1\]"),
        (np.full((4, 6), 200, dtype=np.uint16), "uint16 should reach beyond 255, or be uint8. Found .* 200"),
        (np.full((4, 6), 200.0), r"of float64 should be in \[0, 1\]. Found \[200, 200\]"),
        (np.full((4, 6), "a"), "should hold whole numbers, floats or bool. Found the type <U1"),
        (np.zeros((4, 6), dtype=np.complex64), "Found the type complex64"),
        (torch.zeros(4, 6, dtype=torch.complex64), "Found the type complex64"),
        (torch.zeros(1, 4, 6, device="meta"), "should be a dense tensor with data"),
        (torch.zeros(1, 4, 6).to_sparse(), "should be a dense tensor with data"),
        (np.full((4, 6), np.nan), "Found .nan, nan"),
        (torch.full((1, 4, 6), -1.0), r"in \[0, 1\]. Found \[-1, -1\]"),
    ],
)
def test_what_is_no_image_is_refused(image: object, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        taken(image)


def test_other_channels_must_fit() -> None:
    with pytest.raises(ValueError, match=r"should be a tensor \(5, 4, 6\)"):
        taken(spot(), (5, 4, 6))


def test_another_size_can_be_refused() -> None:
    with pytest.raises(ValueError, match="Found a size of 9 x 6 instead of 4 x 6"):
        taken(spot(9, 6), resize="refuse")


def test_files_that_are_no_images(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("hello")
    with pytest.raises(ValueError, match=r"text.png` should be a readable image. Found no image of a known format"):
        taken(tmp_path / "text.png")
    with pytest.raises(ValueError, match=r"should be a readable image"):
        taken(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"none.png` should be an image. Found no such file"):
        taken(tmp_path / "none.png")


def test_a_broken_file(tmp_path: Path) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (99, 99), dtype=np.uint8)).save(tmp_path / "a.png")
    (tmp_path / "a.png").write_bytes((tmp_path / "a.png").read_bytes()[:2000])
    with pytest.raises(ValueError, match="should be a readable image"):
        taken(tmp_path / "a.png")


@pytest.mark.parametrize("limit", [30, 59])
def test_too_many_pixels(limit: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("foveate.data.intake.MAX_PIXELS", limit)
    Image.fromarray(spot(6, 10)).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match=f"should be a readable image. Found 6 x 10 pixels, more than {limit}"):
        taken(tmp_path / "a.png")


@pytest.mark.parametrize("kind", [torch.float64, torch.half, torch.bfloat16, torch.float32])
def test_a_float_tensor_of_the_models_shape_becomes_float32(kind: torch.dtype):
    image = taken(torch.full((1, 4, 6), 0.5, dtype=kind))
    assert image.dtype == torch.float32
    assert image.unique().tolist() == [0.5]


def test_floats_of_half_precision_are_rounded_as_others():
    """Multiplied by 255 in half precision, a third of all values would be off by one."""
    values = np.arange(256) / 255
    assert as_bytes(values.astype(np.float16)).tolist() == list(range(256))


def test_bytes_and_open_files(tmp_path: Path):
    Image.fromarray(spot()).save(tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    expected = taken(tmp_path / "a.png")
    with open(tmp_path / "a.png", "rb") as file:
        for image in (data, bytearray(data), memoryview(data), io.BytesIO(data), file):
            assert torch.equal(taken(image), expected)
        assert torch.equal(taken(file), expected)  # it is at its end now, as a file that was just written


def test_a_file_that_cannot_be_read_is_refused_in_a_sentence(tmp_path: Path):
    closed = io.BytesIO(b"...")
    closed.close()
    with open(tmp_path / "a.png", "wb") as written:
        for file in (closed, written):
            with pytest.raises(ValueError, match=r"^`image` should be a file that is open for reading\. Found another"):
                as_picture(file)


WIDE = np.zeros((10, 30), dtype=np.uint8)
WIDE[:, 10:20] = 255  # white in the middle third


@pytest.mark.parametrize(("resize", "brightness"), [("pad", 1 / 9), ("crop", 1), ("stretch", 1 / 3)])
def test_another_size_is_fitted_as_the_training_images_were(resize: str, brightness: float):
    model = Model(image=(1, 30, 30), classes=("a", "b"), picture_resize=resize)  # pyright: ignore
    prepared = prepare(WIDE, model)
    assert float(prepared.image.float().mean()) / 255 == pytest.approx(brightness, abs=0.03)
    assert prepared.zoom == zoom((10, 30), (30, 30), resize)
    assert torch.equal(prepared.image, prepare(WIDE, Model(image=(1, 30, 30), classes=("a", "b")), resize=resize).image)


def test_a_picture_is_placed_on_the_canvas_at_the_size_of_training():
    model = Model(image=(1, 40, 50), classes=("a", "b"), picture_size=(10, 30), picture_resize="crop")
    image = prepare(WIDE, model).image
    assert image.shape == (1, 40, 50)
    assert torch.equal(image[0, 15:25, 10:40], torch.from_numpy(WIDE))
    assert int(image.sum()) == int(WIDE.sum())
    scene = np.full((40, 50), 7, dtype=np.uint8)
    assert torch.equal(prepare(scene, model).image[0], torch.from_numpy(scene))  # a whole scene is taken as it is
    resized = prepare(WIDE, model, resize="stretch")
    assert "resized to the whole canvas" in resized.warning
    assert not prepare(WIDE, model).warning
    assert not prepare(scene, model, resize="stretch").warning


@pytest.mark.parametrize("option", [{"ink": "blue"}, {"ink": "dark"}, {"resize": "squash"}])
def test_impossible_options(option: dict[str, str]):
    [name] = option
    with pytest.raises(ValueError, match=f"`{name}` should be .* Found `{name} = "):
        prepare(spot(), Model(image=GRAY, classes=("a", "b")), **option)
