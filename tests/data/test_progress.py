"""The progress line, alone and as pooch drives it with a local server."""

import functools
import http.server
import threading

import pytest
import requests

from foveate.data.download import _fetch
from foveate.data.progress import ProgressLine


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def url(tmp_path):
    """Return the address of a server of `tmp_path`."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=tmp_path))
    threading.Thread(target=server.serve_forever).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_download_prints_one_line_of_progress(tmp_path, url, capsys, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")
    (tmp_path / "file.gz").write_bytes(bytes(200_000))
    _fetch(f"{url}/file.gz", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == bytes(200_000)
    assert capsys.readouterr().err == "file.gz: 0.2 of 0.2 MB\n"
    with pytest.raises(requests.HTTPError):
        _fetch(f"{url}/missing.gz", tmp_path / "copy")


def test_on_a_terminal_the_line_is_updated(capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    line = ProgressLine("file")
    line.total = 2_000_000
    line.update(1_000_000)
    line.update(1_500_000)
    line.close()
    assert capsys.readouterr().err == "\rfile: 1.0 of 2.0 MB\rfile: 2.0 of 2.0 MB\rfile: 2.0 of 2.0 MB\n"
