"""From a question of the page to its answer: what is wished for, and the look as JSON."""

import base64
import io
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from foveate.viewing.look import Look
from foveate.web.handwriting import Placed
from foveate.web.shown import Digit, Shown
from foveate.web.upload import fit

MOST_GLIMPSES = 30
Seed = Annotated[int, Field(ge=0, lt=2**31)]
Coordinate = Annotated[float, Field(ge=-1, le=1, allow_inf_nan=False)]
OnPad = Annotated[float, Field(ge=-1, le=2, allow_inf_nan=False)]
Stroke = Annotated[list[tuple[OnPad, OnPad]], Field(min_length=1, max_length=5_000)]


class Wishes(BaseModel):
    """How to look. What is absent is the model's own way."""

    model_config = ConfigDict(extra="forbid")

    model: str
    num_glimpses: Annotated[int, Field(ge=1, le=MOST_GLIMPSES)] | None = None
    start_x: Coordinate | None = None
    start_y: Coordinate | None = None
    policy: Literal["mean", "sampled"] = "mean"
    seed: Seed = 0
    """Of the sampled locations."""
    canvas: Literal["centred", "translated", "cluttered"] = "centred"
    scene: Seed = 0
    """Of the canvas."""
    invert: Literal["no", "yes", "auto"] = "no"
    """Make dark what is bright in a picture; "auto" where it looks like ink on paper, for a model of handwriting."""


class Drawing(BaseModel):
    """Strokes on the pad, whose corners are (0, 0) and (1, 1)."""

    strokes: Annotated[list[Stroke], Field(min_length=1, max_length=200)]


def of_drawing(shown: Shown, drawing: Drawing, wishes: Wishes) -> dict[str, Any]:
    """What the model makes of a drawing."""
    return _answer(shown, shown.written(drawing.strokes), wishes)


def of_picture(shown: Shown, data: bytes, wishes: Wishes) -> dict[str, Any]:
    """What the model makes of a picture, and the picture as small as it looks at it, to be asked about again."""
    choices = {"no": False, "yes": True, "auto": None if shown.hand else False}
    small, inverted = fit(data, shown.shape, choices[wishes.invert], shown.hand)
    return _answer(shown, (small, None), wishes) | {"small": _png(small), "inverted": inverted}


def _answer(shown: Shown, digit: Digit, wishes: Wishes) -> dict[str, Any]:
    if wishes.canvas not in shown.canvases:
        raise ValueError(f"`canvas` should be one of {', '.join(shown.canvases)}. Found `{wishes.canvas}`.")
    scene, placed = shown.onto(wishes.canvas, digit, wishes.scene)
    start = None if wishes.start_x is None or wishes.start_y is None else (wishes.start_x, wishes.start_y)
    seen = shown.look(scene, wishes.policy, num_glimpses=wishes.num_glimpses, start=start, seed=wishes.seed)
    return to_json(seen, placed)


def to_json(seen: Look, placed: Placed | None) -> dict[str, Any]:
    """A look with its pixels, and where the pad lies on it."""
    told = seen.to_dict()
    return {
        **{name: told[name] for name in ("answer", "probability", "classes", "locations", "boxes", "size")},
        "probabilities": [[round(value, 5) for value in row] for row in told["probabilities"]],
        "scene": _pixels(seen.image),
        "glimpses": _pixels((seen.glimpses * 255).round().byte()),
        "placed": None if placed is None else vars(placed),
    }


def _pixels(image: Tensor) -> dict[str, Any]:
    """Pixels and their shape."""
    return {"shape": list(image.shape), "bytes": base64.b64encode(image.contiguous().numpy().tobytes()).decode()}


def _png(image: Tensor) -> str:
    """An image as a PNG file, exactly."""
    from PIL import Image

    pixels, file = image.permute(1, 2, 0).numpy(), io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels.squeeze(2) if len(image) == 1 else pixels)).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()
