"""Write the tree in README.md from the first line of each file, so that nothing is said twice: `make tree`."""

import ast
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PACKAGE = "src/foveate"
BLOCK = re.compile(r"(?<=<!-- tree -->\n```text\n).*?(?=```\n<!-- /tree -->)", re.DOTALL)
COMMENT = re.compile(r"(?:^#|^//|^/\*|<!--) (.*?)(?: \*/| -->)?$", re.MULTILINE)  # the first, in whatever language
LISTED = {".py", ".c", ".toml", ".css", ".js"}
HEADS = ("__init__.py", "README.md", "index.html")  # what says of a folder what it is: its code, a model's card, a page
OTHERS = {
    "tests": "mirrors src/foveate; what is checked on every push",
    "examples": "learners of your own, trained with the parts",
    "benchmarks": "how fast the parts are",
    "docs": "how it works, data, training, seeing, conventions, performance, lab notes",
    "results": "configs and metrics of the runs behind the numbers",
    "Makefile": "the commands",
    "constraints.txt": "the versions that are tested",
    "pyproject.toml": "the package and the settings of its checks",
    "mkdocs.yml": "the pages of the documentation",
    "CHANGELOG.md": "what changed",
    "CONTRIBUTING.md": "how to change it",
    "LICENSE": "MIT",
    ".ci": "what runs on a push",
    ".gitignore": "what is not kept",
    "README.md": "this page",
}


def tracked() -> list[Path]:
    """The files under version control that are there."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [Path(name) for name in listed.split("\0") if name and (ROOT / name).exists()]


def clause(path: Path) -> str:
    """What a file of the package is: the first line of its docstring, or of its comment, up to a semicolon."""
    text = (ROOT / path).read_text(encoding="utf-8")
    comment = COMMENT.search(text)
    said = (ast.get_docstring(ast.parse(text)) or "") if path.suffix == ".py" else comment[1] if comment else ""
    return re.split(r";|\.?$", said.partition("\n")[0].strip())[0]


def branch(folder: Path, files: list[Path]) -> list[tuple[int, str, str]]:
    """Depth, name and clause of a folder of the package and of all in it, its modules first."""
    depth = len(folder.parts) - 1
    inside = sorted(path for path in files if path.parent == folder and path.suffix in LISTED)
    modules = [(depth + 1, path.name, clause(path)) for path in inside if path.name != "__init__.py"]
    folders = sorted({path.parent for path in files if path.parent.parent == folder})
    head = next(folder / name for name in HEADS if folder / name in files)
    rows = [(depth, f"{folder.name}/", clause(head)), *modules]
    return rows + [row for child in folders for row in branch(child, files)]


def grown() -> str:
    """The tree as it stands."""
    files = tracked()
    package = [path for path in files if path.is_relative_to(PACKAGE)]
    tops = dict.fromkeys(path.parts[0] for path in files if path.parts[0] != "src")
    rows = [(0, "src/", "the package"), *branch(Path(PACKAGE), package)]
    rows += [(0, f"{top}/" if (ROOT / top).is_dir() else top, OTHERS.get(top, "")) for top in sorted(tops)]
    return "".join(f"{'  ' * depth + name:<36}{said}".rstrip() + "\n" for depth, name, said in rows)


def written() -> str:
    """The tree as README.md has it."""
    found = BLOCK.search(README.read_text(encoding="utf-8"))
    assert found, "README.md should hold a tree between its two marks."
    return found.group()


if __name__ == "__main__":
    grown_tree = grown()
    README.write_text(BLOCK.sub(lambda _: grown_tree, README.read_text(encoding="utf-8")), encoding="utf-8")
