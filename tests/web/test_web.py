"""The command: which models are shown, and where the page listens."""

import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import foveate.web.serve
from foveate import weights
from foveate.cli import app, main
from foveate.web.models import ServedModel
from foveate.web.serve import address, bind
from web.asking import ask


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list:
    """What is handed to the server, which does not start."""
    calls: list = []
    monkeypatch.setattr(foveate.web.serve, "serve", lambda *call: calls.append(call))
    return calls


def names(served: list[ServedModel]) -> list[str]:
    return [each.name for each in served]


def test_shipped_models_are_shown_mnist_first(served: list):
    assert main(["web"]) == 0
    [(models, host, port, _, _)] = served
    assert set(names(models)) == set(weights.list_models())
    assert names(models)[0] == ("mnist" if "mnist" in weights.list_models() else "digits")
    assert (host, port) == ("127.0.0.1", None)
    assert main(["web", "digits", "--host", "0.0.0.0", "--port", "8123"]) == 0
    assert names(served[1][0])[0] == "digits"
    assert len(names(served[1][0])) == len(weights.list_models())
    assert served[1][1:3] == ("0.0.0.0", 8123)
    assert main(["web", "digits", "--allowed-host", "tunnel.example", "--allowed-host", "*.proxy.example"]) == 0
    assert served[2][4] == ("tunnel.example", "*.proxy.example")


def test_a_run_is_shown_before_the_shipped_ones(served: list, tmp_path: Path):
    from foveate import fit
    from training.tiny import tiny

    fit(tiny(epochs=1), tmp_path / "digits")
    assert main(["web", str(tmp_path / "digits")]) == 0
    assert names(served[0][0])[0] == "digits"
    assert "digits of foveate" in names(served[0][0])


def test_a_model_folder_is_shown_like_a_run(served: list, tmp_path: Path):
    """Written by `save_pretrained`, without a run, and the folder best/ copied out of its run."""
    from foveate import fit, from_pretrained, save_pretrained
    from training.tiny import tiny

    fit(tiny(epochs=1), tmp_path / "run")
    save_pretrained(from_pretrained(tmp_path / "run"), tmp_path / "saved")
    shutil.copytree(tmp_path / "run" / "best", tmp_path / "copied")
    for name in ("saved", "copied", "run/best"):
        assert main(["web", str(tmp_path / name)]) == 0
        first = served[-1][0][0]
        assert first.name == Path(name).name
        assert first.model.config == from_pretrained(tmp_path / "run").config


def test_help_teaches_by_examples_that_parse(capsys: pytest.CaptureFixture[str]):
    assert main(["web", "--help"]) == 0
    examples = re.findall(r"^foveate (web\b.*?)(?:#.*)?$", capsys.readouterr().out, re.MULTILINE)
    assert len(examples) == 4
    for words in examples:
        app.parse_args(words.split(), exit_on_error=False, print_error=False)


def test_wrong_ways_end_in_a_sentence(served: list, capsys: pytest.CaptureFixture[str], monkeypatch):
    assert main(["web", "mnits"]) == 2
    assert "digits" in capsys.readouterr().err
    assert main(["web", "--port", "70000"]) == 2
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    capsys.readouterr()
    assert main(["web"]) == 2
    assert "pip install 'foveate[web]'" in capsys.readouterr().err
    assert not served


def test_a_taken_port_is_passed_over_or_refused():
    with bind("127.0.0.1", None) as first, bind("127.0.0.1", None) as second:
        assert second.getsockname()[1] > first.getsockname()[1] >= 8000
        with pytest.raises(OSError, match=rf"Found {first.getsockname()[1]} taken"):
            bind("127.0.0.1", first.getsockname()[1])
        with pytest.raises(OSError, match="should be an address of this machine"):
            bind("203.0.113.5", None)
        with pytest.raises(OSError, match="should be an address of this machine"):
            bind("no such host.invalid", None)


def test_only_this_machine_can_call_unless_told_otherwise():
    with bind("127.0.0.1", 0) as door:
        assert door.getsockname()[0] == "127.0.0.1"
    assert address("0.0.0.0", 80) == "http://localhost:80"
    assert address("::1", 80) == "http://[::1]:80"


def test_the_command_serves_until_it_is_interrupted():
    """As a process of its own: the address is printed, answers, and Ctrl-C is no error with a traceback."""
    with bind("127.0.0.1", 0) as door:
        port = door.getsockname()[1]
    command = [sys.executable, "-m", "foveate", "web", "digits", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        line = process.stdout.readline()
        [url] = re.findall(r"http://\S+", line)
        assert url == f"http://127.0.0.1:{port}"
        with socket.create_connection(("127.0.0.1", port)):
            pass  # it listens before it says so
        assert ask(url, "models")[0] == 200
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert not errors
