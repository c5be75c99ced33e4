"""Serving the page: a free port, the names it may be called by, and the server until it is stopped."""

import errno
import os
import socket
from collections.abc import Callable, Sequence

from foveate.web.app import make_app
from foveate.web.shown import Shown

FIRST_PORT, PORTS = 8000, 100
# "[" is what older versions of Starlette leave of an IPv6 address; a name that was made to point here is none.
LOOPBACK = ("localhost", "127.0.0.1", "::1", "[::1]", "[")


def serve(shown: Sequence[Shown], host: str, port: int | None, listening: Callable[[str], object]) -> None:
    """Show models on a page until Ctrl-C; `listening` is told the address.

    Raises:
        OSError: if the port is taken, or the host is not this machine.
    """
    import uvicorn

    with bind(host, port) as door:
        listening(address(host, door.getsockname()[1]))
        app = make_app(shown, hosts=LOOPBACK if host in LOOPBACK else ("*",))
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False))
        server.run(sockets=[door])


def bind(host: str, port: int | None) -> socket.socket:
    """A socket at the port, or at the first free one where none is asked for."""
    candidates = range(FIRST_PORT, FIRST_PORT + PORTS) if port is None else [port]
    for candidate in candidates:
        door = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        if os.name == "posix":  # a port whose last server has just gone is free; elsewhere this would share a taken one
            door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            door.bind((host, candidate))
            door.listen()  # now, or two servers could bind at once, and the second fail only later
            return door
        except OSError as error:
            door.close()
            if error.errno != errno.EADDRINUSE or candidate == candidates[-1]:
                raise OSError(_refused(host, candidate, error)) from None
    raise AssertionError


def _refused(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"`--port` should be free. Found {port} taken. Without the option the next free one is chosen."
    return f"`--host` and `--port` should be an address of this machine. Found {host}, {port} ({error.strerror})."


def address(host: str, port: int) -> str:
    """What to type into a browser."""
    name = {"0.0.0.0": "localhost", "::": "localhost"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{name}:{port}"
