"""A server with three models: shipped digits, and made-up ones for 40x40 canvases and for color pictures."""

import threading
from collections.abc import Iterator

import pytest
import torch
import uvicorn

from foveate import build, from_pretrained
from foveate.config import Data, Model
from foveate.web.app import make_app
from foveate.web.models import ServedModel
from foveate.web.serve import LOOPBACK, address, bind

NARROW = {"what_width": 8, "where_width": 8, "join_width": 12, "hidden_size": 12, "init_range": 0.5}
NARROW |= {"glimpse_size": (8, 8), "unit_pixels": 13.0, "locator_width": 0, "dropout": 0.0, "baseline": "value"}


@pytest.fixture(scope="session")
def served() -> list[ServedModel]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        digits = tuple("0123456789")
        mnist = {"picture_size": (28, 28), "handwriting": "mnist"}
        wide = build(Model(image=(1, 40, 40), classes=digits, depth=3, num_glimpses=4, std=0.3, **mnist, **NARROW))
        photo = build(
            Model(image=(3, 30, 40), classes=("a cat", "a dog", "owl"), depth=1, num_glimpses=3, std=0.22, **NARROW)
        )
    return [
        ServedModel("digits", from_pretrained("digits"), Data(source="digits")),
        ServedModel("wide", wide, Data(source="mnist", canvas="translated", canvas_size=40)),
        ServedModel("photos", photo, Data(source="photos")),
    ]


@pytest.fixture(scope="session")
def url(served: list[ServedModel]) -> Iterator[str]:
    """Where the page is, while the tests run."""
    with bind("127.0.0.1", 0) as door:
        app = make_app(served, hosts=(*LOOPBACK, "tunnel.example", "*.proxy.example"))
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [door]})
        thread.start()
        yield address("127.0.0.1", door.getsockname()[1])
        server.should_exit = True
        thread.join()
