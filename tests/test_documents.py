"""What is written runs: the Python and the commands of README.md and docs, and the examples in the docstrings."""

import dataclasses
import doctest
import importlib
import inspect
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image

import foveate
from foveate.cli import app, main
from foveate.data import load
from foveate.training.sweep import Run

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGES = [
    *DOCUMENTS,
    ROOT / "CHANGELOG.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
    *sorted((ROOT / "lab").rglob("*.md")),
]
MODULES = sorted(
    ".".join(path.relative_to(ROOT / "src").with_suffix("").parts).removesuffix(".__init__")
    for path in (ROOT / "src").rglob("*.py")
)
# What a page trains is trained small: an epoch of little images, few glimpses, narrow layers. The command's words stay.
SMALL = ["--epochs", "1", "--what-width", "8", "--where-width", "8", "--join-width", "8", "--hidden-size", "8"]
LITTLE = ["--source", "digits"]
# Settings of a saved model that come from the data; they are no options.
FILLED_IN = {"image", "classes", "picture_size", "picture_resize", "handwriting", "image_mean", "image_std"}


def blocks(document: Path, language: str) -> list[str]:
    """The fenced blocks of a page in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", document.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def commands(document: Path) -> list[list[str]]:
    """The words of each command of a page, without comments."""
    lines = "".join(blocks(document, "sh")).replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


class Finder(doctest.DocTestFinder):
    """Finds the examples of wrapped functions too, which otherwise count as the decorator's."""

    def _from_module(self, module: ModuleType | None, object: object) -> bool:
        return module is None or getattr(object, "__module__", None) == module.__name__


TRACED = {"foveate.training.export", "models.md"}  # a program is traced, which the checks of shapes do not pass


@pytest.fixture
def tracing(request: pytest.FixtureRequest) -> None:
    """No checks of shapes where an example traces a model."""
    if TRACED & {str(value).rpartition("/")[2] for value in request.node.callspec.params.values()}:
        request.getfixturevalue("without_shape_checks")


@pytest.mark.usefixtures("tracing")
@pytest.mark.parametrize("name", MODULES)
def test_docstrings(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if name == "foveate.__main__":
        return
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    report: list[str] = []
    for test in Finder().find(importlib.import_module(name)):
        runner.run(test, out=report.append)
    assert not runner.failures, "".join(report)


@pytest.mark.parametrize("name", sorted(set(foveate.__all__) - {"Rollout", "Losses", "Config"}))
def test_public_name_has_an_example(name: str) -> None:
    """Records are shown by what returns them."""
    value = getattr(foveate, name)
    assert any(test.examples for test in Finder().find(value, module=inspect.getmodule(value)))


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder a page is tried in: a picture of a digit, and a folder of photos of two classes."""
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    pixels = np.random.default_rng(0).integers(0, 256, (24, 64, 64, 3), dtype=np.uint8)
    digit = load("digits").test.read(torch.tensor([0]))[0, 0]
    Image.fromarray(digit.numpy()).save(tmp_path / "picture.png")
    for number, picture in enumerate(pixels):
        folder = tmp_path / "photos" / ("cats", "dogs")[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(folder / f"{number}.png")
    return tmp_path


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_python_of_pages(document: Path, desk: Path) -> None:
    """The blocks of a page run in order, as one program."""
    exec(compile("\n".join(blocks(document, "python")), document.name, "exec"), {"__name__": "__main__"})


SLOW = {"results.md"}  # trains every row; its commands are made by a program
TRIED = [pytest.param(page, marks=[pytest.mark.slow] if page.name in SLOW else []) for page in DOCUMENTS]


@pytest.mark.usefixtures("tracing")
@pytest.mark.parametrize("document", TRIED, ids=lambda path: path.name)
def test_commands_of_pages(
    document: Path, desk: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commands of a page run in order."""
    monkeypatch.setattr("foveate.training.sweep._start", InProcess)
    for words in commands(document):
        capsys.readouterr()
        words, file = (words[:-2], desk / words[-1]) if ">" in words else (words, None)
        assert follow(words) == 0, f"{shlex.join(words)}\n{''.join(capsys.readouterr())}"
        if file:
            file.write_text(capsys.readouterr().out, encoding="utf-8")


class InProcess:
    """Trains one run of a sweep at once in this process, which has imported PyTorch. tests/training tries real ones."""

    def __init__(self, run: Run, command: Callable[[Run], list[str]]) -> None:
        self.pid = id(self)
        self.returncode = main(command(run)[3:])  # after `python -m foveate`

    def poll(self) -> int:
        return self.returncode


def follow(words: list[str]) -> int:
    """Run one command: `foveate` for real but small; `make` and `pip` only as far as that they know it."""
    command, *arguments = words
    if command == "make":
        return subprocess.run(["make", "-n", *arguments], cwd=ROOT, stdout=subprocess.DEVNULL).returncode
    if command == "pip":
        return subprocess.run(
            [sys.executable, "-m", "pip", arguments[0], "--help"], stdout=subprocess.DEVNULL
        ).returncode
    assert command == "foveate", f"A page should name commands that can be tried. Found {command}."
    if arguments[0] in ("web", "export"):  # which serves for ever, and which tests/training tries on this model
        app.parse_args(arguments, exit_on_error=False, print_error=False)
        return 0
    if arguments[0] == "train":
        of_images = "--source" in arguments or Path(arguments[1]).is_dir()
        arguments += SMALL if of_images else SMALL + LITTLE
        if not {"--num-glimpses", "--resume"} & set(arguments):
            arguments += ["--num-glimpses", "2"]
        if "--pretrained" not in arguments:  # a recipe's own is of full width
            arguments += ["--pretrained", ""]
    if arguments[0] == "sweep":
        sets = [word.lstrip("-").replace("-", "_") for word in [*SMALL, *LITTLE, "--num-glimpses", "2"]]
        pairs = zip(sets[::2], sets[1::2], strict=True)
        arguments += ["--seeds", "0", *(word for name, value in pairs for word in ("--set", f"{name}={value}"))]
    return main(arguments)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_prose_is_wrapped(page: Path) -> None:
    """At 100 columns; a table, a block of code and a picture cannot be."""
    prose = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    long = [line for line in prose.splitlines() if len(line) > 100 and not line.startswith(("|", "!["))]
    assert not long


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_files_and_headings(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        file, _, anchor = target.partition("#")
        there = page.parent / file if file else page
        assert there.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", there.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}, target


def test_every_option_is_on_a_page() -> None:
    said = "".join(page.read_text(encoding="utf-8") for page in DOCUMENTS)
    settings = dataclasses.asdict(foveate.Config())
    names = {name for section in settings.values() for name in section} - FILLED_IN
    assert {name for name in names if f"`--{name.replace('_', '-')}" not in said} == set()


def test_every_metric_is_explained(tmp_path: Path) -> None:
    config = foveate.config
    small = config.Model(glimpse_size=(2, 2), num_glimpses=1, hidden_size=4, what_width=4, where_width=4, join_width=4)
    settings = config.Config(data=config.Data(source="digits"), model=small, training=config.Training(epochs=1))
    foveate.fit(settings, tmp_path)
    _, explained = (ROOT / "docs/training.md").read_text(encoding="utf-8").split("## metrics.jsonl")
    fields = re.findall(r"^\| `(\w+)`", explained, re.MULTILINE)
    assert fields == list(json.loads((tmp_path / "metrics.jsonl").read_text(encoding="utf-8")))
