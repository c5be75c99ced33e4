"""The page and what it asks: an app that keeps nothing between two questions."""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.middleware.trustedhost import TrustedHostMiddleware

from foveate.web import answer
from foveate.web.examples import DIGITS, strokes
from foveate.web.shown import Shown
from foveate.web.upload import MEGABYTES, MEGAPIXELS

PAGE = Path(__file__).parent / "page"
# Nothing is loaded from anywhere else, and nobody puts the page into a frame.
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


class TooLarge(ValueError):
    """More bytes than are read."""


async def _body(request: Request) -> bytes:
    """The body, of which no more is read than is allowed."""
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > MEGABYTES * 1e6:
            raise TooLarge(f"A picture should have at most {MEGABYTES} megabytes. Found more.")
    return bytes(data)


Wishes = Annotated[answer.Wishes, Query()]
Body = Annotated[bytes, Depends(_body)]


def make_app(shown: Sequence[Shown], hosts: Sequence[str] = ("*",)) -> FastAPI:
    """The app that shows models, the first one first, to browsers that call it by one of the names `hosts`."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(hosts))
    app.middleware("http")(_with_headers)
    for kind in (ValueError, RequestValidationError):
        app.exception_handler(kind)(_in_a_sentence)
    _add_questions(app, {each.name: each for each in shown})
    app.mount("/", StaticFiles(directory=PAGE, html=True))
    return app


def _add_questions(app: FastAPI, shown: dict[str, Shown]) -> None:
    """What can be asked."""

    @app.get("/models")
    def models() -> dict[str, Any]:
        """What is shown, and how much may be sent."""
        limits = {"megabytes": MEGABYTES, "megapixels": MEGAPIXELS, "glimpses": answer.MOST_GLIMPSES}
        return {"models": [each.to_dict() for each in shown.values()], "limits": limits}

    @app.get("/examples")
    def examples() -> dict[str, Any]:
        """Ten digits as strokes."""
        return {digit: strokes(digit) for digit in DIGITS}

    @app.post("/look/drawing")
    async def drawing(wishes: Wishes, body: Body) -> Response:
        """Strokes in, a look out."""
        strokes = answer.Drawing.model_validate_json(body)
        return await _answered(answer.of_drawing, _find(shown, wishes.model), strokes, wishes)

    @app.post("/look/picture")
    async def picture(wishes: Wishes, body: Body) -> Response:
        """A picture in, a look out."""
        return await _answered(answer.of_picture, _find(shown, wishes.model), body, wishes)


async def _answered(ask: Callable[..., dict[str, Any]], *question: object) -> Response:
    return JSONResponse(await run_in_threadpool(ask, *question))


def _find(shown: dict[str, Shown], name: str) -> Shown:
    if name not in shown:
        raise ValueError(f"`model` should be one of {', '.join(shown)}. Found `{name}`.")
    return shown[name]


async def _with_headers(request: Request, go_on: Callable[[Request], Awaitable[Response]]) -> Response:
    response = await go_on(request)
    response.headers.update(HEADERS)
    return response


async def _in_a_sentence(request: Request, error: Exception) -> Response:
    """What is wrong with a question."""
    sentence = str(error)
    if isinstance(error, (RequestValidationError, ValidationError)):
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"] if part not in ("query", "body"))
        sentence = f"`{name or 'drawing'}` is not as it should be. {first['msg']}."
    return JSONResponse({"error": " ".join(sentence.split())}, 413 if isinstance(error, TooLarge) else 422)
