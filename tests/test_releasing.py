"""What the public forge runs and shows: workflows, templates, metadata of a release; and the size of the wheel."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

import foveate
from foveate.settings import tomllib

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
TEMPLATES = sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
TARGETS = set(re.findall(r"^([a-z]\w*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
VERSIONS = ["3.10", "3.11", "3.12", "3.13", "3.14"]
MAX_WHEEL = 8_000_000  # bytes


def load(path: Path) -> dict[Any, Any]:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def steps(workflow: dict[Any, Any]) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_call_targets_of_make(path: Path) -> None:
    workflow = load(path)
    called = {word for step in steps(workflow) for word in re.findall(r"make (\w+) PYTHON=", step.get("run", ""))}
    for job in workflow["jobs"].values():
        called |= set(job.get("strategy", {}).get("matrix", {}).get("target", []))
    assert called
    assert called <= TARGETS


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_may_little_and_end(path: Path) -> None:
    """They read, keep no credentials, use actions of one version each, and every job has its time."""
    workflow = load(path)
    assert workflow["permissions"] == {"contents": "read"}
    writing = {name for name, job in workflow["jobs"].items() if "permissions" in job}
    assert writing == {"release.yml": {"publish"}, "docs.yml": {"deploy"}}.get(path.name, set())
    assert all(job["timeout-minutes"] <= 90 for job in workflow["jobs"].values())
    for step in steps(workflow):
        if "uses" in step:
            assert re.fullmatch(r"[\w-]+/[\w-]+@v\d+\.\d+\.\d+", step["uses"])
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


def test_an_action_has_one_version() -> None:
    used = {step["uses"] for path in WORKFLOWS for step in steps(load(path)) if "uses" in step}
    names = [action.partition("@")[0] for action in used]
    assert len(names) == len(set(names))


def test_every_version_of_python_and_every_system_is_tested() -> None:
    matrix = load(ROOT / ".github/workflows/test.yml")["jobs"]["tests"]["strategy"]["matrix"]
    assert matrix["python"] == VERSIONS
    systems = {system.partition("-")[0] for system in [*matrix["os"], *(row["os"] for row in matrix["include"])]}
    assert systems == {"ubuntu", "macos", "windows"}
    assert PROJECT["requires-python"] == f">={VERSIONS[0]}"


def test_the_first_line_of_a_workflow_says_what_it_is() -> None:
    assert all(path.read_text(encoding="utf-8").startswith("# ") for path in WORKFLOWS)


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_forms_for_issues_are_whole(path: Path) -> None:
    form = load(path)
    if path.name == "config.yml":
        return
    assert {"name", "description", "body"} <= form.keys()
    ids = [field["id"] for field in form["body"]]
    assert len(ids) == len(set(ids))
    assert all(field["attributes"]["label"] for field in form["body"])


def test_one_version_everywhere() -> None:
    assert load(ROOT / "CITATION.cff")["version"] == foveate.__version__
    assert f"## [{foveate.__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_hooks_call_targets_of_make() -> None:
    hooks = [hook for repo in load(ROOT / ".pre-commit-config.yaml")["repos"] for hook in repo["hooks"]]
    assert {hook["entry"].removeprefix("make ") for hook in hooks} <= TARGETS


def test_classifiers_are_known_and_name_versions_that_are_tested() -> None:
    known = pytest.importorskip("trove_classifiers").classifiers
    assert set(PROJECT["classifiers"]) <= known
    named = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))
    assert set(named) <= set(VERSIONS)


def test_the_wheel_is_small_and_typed(tmp_path: Path) -> None:
    """docs/releasing.md names its size."""
    pytest.importorskip("hatchling", reason="Needs hatchling, of the extra `dev`.")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (path,) = tmp_path.glob("*.whl")
    assert path.stat().st_size < MAX_WHEEL
    with zipfile.ZipFile(path) as wheel:
        assert "foveate/py.typed" in wheel.namelist()
