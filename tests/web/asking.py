"""Questions to a server, as the page asks them, and pictures to ask about."""

import base64
import io
import json
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

import numpy as np
from PIL import Image

from foveate.web.examples import strokes


def ask(url: str, path: str, body: bytes | None = None, **wishes: object) -> tuple[int, Any]:
    """Status and answer."""
    query = f"?{urllib.parse.urlencode(wishes)}" if wishes else ""
    try:
        with urllib.request.urlopen(urllib.request.Request(f"{url}/{path}{query}", data=body)) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def draw(digit: str) -> bytes:
    """A digit as the page sends it."""
    return json.dumps({"strokes": strokes(digit)}).encode()


def pixels(packed: dict[str, Any]) -> np.ndarray:
    """The pixels of an answer."""
    return np.frombuffer(base64.b64decode(packed["bytes"]), np.uint8).reshape(packed["shape"])


def encoded(image: "np.ndarray | Image.Image", kind: str = "PNG") -> bytes:
    """A picture as a file."""
    file = io.BytesIO()
    (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(file, kind)
    return file.getvalue()


def photograph(width: int = 640, height: int = 480) -> np.ndarray:
    """A color picture with every hue in it."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 255 // width, y * 255 // height, (x + y) % 256], axis=-1).astype(np.uint8)
