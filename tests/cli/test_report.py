"""`foveate evaluate` and its report, as they are typed."""

import json
import os
import sys
from pathlib import Path

import pytest

from foveate.cli import main

SMALL = [
    "--epochs",
    "1",
    "--num-glimpses",
    "2",
    *(f"--{name}=8" for name in ("what-width", "where-width", "join-width")),
]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small run on the embedded digits."""
    folder = tmp_path_factory.mktemp("runs") / "digits"
    assert main(["train", "digits", "--folder", str(folder), *SMALL]) == 0
    return folder


def test_a_report_lies_in_the_run_folder(run: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["evaluate", str(run), "--report", "--num-rollouts", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == f"Report: {run / 'report' / 'report.html'}"
    facts = json.loads((run / "report" / "report.json").read_text())
    assert [mode["num_rollouts"] for mode in facts["modes"]] == [1, 1, 3]
    errors = [str(mode["num_errors"]) for mode in facts["modes"]]
    assert [line.split("(")[1].split()[0] for line in lines[:3]] == errors
    assert facts["title"] == str(run)
    assert facts["config"]["training"]["epochs"] == 1


def test_a_report_elsewhere_of_the_validation_images_as_json(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    out = tmp_path / "some" / "where"
    flags = ["--split", "validation", "--num-glimpses", "1", "--num-rollouts", "2", "--json"]
    assert main(["evaluate", str(run), "--report", "--out", str(out), *flags]) == 0
    told = capsys.readouterr().out
    assert told == (out / "report.json").read_text()
    assert json.loads(told)["split"] == "validation"
    assert json.loads(told)["modes"][0]["num_glimpses"] == 1


@pytest.mark.skipif(sys.platform != "linux", reason="Elsewhere every name is UTF-8.")
def test_a_report_in_folders_whose_names_are_not_utf8(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    renamed = tmp_path / os.fsdecode(b"caf\xe9")
    renamed.symlink_to(run)
    command = ["evaluate", str(renamed), "--report", "--out", str(renamed / "copy"), "--num-rollouts", "2"]
    monkeypatch.setattr(sys, "argv", ["foveate", *command])
    assert main(command) == 0
    facts = json.loads((renamed / "copy" / "report.json").read_text(encoding="utf-8"))
    assert facts["title"] == f"{tmp_path}/caf\ufffd"
    assert f"{tmp_path}/caf\ufffd/copy" in facts["command"]


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--report", "--policy", "mean"], "`--report` should be without `--policy`"),
        (["--out", "there"], "`--out` should come with `--report`"),
    ],
)
def test_flags_that_do_not_go_together(run: Path, flags: list[str], sentence: str, capsys: pytest.CaptureFixture[str]):
    assert main(["evaluate", str(run), *flags]) == 2
    assert sentence in capsys.readouterr().err


def test_evaluate_says_how_much_the_gaze_depends_on_the_image(run: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["evaluate", str(run), "--json"]) == 0
    gaze = json.loads(capsys.readouterr().out)["gaze"]
    assert main(["evaluate", str(run)]) == 0
    (said,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Where it looks: ")]
    assert f"{gaze['scanpath_dependence']:.0%} of what places at random would" in said
    assert "chance" not in said
    assert main(["evaluate", str(run), "--policy", "sampled"]) == 0
    assert "would, chance included;" in capsys.readouterr().out
    for flags in (["--num-glimpses", "1"], ["--policy", "center"]):
        assert main(["evaluate", str(run), *flags]) == 0
        assert "Where it looks" not in capsys.readouterr().out


def test_evaluate_warns_of_one_path_for_all_images(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    folder = tmp_path / "stuck"
    assert main(["train", "digits", "--folder", str(folder), *SMALL, "--unit-pixels", "0.1"]) == 0
    capsys.readouterr()
    assert main(["evaluate", str(folder)]) == 0
    (warning,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Warning: ")]
    assert "hardly depends on the image" in warning
    assert "no farther than 0.1 of 4 pixels" in warning
