"""What the page can ask: answers are those of `look`, limits hold, and what is wrong comes back as a sentence."""

import base64
import io
import json
import re
import struct
import threading
import urllib.request
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import foveate.web
from foveate import build, look
from foveate.config import Data, Model
from foveate.data.canvas import Canvas
from foveate.data.handwriting import INK_STYLES
from foveate.data.records import InMemory
from foveate.viewing.look import UnfamiliarPicture
from foveate.web import answer, upload
from foveate.web.examples import example_images, strokes
from foveate.web.handwriting import write
from foveate.web.models import ServedModel
from foveate.web.serve import check_host_name
from web.asking import ask, draw, encoded, photograph, pixels

PAGE = Path(foveate.web.__file__).parent / "page"


def same(told: dict, seen) -> None:
    """An answer is a look, number for number."""
    assert told["answer"] == seen.answer
    assert told["boxes"] == seen.boxes.tolist()
    assert told["locations"] == seen.locations.tolist()
    assert np.abs(np.array(told["probabilities"]) - seen.probabilities.numpy()).max() < 1e-5
    assert (pixels(told["scene"]) == seen.image.numpy()).all()
    assert (pixels(told["glimpses"]) == (seen.glimpses * 255).round().byte().numpy()).all()


def test_models_are_described(url: str, served: list[ServedModel]):
    status, told = ask(url, "models")
    assert status == 200
    assert [model["name"] for model in told["models"]] == ["digits", "wide", "photos"]
    digits, wide, photos = told["models"]
    assert (digits["size"], digits["num_glimpses"], digits["canvases"]) == ([8, 8], 6, ["centered"])
    assert wide["canvases"] == ["translated", "centered", "cluttered"]  # first the one it was trained on
    assert wide["windows"] == [[8, 8], [16, 16], [32, 32]]
    assert (photos["size"], photos["examples"], photos["handwriting"]) == ([30, 40], [], False)


def test_a_drawing_is_looked_at_as_look_does(url: str, served: list[ServedModel]):
    image, placed = write(strokes("5"), INK_STYLES["digits"])
    _, told = ask(url, "look/drawing", draw("5"), model="digits")
    same(told, look(served[0].model, image))
    assert told["placed"] == vars(placed)
    _, told = ask(url, "look/drawing", draw("5"), model="digits", num_glimpses=9, start_x=-0.5, start_y=0.25)
    same(told, look(served[0].model, image, num_glimpses=9, start=(-0.5, 0.25)))


def test_it_stops_when_it_is_sure(url: str, served: list[ServedModel]):
    image, _ = write(strokes("5"), INK_STYLES["digits"])
    _, told = ask(url, "look/drawing", draw("5"), model="digits", stop=0.5)
    seen = look(served[0].model, image, stop=0.5)
    same(told, seen)
    assert (told["stop"], told["sure"], told["max_glimpses"]) == (0.5, seen.sure, 6)
    assert len(told["boxes"]) < 6


def test_sampling_follows_its_seed(url: str, served: list[ServedModel]):
    image, _ = write(strokes("5"), INK_STYLES["digits"])
    wishes = {"model": "digits", "policy": "sampled"}
    _, first = ask(url, "look/drawing", draw("5"), **wishes, seed=3)
    same(first, look(served[0].model, image, policy="sampled", seed=3))
    assert ask(url, "look/drawing", draw("5"), **wishes, seed=3)[1] == first
    assert ask(url, "look/drawing", draw("5"), **wishes, seed=4)[1]["locations"] != first["locations"]
    assert ask(url, "look/drawing", draw("5"), model="digits")[1]["locations"] != first["locations"]


@pytest.mark.parametrize("kind", ["centered", "translated", "cluttered"])
def test_a_canvas_is_that_of_the_data(url: str, kind: str):
    """The very scene that `Canvas` draws with that seed, and `placed` finds the drawing on it."""
    image, placed = write(strokes("2"), INK_STYLES["mnist"])
    _, told = ask(url, "look/drawing", draw("2"), model="wide", canvas=kind, scene=11)
    examples = InMemory(example_images(INK_STYLES["mnist"]), torch.zeros(10, dtype=torch.int64))
    canvas = Canvas(kind, (40, 40), distractors=4 if kind == "cluttered" else 0)
    scene = canvas(image.unsqueeze(0), examples, torch.Generator().manual_seed(11))[0]
    assert (pixels(told["scene"]) == scene.numpy()).all()
    x, y = round(told["placed"]["x0"] - placed.x0), round(told["placed"]["y0"] - placed.y0)
    inside = scene[:, y : y + 28, x : x + 28]
    assert (inside >= image).all()
    assert kind == "cluttered" or (inside == image).all()
    _, other = ask(url, "look/drawing", draw("2"), model="wide", canvas=kind, scene=12)
    assert (other["scene"] == told["scene"]) == (kind == "centered")


def test_a_color_photograph_is_looked_at_in_color_or_gray_as_the_model_is(url: str, served: list[ServedModel]):
    photo = photograph()
    _, told = ask(url, "look/picture", encoded(photo), model="photos")
    same(told, look(served[2].model, photo))
    assert pixels(told["scene"]).shape == (3, 30, 40)
    _, told = ask(url, "look/picture", encoded(photo), model="digits")
    with pytest.warns(UnfamiliarPicture, match="does not look like a digit on plain paper"):
        same(told, seen := look(served[0].model, photo))
    assert told["warning"] == seen.warning


@pytest.mark.parametrize("model", ["digits", "photos"])
def test_the_small_picture_stands_for_the_large_one(url: str, model: str):
    """What comes back is asked about again, instead of the whole file."""
    _, told = ask(url, "look/picture", encoded(photograph()), model=model, ink="dark")
    small = base64.b64decode(told["small"])
    assert len(small) < 5000
    _, again = ask(url, "look/picture", small, model=model, ink="light")
    assert {**again, "inverted": told["inverted"], "warning": told["warning"]} == told


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_formats(url: str, kind: str):
    assert ask(url, "look/picture", encoded(photograph(64, 48), kind), model="photos")[0] == 200


def test_phones_pictures_are_turned_and_dark_ink_on_paper_is_inverted(url: str):
    sheet = np.full((40, 40), 230, np.uint8)
    sheet[10:30, 18:22] = 30
    _, told = ask(url, "look/picture", encoded(sheet), model="digits")
    assert told["inverted"]
    assert pixels(told["scene"])[0, 4, 4] > pixels(told["scene"])[0, 0, 0]
    assert not ask(url, "look/picture", encoded(255 - sheet), model="digits")[1]["inverted"]
    assert not ask(url, "look/picture", encoded(sheet), model="photos")[1]["inverted"]
    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its side
    file = io.BytesIO()
    Image.fromarray(photograph(40, 30)).save(file, "JPEG", exif=exif, quality=95)
    _, told = ask(url, "look/picture", file.getvalue(), model="photos")
    assert pixels(told["scene"])[:, :, 0].max() == 0  # upright it is narrow, with a border


def huge() -> bytes:
    """A PNG of a few bytes that claims 90,000 x 90,000 pixels."""
    head = struct.pack(">IIBBBBB", 90_000, 90_000, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")]
    parts = [struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "Found no image of a known format"),
        (b"no picture", "Found no image of a known format"),
        (
            b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
            "Found no image of a known format",
        ),  # a program
        (b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>", "Found no image of a known format"),
        (encoded(photograph(64, 48))[:110], "should be readable"),
        (encoded(photograph(64, 48), "JPEG")[:700], "should be readable"),
        (huge(), "at most 40 megapixels"),
        (encoded(Image.new("1", (8000, 5001))), "Found 5001 x 8000 pixels, more than 40,000,000"),
    ],
)
def test_what_is_no_picture_is_refused_in_a_sentence(url: str, body: bytes, sentence: str):
    status, told = ask(url, "look/picture", body, model="photos")
    assert status == 422
    assert sentence in told["error"]
    assert "\n" not in told["error"]


@pytest.mark.parametrize(
    ("path", "wishes", "body", "sentence"),
    [
        ("drawing", {"model": "mnits"}, draw("1"), "`model` should be one of digits, wide, photos. Found `mnits`."),
        ("drawing", {}, draw("1"), "`model`"),
        ("drawing", {"model": "digits", "num_glimpses": 0}, draw("1"), "`num_glimpses`"),
        ("drawing", {"model": "digits", "num_glimpses": 31}, draw("1"), "less than or equal to 30"),
        ("drawing", {"model": "digits", "glimpses": 3}, draw("1"), "`glimpses`"),
        ("drawing", {"model": "digits", "start_x": "nan", "start_y": 0}, draw("1"), "`start_x`"),
        ("drawing", {"model": "digits", "start_x": 2, "start_y": 0}, draw("1"), "`start_x`"),
        ("drawing", {"model": "digits", "policy": "best"}, draw("1"), "`policy`"),
        ("drawing", {"model": "digits", "canvas": "cluttered"}, draw("1"), "`canvas` should be one of centered."),
        ("drawing", {"model": "digits", "seed": -1}, draw("1"), "`seed`"),
        ("drawing", {"model": "digits"}, b"{", "JSON"),
        ("drawing", {"model": "digits"}, b'{"strokes": []}', "`strokes`"),
        ("drawing", {"model": "digits"}, b'{"strokes": [[]]}', "`strokes.0`"),
        ("drawing", {"model": "digits"}, b'{"strokes": [[[0, 1e400]]]}', "`strokes.0.0.1`"),
        ("drawing", {"model": "digits"}, json.dumps({"strokes": [[[0, 0]] * 5001]}).encode(), "`strokes.0`"),
        ("picture", {"model": "digits", "ink": "maybe"}, encoded(photograph()), "`ink`"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(url: str, path: str, wishes: dict, body: bytes, sentence: str):
    status, told = ask(url, f"look/{path}", body, **wishes)
    assert status == 422
    assert sentence in told["error"]


def test_more_bytes_than_allowed_are_not_read(url: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("foveate.web.app.MAX_MEGABYTES", 0.1)
    status, told = ask(url, "look/picture", encoded(photograph(), "BMP"), model="photos")
    assert status == 413
    assert "at most 0.1 megabytes" in told["error"]
    assert ask(url, "look/picture", encoded(photograph(), "JPEG"), model="photos")[0] == 200


def test_every_user_gets_the_right_answer(url: str):
    """Twenty-two at once, of three models, some sampled and some not: each gets what it would get alone."""
    picture = encoded(photograph())
    questions = [("look/drawing", draw(str(i % 10)), {"model": "digits", "num_glimpses": 1 + i % 7}) for i in range(8)]
    questions += [
        (
            "look/drawing",
            draw(str(i)),
            {"model": "wide", "canvas": "cluttered", "policy": policy, "seed": i, "scene": i},
        )
        for i in range(4)
        for policy in ("mean", "sampled")
    ]
    questions += [("look/picture", picture, {"model": "photos", "policy": "sampled", "seed": i}) for i in range(6)]
    alone = [ask(url, path, body, **wishes) for path, body, wishes in questions]
    assert len({json.dumps(told) for _, told in alone}) == len(questions)
    barrier = threading.Barrier(len(questions))

    def at_once(question: tuple) -> tuple:
        path, body, wishes = question
        barrier.wait()
        return ask(url, path, body, **wishes)

    with ThreadPoolExecutor(len(questions)) as crowd:
        assert list(crowd.map(at_once, questions)) == alone


def test_a_look_changes_nothing_that_is_shared(url: str, served: list[ServedModel]):
    """No parameter, no mode: what others ask at the same time cannot matter."""

    def everything() -> list:
        models = [each.model for each in served]
        return [
            ([p._version for p in m.parameters()], [(x.training, getattr(x, "stochastic", None)) for x in m.modules()])
            for m in models
        ]

    before, randomness = everything(), torch.get_rng_state()
    for policy in ("mean", "sampled"):
        ask(url, "look/drawing", draw("1"), model="wide", policy=policy, canvas="cluttered")
    assert everything() == before
    assert torch.equal(torch.get_rng_state(), randomness)


def test_the_page_asks_nobody_else(url: str):
    """No address of another host in its files, and browsers are told to load from here only."""
    for path in PAGE.iterdir():
        text = path.read_text(encoding="utf-8").replace('xmlns="http://www.w3.org/2000/svg"', "")
        assert not re.search(r"https?://|//[\w-]+\.\w+/|@import|eval\(|innerHTML", text), path.name
    for path in ("", "main.js", "style.css", "models"):
        with urllib.request.urlopen(f"{url}/{path}") as told:
            assert "default-src 'self'" in told.headers["Content-Security-Policy"]
            assert told.headers["X-Content-Type-Options"] == "nosniff"


def test_only_allowed_host_names_are_answered(url: str):
    """A page elsewhere whose name was made to point here cannot ask; the name of a tunnel can, once it is allowed."""

    def call(host: str) -> int:
        with urllib.request.urlopen(urllib.request.Request(f"{url}/models", headers={"Host": host})) as told:
            return told.status

    for name in ("localhost", "127.0.0.1:80", "[::1]:80", "tunnel.example", "a.proxy.example"):
        assert call(name) == 200
    for name in ("evil.example", "tunnel.example.evil", "proxy.example.evil"):
        with pytest.raises(urllib.error.HTTPError) as error:
            call(name)
        with error.value:
            assert error.value.code == 400


@pytest.mark.parametrize("path", ["docs", "openapi.json", "../app.py", "%2e%2e/app.py", "page"])
def test_nothing_else_is_served(url: str, path: str):
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(f"{url}/{path}")
    with error.value:
        assert error.value.code == 404


def test_limits_are_told_to_the_page(url: str):
    _, told = ask(url, "models")
    assert told["limits"] == {
        "megabytes": upload.MAX_MEGABYTES,
        "megapixels": upload.MAX_MEGAPIXELS,
        "glimpses": answer.MAX_GLIMPSES,
    }


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (3, 2)])
def test_a_model_of_images_of_a_few_pixels_can_be_drawn_for(size: tuple[int, int]):
    """The pen is then thinner than a pixel of the image."""
    model = build(Model(image=(1, *size), classes=("a", "b"), num_glimpses=2))
    served = ServedModel("tiny", model, Data(source="photos"))
    request = answer.LookRequest(model="tiny")
    told = answer.answer_drawing(served, answer.Drawing.model_validate_json(draw("3")), request)
    assert told["size"] == list(size)
    assert pixels(told["scene"]).max() > 0
    told = answer.answer_picture(served, encoded(photograph()), request)
    assert told["size"] == list(size)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_a_picture_with_broken_metadata_is_looked_at(url: str, tmp_path: Path):
    """Its pixels are whole: the page, Python and a picture that was opened by pillow all read them."""
    data = encoded(photograph(64, 48), "JPEG")
    broken = data[:2] + b"\xff\xe1\x00\x12Exif\x00\x00MM\x00*\xff\xff\xff\xff\x00\x00" + data[2:]
    status, told = ask(url, "look/picture", broken, model="photos")
    assert status == 200
    (tmp_path / "a.jpg").write_bytes(broken)
    model = build(Model(image=(3, 30, 40), classes=("a", "b")))
    for image in (broken, tmp_path / "a.jpg", Image.open(io.BytesIO(broken))):
        assert (pixels(told["scene"]) == look(model, image).image.numpy()).all()


@pytest.mark.parametrize("name", ["https://tunnel.example", "tunnel.example:80", "a/b", "", "*", "a.*.b", "*.", "-a"])
def test_what_is_no_host_name_is_refused(name: str):
    with pytest.raises(ValueError, match="`--allowed-host` should be a host name"):
        check_host_name(name)
    check_host_name("*.Tunnel.example")
