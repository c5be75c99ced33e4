"""Nothing untrusted is executed: the source has no way to, and a test walks it."""

import ast
from pathlib import Path

import pytest

import foveate

FILES = sorted(Path(foveate.__file__).parent.rglob("*.py"))
MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "yaml", "tarfile", "imp"}
BARE = {"eval", "exec", "compile", "__import__"}  # `model.eval()` and `re.compile` are others
CALLS = {"extractall", "unpack_archive", "system", "popen"}


def forbidden(tree: ast.AST) -> list[str]:
    """What in a file could run what it reads."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            found += [name for name in names if name.partition(".")[0] in MODULES]
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            of = ast.unparse(node.func.value) if isinstance(node.func, ast.Attribute) else ""
            words = {word.arg: ast.unparse(word.value) for word in node.keywords}
            if name in CALLS or (name in BARE and not of):
                found.append(name)
            if (of, name) == ("torch", "load") and words.get("weights_only") != "True":
                found.append("torch.load")
            if of in ("np", "numpy") and name == "load" and words.get("allow_pickle") == "True":
                found.append("numpy.load")
            if of == "subprocess" and words.get("shell") == "True":
                found.append("shell")
            if name in ("broadcast_object_list", "all_gather_object", "gather_object", "scatter_object_list"):
                found.append(name)
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_file_can_run_what_it_reads(path: Path):
    assert forbidden(ast.parse(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "from yaml import load",
        "eval(text)",
        "exec(text)",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "np.load(path, allow_pickle=True)",
        "subprocess.run(words, shell=True)",
        "os.system(words)",
        "archive.extractall(folder)",
        "dist.broadcast_object_list(things)",
    ],
)
def test_the_walk_finds_each_way(code: str):
    assert forbidden(ast.parse(code))
