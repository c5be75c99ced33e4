"""The web app: the page and its requests. It is stateless: every request carries image, options and seed."""

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
from foveate.web.models import ServedModel
from foveate.web.upload import MAX_MEGABYTES, MAX_MEGAPIXELS

PAGE = Path(__file__).parent / "page"
# The page loads nothing from other hosts, and may not be framed.
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


class TooLarge(ValueError):
    """An upload of more bytes than are accepted."""


async def _body(request: Request) -> bytes:
    """Read the body, at most `MAX_MEGABYTES` of it."""
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > MAX_MEGABYTES * 1e6:
            raise TooLarge(f"A picture should have at most {MAX_MEGABYTES} megabytes. Found more.")
    return bytes(data)


LookRequest = Annotated[answer.LookRequest, Query()]
Body = Annotated[bytes, Depends(_body)]


def make_app(served: Sequence[ServedModel], hosts: Sequence[str] = ("*",)) -> FastAPI:
    """Make the app that offers models, in this order, to browsers that use one of the host names `hosts`."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(hosts))
    app.middleware("http")(_with_headers)
    for kind in (ValueError, RequestValidationError):
        app.exception_handler(kind)(_in_a_sentence)
    _add_routes(app, {each.name: each for each in served})
    app.mount("/", StaticFiles(directory=PAGE, html=True))
    return app


def _add_routes(app: FastAPI, served: dict[str, ServedModel]) -> None:
    """Add what the page requests."""

    @app.get("/models")
    def models() -> dict[str, Any]:
        """The models, and the limits of a request."""
        limits = {"megabytes": MAX_MEGABYTES, "megapixels": MAX_MEGAPIXELS, "glimpses": answer.MAX_GLIMPSES}
        return {"models": [each.to_dict() for each in served.values()], "limits": limits}

    @app.get("/examples")
    def examples() -> dict[str, Any]:
        """Ten digits as strokes."""
        return {digit: strokes(digit) for digit in DIGITS}

    @app.post("/look/drawing")
    async def drawing(options: LookRequest, body: Body) -> Response:
        """Look at strokes."""
        strokes = answer.Drawing.model_validate_json(body)
        return await _answered(answer.answer_drawing, _find(served, options.model), strokes, options)

    @app.post("/look/picture")
    async def picture(options: LookRequest, body: Body) -> Response:
        """Look at a picture."""
        return await _answered(answer.answer_picture, _find(served, options.model), body, options)


async def _answered(ask: Callable[..., dict[str, Any]], *question: object) -> Response:
    """Compute an answer in a thread."""
    return JSONResponse(await run_in_threadpool(ask, *question))


def _find(served: dict[str, ServedModel], name: str) -> ServedModel:
    if name not in served:
        raise ValueError(f"`model` should be one of {', '.join(served)}. Found `{name}`.")
    return served[name]


async def _with_headers(request: Request, handle: Callable[[Request], Awaitable[Response]]) -> Response:
    response = await handle(request)
    response.headers.update(HEADERS)
    return response


async def _in_a_sentence(request: Request, error: Exception) -> Response:
    """Answer an invalid request with one sentence."""
    sentence = str(error)
    if isinstance(error, (RequestValidationError, ValidationError)):
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"] if part not in ("query", "body"))
        sentence = f"`{name or 'drawing'}` is not as it should be. {first['msg']}."
    return JSONResponse({"error": " ".join(sentence.split())}, 413 if isinstance(error, TooLarge) else 422)
