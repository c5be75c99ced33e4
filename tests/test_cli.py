"""The commands: what is typed reaches the library, what is wrong ends in one sentence and exit code 2."""

import dataclasses
import inspect
import io
import json
import subprocess
import sys
import warnings
from importlib import import_module
from pathlib import Path

import pytest
from PIL import Image
from rich.console import Console
from torch.distributed.run import get_args_parser

import foveate.training.fit
from foveate import recipes, settings
from foveate.cli import app, main, train_help
from foveate.cli.help import RARE, TORCH7
from foveate.config import Config, Model
from foveate.training.load import load_run

NARROW = [f"--{name}=8" for name in ("what-width", "where-width", "join-width", "hidden-size")]
SMALL = ["--epochs", "1", "--num-glimpses", "2", *NARROW]
DATA_FIELDS = {
    "image",
    "classes",
    "picture_size",
    "picture_resize",
    "handwriting",
    "image_mean",
    "image_std",
}  # filled in by the data


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Config]:
    """The configs that `fit` is asked to train; it is interrupted at once instead."""
    configs: list[Config] = []

    def fit(config: Config, folder: Path, **options: object) -> None:
        configs.append(config)
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(foveate.training.fit, "fit", fit)
    return configs


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small run on the embedded digits."""
    folder = tmp_path_factory.mktemp("runs") / "digits"
    assert main(["train", "digits", "--folder", str(folder), *SMALL]) == 0
    return folder


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one sentence on stderr that a command ends with."""
    capsys.readouterr()
    assert main(arguments) == 2
    sentence = capsys.readouterr().err
    assert sentence.startswith("foveate: ")
    assert sentence.count("\n") == 1
    return sentence


def test_flags_come_before_the_recipe_and_the_recipe_before_the_defaults(asked: list[Config]):
    main(["train", "mnist", "--std", "0.5", "--glimpse-size", "6", "10", "--learn-std"])
    mnist = recipes.read("mnist")
    model = dataclasses.replace(mnist.model, std=0.5, glimpse_size=(6, 10), learn_std=True)
    assert asked == [dataclasses.replace(mnist, model=model)]


def test_the_last_of_two_flags_counts(asked: list[Config]):
    main(["train", "--epochs", "3", "--epochs", "5", "--glimpse-size", "4", "4", "--glimpse-size", "5", "6"])
    assert (asked[0].training.epochs, asked[0].model.glimpse_size) == (5, (5, 6))


@pytest.mark.parametrize(
    "typed", ["--image-size 64", "--image-size=64", "--image-size 64 64", "--image-size 64 digits"]
)
def test_one_number_means_square(typed: str, asked: list[Config]):
    main(["train", "--source", "./photos", *typed.split(), "--glimpse-size", "5", "--seed", "3"])
    assert (asked[0].data.image_size, asked[0].model.glimpse_size, asked[0].training.seed) == ((64, 64), (5, 5), 3)


def test_digits_is_the_recipe_when_none_is_named(asked: list[Config]):
    main(["train"])
    assert asked == [recipes.read("digits")]


def test_a_flag_can_take_back_what_a_recipe_switches_on(asked: list[Config]):
    main(["train", "torch7-mnist", "--no-policy-gradient-into-core", "--init-range", "0"])
    assert not asked[0].model.policy_gradient_into_core
    assert asked[0].model.init_range == 0
    assert recipes.read("torch7-mnist").model.policy_gradient_into_core


def test_every_setting_has_a_flag_that_reaches_the_library(asked: list[Config], tmp_path: Path):
    """Values that differ from every default, typed, and the same ones in a recipe, make the same config."""
    flags, sections = [], {}
    for section, values in settings.to_dict(Config()).items():
        chosen = {name: other(section, name, value) for name, value in values.items()}
        chosen = {name: value for name, value in chosen.items() if name not in DATA_FIELDS}
        assert all(values[name] != value for name, value in chosen.items())
        sections[section] = chosen
        for name, value in chosen.items():
            flag = f"--{name.replace('_', '-')}"
            words = [] if value is True else map(str, value) if isinstance(value, tuple) else [str(value)]
            flags += [flag, *words]
    config = settings.from_dict(sections)
    (tmp_path / "mine.toml").write_text(settings.to_toml(config))
    main(["train", "digits", *flags])
    main(["train", "mine.toml"])
    assert asked == [config, config]


def other(section: str, name: str, value: object) -> object:
    """A value of the same type that is not the default."""
    choices = {"canvas": "cluttered", "resize": "pad", "color": "rgb", "unreadable": "skip", "core": "gru"}
    choices |= {"first_glimpse": "center", "baseline": "none", "optimizer": "sgd"}
    choices |= {"schedule": "linear", "precision": "bf16", "compile": "off", "evaluate_on": "validation"}
    choices |= {
        "reward": "log-probability",
        "held_out": "last",
        "answers": "every",
        "standardize": "on",
        "gaze": "raster",
    }
    if isinstance(value, bool):
        return not value
    if isinstance(value, str):
        return choices.get(name, "cpu")
    if value is None or isinstance(value, float):
        return 0.5
    return tuple(3 for _ in value) if isinstance(value, tuple) else value + 3  # pyright: ignore


def help_of_train(width: int, monkeypatch: pytest.MonkeyPatch, *, show_all: bool) -> str:
    """A console of its own: the app keeps its first one, however narrow."""
    told = io.StringIO()
    monkeypatch.setattr(train_help, "show_all", show_all)
    app.help_print(["train"], console=Console(file=told, width=width))
    return told.getvalue()


def test_every_setting_is_explained(monkeypatch: pytest.MonkeyPatch):
    """The sentence under a field is its help."""
    shown = "".join(help_of_train(300, monkeypatch, show_all=True).replace("│", " ").split())
    for section in dataclasses.fields(Config):
        names = {field.name for field in dataclasses.fields(section.type)} - DATA_FIELDS  # pyright: ignore
        assert all(f"--{name.replace('_', '-')}" in shown for name in names)
    assert "Standarddeviationofasampledlocation;1is" in shown
    assert "[default:0.1]" in shown


def test_the_usual_options_fit_two_screens_and_the_originals_own_come_last(monkeypatch: pytest.MonkeyPatch):
    shown = help_of_train(80, monkeypatch, show_all=False)
    assert shown.count("\n") <= 100
    assert "--epochs" in shown
    assert "--skip-nonfinite" not in shown
    _, last = shown.split("Torch7 original")
    assert "--max-weight-norm" in last
    assert "--help-all" in last
    flags = {f"--{name.replace('_', '-')}" for section in settings.to_dict(Config()).values() for name in section}
    assert flags > RARE | TORCH7


def test_help_all_shows_what_help_leaves_out(capsys: pytest.CaptureFixture[str]):
    for flag, shown in (("--help", False), ("--help-all", True), ("--help", False)):
        assert main(["train", flag]) == 0
        assert ("--skip-nonfinite" in capsys.readouterr().out) == shown


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "cp437"])
@pytest.mark.parametrize("command", ["watch", "evaluate", "look", "recipes"])
def test_output_that_cannot_be_encoded_is_replaced(
    command: str, encoding: str, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    arguments = {"watch": [str(run), "--once"], "look": [str(run), "--out", str(tmp_path)], "recipes": []}
    with monkeypatch.context() as patch:
        for name in ("stdout", "stderr"):
            patch.setattr(sys, name, io.TextIOWrapper(io.BytesIO(), encoding=encoding))
        assert main([command, *arguments.get(command, [str(run)])]) == 0
        sys.stdout.flush()
        assert sys.stdout.buffer.getvalue()


def test_a_misspelt_option_is_refused_with_a_suggestion(capsys: pytest.CaptureFixture[str]):
    assert "Did you mean --epochs?" in refused(["train", "--epoch", "3"], capsys)
    assert 'Did you mean "lstm"?' in refused(["train", "--core", "lsmt"], capsys)
    assert 'Did you mean "train"?' in refused(["trian"], capsys)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("train mnits", "Did you mean `mnist`?"),
        ("train none.toml", "Found none at `none.toml`"),
        ("train --epochs three", "three"),
        ("train --batch-size 0", "`batch_size` should be at least 1"),
        ("train --image 1 8 8", "Unknown option"),
        ("train --glimpse-size", "requires 2"),
        ("train --source nowhere/photos", "nowhere/photos"),
        ("train --resume", "should find a run"),
        ("train --resume --overwrite", "should find a run"),
        ("evaluate nowhere", "should be the folder of a run"),
        ("evaluate", "RUN"),
        ("look nowhere picture.png", "should be the folder of a run"),
        ("recipes mnits", "Did you mean `mnist`?"),
    ],
)
def test_what_is_wrong_ends_in_one_sentence_and_leaves_nothing(
    arguments: str, sentence: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    assert sentence in refused(arguments.split(), capsys)
    assert not list(tmp_path.iterdir())


def test_an_unknown_key_of_a_recipe_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    (tmp_path / "mine.toml").write_text("[training]\nepoch = 3\n")
    assert "Did you mean `epochs`?" in refused(["train", str(tmp_path / "mine.toml")], capsys)


def test_a_full_disk_ends_in_one_sentence(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def fit(*arguments: object, **options: object) -> None:
        raise OSError(28, "No space left on device", "last.pt")

    monkeypatch.setattr(foveate.training.fit, "fit", fit)
    assert refused(["train", "--folder", str(tmp_path)], capsys) == "foveate: No space left on device: last.pt.\n"


@pytest.mark.parametrize("at_chance", [False, True])
def test_a_run_prints_a_line_per_epoch_its_error_and_what_to_try(
    at_chance: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("foveate.training.evaluate.Evaluation.at_chance", at_chance)
    folder = tmp_path / "run"
    assert main(["train", "--folder", str(folder), *SMALL, "--epochs", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    first, second = sorted(lines[:2])
    assert first.startswith("Images of 8 x 8 pixels, 1 channel; 2 glimpses of 5 x 5 pixels in 1 scale, up to 4 ")
    assert second.startswith("Precision: ")
    assert [line[:9] for line in lines[2:5]] == ["epoch 1/3", "epoch 2/3", "epoch 3/3"]
    assert not any(character in "".join(lines) for character in "\x1b\r")
    assert lines[6].startswith("Test error: ")
    assert "95 % interval" in lines[6]
    assert f"Run folder: {folder}" in lines
    assert sum(line.startswith("  foveate ") for line in lines) == (0 if at_chance else 4)
    assert ("That is chance" in " ".join(lines)) == at_chance
    assert picture_size(folder / "scanpaths.png") > (100, 100)


def picture_size(path: Path) -> tuple[int, int]:
    """Width and height in pixels."""
    with Image.open(path) as picture:
        return picture.size


def test_a_run_is_never_written_over_unasked(run: Path, capsys: pytest.CaptureFixture[str]):
    before = (run / "metrics.jsonl").read_bytes()
    assert "--resume" in refused(["train", "--folder", str(run), *SMALL], capsys)
    assert "Found both" in refused(["train", "--folder", str(run), "--resume", "--overwrite"], capsys)
    assert (run / "metrics.jsonl").read_bytes() == before


def test_a_stopped_run_says_how_it_goes_on_and_does(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch):
    """A run that is interrupted and resumed ends as one that never was."""
    folder, whole = tmp_path / "stopped", tmp_path / "whole"
    flags = [*SMALL, "--epochs", "3"]
    assert main(["train", "--folder", str(whole), *flags]) == 0
    with monkeypatch.context() as patch:
        patch.setattr("foveate.cli.progress.EpochLines.on_epoch", lambda self, metrics: stop_after(metrics, 2))
        assert main(["train", "--folder", str(folder), *flags]) == 130
    command = capsys.readouterr().out.splitlines()[-1].split()
    assert command == ["foveate", "train", "--folder", str(folder), "--resume"]
    assert main(command[1:]) == 0
    assert outcome(folder) == outcome(whole)


def stop_after(metrics: dict, epochs: int) -> None:
    """Ctrl-C at the end of an epoch."""
    if metrics["epoch"] == epochs:
        raise KeyboardInterrupt


def outcome(folder: Path) -> tuple:
    """The record of a run without its times, and its weights."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    kept = [{name: value for name, value in line.items() if "second" not in name} for line in lines]
    return kept, (folder / "best" / "model.safetensors").read_bytes()


@pytest.mark.parametrize(("module", "name"), [("options", "_resumed"), ("train", "_print_result")])
def test_ctrl_c_before_and_after_the_training_says_how_to_go_on(module, name, run: Path, capsys, monkeypatch):
    def stop(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(import_module(f"foveate.cli.{module}"), name, stop)
    assert main(["train", "--folder", str(run), "--resume"]) == 130
    assert "--resume" in capsys.readouterr().out


def test_a_resumed_run_keeps_its_settings_but_for_the_flags_given(run: Path, asked: list[Config]):
    main(["train", "--folder", str(run), "--resume", "--epochs", "9"])
    before = settings.read(run / "config.json")
    config = dataclasses.replace(before, training=dataclasses.replace(before.training, epochs=9))
    left_to_the_data = {name: getattr(Model(), name) for name in DATA_FIELDS}
    model = dataclasses.replace(config.model, **left_to_the_data)
    assert asked == [dataclasses.replace(config, model=model)]


def test_evaluate_names_what_it_measured(run: Path, capsys: pytest.CaptureFixture[str]):
    for flags, name in [
        ([], "Test error: "),
        (["--split", "validation"], "Validation error: "),
        (["--policy", "sampled"], "sampled policy, one pass, 2 glimpses"),
        (["--policy", "sampled", "--num-rollouts", "3"], "sampled policy, mean of the probabilities of 3 passes"),
        (["--num-glimpses", "1"], "mean policy, one pass, 1 glimpse)"),
    ]:
        assert main(["evaluate", str(run), *flags]) == 0
        assert name in capsys.readouterr().out.splitlines()[0]


def test_evaluate_prints_json(run: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["evaluate", str(run), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["num_errors"] == facts["n"] - sum(facts["confusion"][i][i] for i in range(10))
    assert facts["error_rate"] == facts["num_errors"] / facts["n"]
    assert facts["interval"][0] < facts["error_rate"] < facts["interval"][1]
    assert len(facts["mistakes"]) == facts["num_errors"] > 0
    assert all(said["label"] != said["answer"] and said["file"] is None for said in facts["mistakes"])


def test_evaluate_agrees_with_the_end_of_training(run: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["evaluate", str(run), "--json"]) == 0
    kept = json.loads((run / "test.json").read_text())
    assert json.loads(capsys.readouterr().out)["num_errors"] == kept["num_errors"]


def test_damaged_weights_are_refused(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "best").mkdir()
    for name in ("config.json", "best/config.json", "best/model.safetensors"):
        (tmp_path / name).write_bytes((run / name).read_bytes()[:-100] + b"}" * 100)
    assert "config.json" in refused(["evaluate", str(tmp_path)], capsys)
    for name in ("config.json", "best/config.json"):
        (tmp_path / name).write_bytes((run / name).read_bytes())
    (tmp_path / "best/model.safetensors").write_bytes((run / "best/model.safetensors").read_bytes()[:-100])
    assert "damaged" in refused(["evaluate", str(tmp_path)], capsys)


def test_a_warning_is_said_once_as_a_sentence(
    run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    def images(opened: object, split: str, source: str) -> None:
        for _ in range(2):
            with warnings.catch_warnings():
                warnings.simplefilter("always")
                warnings.warn("One file was skipped.", stacklevel=1)
        raise ValueError("Enough.")

    monkeypatch.setattr("foveate.training.load.LoadedRun.images", images)
    assert main(["evaluate", str(run)]) == 2
    assert capsys.readouterr().err == "foveate: One file was skipped.\nfoveate: Enough.\n"


def test_recipes_are_listed_and_shown(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    assert main(["recipes"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == recipes.names()
    assert main(["recipes", "mnist"]) == 0
    (tmp_path / "mine.toml").write_text(capsys.readouterr().out)
    assert recipes.read(str(tmp_path / "mine.toml")) == recipes.read("mnist")


@pytest.mark.parametrize("command", ["train", "sweep"])
def test_no_flag_can_be_mistaken_for_one_of_torchruns(command: str):
    """torchrun completes abbreviations, also of the flags that follow the module's name."""
    theirs = [name for action in get_args_parser()._actions for name in action.option_strings]
    ours = [name for argument in app[command].assemble_argument_collection() for name in argument.names]
    assert "--run-path" in theirs
    assert "--folder" in ours
    for name in ours:
        assert not [other for other in theirs if name.startswith("-") and other.startswith(name)], name


@pytest.mark.parametrize("command", ["train", "evaluate", "look", "recipes"])
def test_help_teaches_by_example(command: str, capsys: pytest.CaptureFixture[str]):
    assert main([command, "--help"]) == 0
    assert capsys.readouterr().out.count(f"\nfoveate {command}") >= 2


def test_the_examples_of_the_help_parse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Path):
    """Each example is a command that exists, with options that exist."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.toml").write_text("")
    (tmp_path / "runs").mkdir()
    (tmp_path / "photos").mkdir()
    (tmp_path / "runs" / "mnist").symlink_to(run)
    for command in (app[name] for name in app if not name.startswith("-")):
        for line in inspect.cleandoc(command.help or "").splitlines():  # Python 3.13 has cleaned it
            if line.startswith("foveate "):
                app.parse_args(line.split("#")[0].split(">")[0].split()[1:], exit_on_error=False, print_error=False)


def test_the_exit_code_leaves_the_program_and_help_needs_no_torch():
    code = (
        "import sys; sys.argv[1:] = {}; from foveate.cli import main; code = main(); assert 'torch' not in sys.modules"
    )
    for arguments, expected in ((["train", "--help"], 0), (["train", "--epoch", "1"], 2)):
        source = f"{code.format(arguments)}; sys.exit(code)"
        assert subprocess.run([sys.executable, "-c", source], capture_output=True).returncode == expected
    assert subprocess.run([sys.executable, "-m", "foveate", "trian"], capture_output=True).returncode == 2


def test_too_little_memory_is_one_sentence(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    flags = ["--hidden-size", "2000000", "--epochs", "1", "--folder", str(tmp_path / "run")]
    assert main(["train", "digits", *flags]) == 2
    assert capsys.readouterr().err == "foveate: There is not enough memory for that: try smaller sizes or batches.\n"


@pytest.mark.filterwarnings("ignore:.*does not say which images its model was trained on")
def test_the_folder_of_a_model_alone_is_opened_like_a_run(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """By `look` with a picture, by `evaluate` with a source, and by the page."""
    model = tmp_path / "model"
    foveate.save_pretrained(foveate.from_pretrained(run), model)
    Image.new("L", (8, 8), 200).save(tmp_path / "a.png")
    assert main(["look", str(model), str(tmp_path / "a.png"), "--out", str(tmp_path / "looks")]) == 0
    assert "give `--source`" in refused(["evaluate", str(model)], capsys)
    assert load_run(model).config.data.source == ""
    assert main(["evaluate", str(run), "--json"]) == 0
    expected = json.loads(capsys.readouterr().out)["num_errors"]
    for arguments in ([str(model), "--source", "digits"], [str(run / "best")]):
        assert main(["evaluate", *arguments, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["num_errors"] == expected


def test_a_folder_that_holds_neither_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "config.json").write_text('{"training": {"epoch": 3}}')
    assert "Did you mean `epochs`?" in refused(["look", str(tmp_path)], capsys)


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ("--batch-size 0", "`batch_size` should be at least 1. Found `batch_size = 0`."),
        ("--dropout 1", "`dropout` should be at least 0 and below 1. Found `dropout = 1.0`."),
        ("--image-size -1 5", "`image_size` should be at least 0. Found `image_size = (-1, 5)`."),
    ],
)
def test_bounds_are_told_alike_with_and_without_pydantic(option: str, sentence: str):
    """Cyclopts lets pydantic check bounds first where it is imported, which depends on what ran before."""
    for before in ("", "import pydantic; "):
        program = f"{before}from foveate.cli import main; main(['train', *'{option}'.split()])"
        found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
        assert found.stderr == f"foveate: {sentence}\n"


def test_sizes_are_read_where_pydantic_is_imported(asked: list[Config]):
    """Then cyclopts leaves the bounds to pydantic, which knows none of a tuple as a whole."""
    pytest.importorskip("pydantic")
    main(["train", "--source", "./photos", "--image-size", "64"])
    assert asked[0].data.image_size == (64, 64)
