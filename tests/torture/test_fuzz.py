"""A coverage-guided fuzzer on every kind of untrusted file."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

from fuzz.targets import TARGETS
from torture.figures import note

SECONDS = 20
COVER = Path(__file__).parents[1] / "fuzz" / "cover.py"


@pytest.mark.torture
@pytest.mark.parametrize("name", TARGETS)
def test_no_file_ends_in_anything_but_a_result_or_a_sentence(name: str, tmp_path: Path, request: pytest.FixtureRequest):
    if importlib.util.find_spec("atheris") is None:
        pytest.skip("Needs the coverage-guided fuzzer: `pip install atheris`, which there is not for every Python.")
    command = [sys.executable, str(COVER), name, str(SECONDS)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    tried = re.search(r"stat::number_of_executed_units:\s*(\d+)", done.stderr)
    assert tried, done.stderr[-1000:]
    note(request, f"inputs tried: {name}", int(tried[1]))
