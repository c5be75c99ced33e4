"""The project keeps its promises: a true tree, imports in the order of the flow, light imports, small pieces."""

import ast
import importlib
import re
import resource
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

import foveate

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "foveate"
FILES = sorted(PACKAGE.rglob("*.py"))
STATIONS = ["data", "glimpse", "policy", "recurrent", "reward", "training", "viewing", "web"]
DOORS = {"__init__", "__main__", "cli", "config", "settings", "recipes", "weights"}
LIGHT = {"torch", "numpy", "jaxtyping"}
HEAVY = ["PIL", "cyclopts", "fastapi", "matplotlib", "pooch", "rich", "safetensors", "scipy", "sklearn", "tensorboard"]

BLOCK = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked!r}:
            raise ImportError("blocked: " + name)
sys.meta_path.insert(0, Blocked())
"""


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)


def station(path: Path) -> str:
    """The folder of src/foveate, or the module in it, that a file belongs to."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def base(node: ast.ImportFrom, path: Path) -> str:
    """The module that an import names, dots resolved."""
    above = (PACKAGE.name, *path.parent.relative_to(PACKAGE).parts)
    return ".".join(
        filter(None, [*above[: len(above) + 1 - node.level], node.module]) if node.level else [node.module or ""]
    )


def imports(path: Path) -> set[str]:
    """The modules a file imports from foveate, wherever in the file."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            found |= {f"{base(node, path)}.{alias.name}" for alias in node.names}
    return {name.removeprefix("foveate.") for name in found if name.startswith("foveate.")}


def functions(path: Path) -> list[tuple[str, int]]:
    """Name and lines of code of each function, its docstring not counted."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            body = node.body[1:] if ast.get_docstring(node) and len(node.body) > 1 else node.body
            found.append((node.name, (body[-1].end_lineno or 0) - body[0].lineno + 1))
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_follow_the_flow(path: Path) -> None:
    here = station(path)
    if here not in STATIONS:
        return
    allowed = set(STATIONS[: STATIONS.index(here) + 1])
    if "training" in allowed:
        allowed |= {"config", "settings", "weights"}
    # A public name asked of `foveate` itself hides where it comes from: inside, modules name each other.
    assert {name.partition(".")[0] for name in imports(path)} <= allowed


def test_stations_are_the_folders() -> None:
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert folders == {*STATIONS, "cli", "recipes", "weights"}
    assert {station(path) for path in FILES} <= {*STATIONS, *DOORS}


@pytest.mark.parametrize("name", foveate.__all__)
def test_public_name(name: str) -> None:
    value = getattr(foveate, name)
    assert value.__name__ == name
    assert value.__module__ == f"foveate.{foveate._HOME[name]}"
    assert value.__doc__
    assert name in dir(foveate)


def test_public_names_are_told_to_type_checkers() -> None:
    """The imports under TYPE_CHECKING are the table again, word for word."""
    told = imports(PACKAGE / "__init__.py") - {"config"}
    assert told == {f"{home}.{name}" for name, home in foveate._HOME.items()}


def test_unknown_name_is_refused() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Foveate'"):
        _ = foveate.Foveate  # pyright: ignore[reportAttributeAccessIssue]


def test_import_needs_only_torch_numpy_and_jaxtyping() -> None:
    """Every public name, on a machine that has none of the other libraries."""
    names = "; ".join(f"foveate.{name}" for name in foveate.__all__)
    done = run(BLOCK.format(blocked=set(HEAVY)) + f"import foveate; {names}")
    assert done.returncode == 0, done.stderr


def test_blocking_blocks() -> None:
    assert "blocked: sklearn" in run(BLOCK.format(blocked=set(HEAVY)) + "import sklearn").stderr


def seconds_of_help() -> float:
    """Time of the processor, not of the clock, that `foveate --help` takes, once it is seen to import no torch."""
    code = "import sys; from foveate.cli import main; main(['--help']); print('torch' in sys.modules, file=sys.stderr)"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = run(code)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert (done.returncode, done.stderr.strip()) == (0, "False")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_help_is_quick_and_imports_no_torch() -> None:
    # What else the machine does slows a processor too: one quick run of five is proof.
    assert any(seconds_of_help() < 0.5 for _ in range(5))


def test_python_dash_m_is_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "foveate", "--version"], capture_output=True, text=True)
    assert done.stdout.strip() == foveate.__version__


def test_small_files_and_small_functions() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in FILES if path.name != "__init__.py"}
    sizes = [(f"{path.name}:{name}", size) for path in FILES for name, size in functions(path)]
    assert statistics.median(lengths.values()) <= 100
    assert sum(length > 200 for length in lengths.values()) <= len(lengths) / 10
    assert max(lengths.values()) <= 250
    assert statistics.median(size for _, size in sizes) < 10
    assert max(sizes, key=lambda pair: pair[1])[1] <= 60, max(sizes, key=lambda pair: pair[1])


def test_every_module_says_what_it_is() -> None:
    silent = [path for path in FILES if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))]
    assert not silent


def test_the_tree_in_the_readme_is_true(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "docs")
    tree = importlib.import_module("tree")
    assert tree.written() == tree.grown(), "`make tree` writes it anew"
    assert all(len(line.split()) > 1 for line in tree.written().splitlines()), "every file has its clause"


def test_each_known_bug_of_other_implementations_has_a_test_named_for_it():
    tests = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    assert {int(number) for number in re.findall(r"def test_bug_(\d\d)_", tests)} == set(range(1, 19))
