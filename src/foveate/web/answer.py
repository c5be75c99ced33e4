"""From a request of the page to its answer: the options, and the look as JSON."""

import base64
import io
from dataclasses import asdict, replace
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from foveate.training.prepare import Prepared, prepare_picture
from foveate.viewing.look import look_at_prepared
from foveate.viewing.record import Look
from foveate.web.handwriting import PadPosition
from foveate.web.models import ServedModel
from foveate.web.upload import read_upload

MAX_GLIMPSES = 30
Seed = Annotated[int, Field(ge=0, lt=2**31)]
Coordinate = Annotated[float, Field(ge=-1, le=1, allow_inf_nan=False)]
PadCoordinate = Annotated[float, Field(ge=-1, le=2, allow_inf_nan=False)]
Stroke = Annotated[list[tuple[PadCoordinate, PadCoordinate]], Field(min_length=1, max_length=5_000)]


class LookRequest(BaseModel):
    """How to look. What is absent is the model's own way."""

    model_config = ConfigDict(extra="forbid")

    model: str
    num_glimpses: Annotated[int, Field(ge=1, le=MAX_GLIMPSES)] | None = None
    stop: Annotated[float, Field(ge=0, le=1)] | None = None
    """Probability at which it takes no more glimpses."""
    start_x: Coordinate | None = None
    start_y: Coordinate | None = None
    policy: Literal["mean", "sampled"] = "mean"
    seed: Seed = 0
    """Seed of the sampled locations."""
    canvas: Literal["centered", "translated", "cluttered"] = "centered"
    scene: Seed = 0
    """Seed of the canvas."""
    ink: Literal["auto", "light", "dark"] = "auto"
    """In a picture for a model of handwriting: light on dark, dark on light, or as the picture's border tells."""


class Drawing(BaseModel):
    """Strokes on the pad, whose corners are (0, 0) and (1, 1)."""

    strokes: Annotated[list[Stroke], Field(min_length=1, max_length=200)]


def answer_drawing(served: ServedModel, drawing: Drawing, request: LookRequest) -> dict[str, Any]:
    """Look at a drawing."""
    prepared, position = served.prepare_strokes(drawing.strokes)
    return _answer(served, prepared, position, request)


def answer_picture(served: ServedModel, data: bytes, request: LookRequest) -> dict[str, Any]:
    """Look at a picture; the answer holds it at the size before the canvas, for the next request about it."""
    prepared = prepare_picture(read_upload(data), served.model.config, ink=request.ink)
    small = {"small": _png(prepared.image), "inverted": prepared.inverted, "warning": prepared.warning}
    return _answer(served, prepared, None, request) | small


def _answer(
    served: ServedModel, prepared: Prepared, position: PadPosition | None, request: LookRequest
) -> dict[str, Any]:
    """Place an image on the canvas, and look at the scene."""
    if request.canvas not in served.canvases:
        raise ValueError(f"`canvas` should be one of {', '.join(served.canvases)}. Found `{request.canvas}`.")
    scene, (x, y) = served.place_on_canvas(request.canvas, prepared, request.scene)
    if position is not None:
        position = replace(position, x0=position.x0 + x, y0=position.y0 + y)
    start = None
    if request.start_x is not None and request.start_y is not None:
        start = (request.start_x, request.start_y)
    options = {"num_glimpses": request.num_glimpses, "stop": request.stop, "policy": request.policy}
    seen = look_at_prepared(served.model, scene, **options, start=start, seed=request.seed)
    return look_to_json(seen, position)


def look_to_json(seen: Look, position: PadPosition | None) -> dict[str, Any]:
    """A look with its pixels, and where the pad lies on it."""
    facts = seen.to_dict()
    probabilities = []
    for chances in facts["probabilities"]:
        probabilities.append([round(chance, 5) for chance in chances])
    names = ("answer", "probability", "classes", "locations", "boxes", "size", "stop", "sure", "max_glimpses")
    return {
        **{name: facts[name] for name in names},
        "probabilities": probabilities,
        "scene": _pixels(seen.image),
        "glimpses": _pixels((seen.glimpses * 255).round().byte()),
        "placed": None if position is None else asdict(position),
    }


def _pixels(image: Tensor) -> dict[str, Any]:
    """Pixels and their shape."""
    return {"shape": list(image.shape), "bytes": base64.b64encode(image.contiguous().numpy().tobytes()).decode()}


def _png(image: Tensor) -> str:
    """An image as a PNG file, without loss."""
    from PIL import Image

    pixels = image.permute(1, 2, 0).numpy()
    if len(image) == 1:
        pixels = pixels.squeeze(2)
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()
