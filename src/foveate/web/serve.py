"""Serve the page: find a free port, decide which host names may be used, run until stopped."""

import errno
import os
import re
import socket
from collections.abc import Callable, Sequence

from foveate.web.app import make_app
from foveate.web.models import ServedModel

FIRST_PORT = 8000
PORTS = 100
# Other names are refused: a hostile page's own name may be made to point here. "[" is what older versions of Starlette
# leave of an IPv6 address.
LOOPBACK = ("localhost", "127.0.0.1", "::1", "[::1]", "[")
HOST_NAME = re.compile(r"(\*\.)?[A-Za-z0-9]([A-Za-z0-9_-]*)(\.[A-Za-z0-9][A-Za-z0-9_-]*)*")


def serve(
    served: Sequence[ServedModel],
    host: str,
    port: int | None,
    listening: Callable[[str], object],
    allowed_hosts: Sequence[str] = (),
) -> None:
    """Serve models on a page until Ctrl-C; `listening` is called with the address.

    At a loopback address only requests to loopback names and to `allowed_hosts` are answered; else to any name.

    Raises:
        ValueError: if an allowed host is not a host name.
        OSError: if the port is taken, or the host is not this machine.
    """
    import uvicorn

    for name in allowed_hosts:
        check_host_name(name)
    names = (*LOOPBACK, *map(str.lower, allowed_hosts)) if host in LOOPBACK else ("*",)
    with bind(host, port) as door:
        listening(address(host, door.getsockname()[1]))
        app = make_app(served, hosts=names)
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False))
        server.run(sockets=[door])


def check_host_name(name: str) -> None:
    """Refuse what is not a host name; `*.` before it allows every name below it.

    Raises:
        ValueError: if it has a scheme, a port or a path, or is no name at all.

    Example:
        >>> check_host_name("*.trycloudflare.com")
    """
    if not HOST_NAME.fullmatch(name):
        raise ValueError(
            f"`--allowed-host` should be a host name without scheme, port and path, such as `example.org` or "
            f"`*.example.org`. Found `{name}`."
        )


def bind(host: str, port: int | None) -> socket.socket:
    """Listen at the port, or at the first free one if it is None."""
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
    """The address to type into a browser."""
    name = {"0.0.0.0": "localhost", "::": "localhost"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{name}:{port}"
