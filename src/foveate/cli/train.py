"""`foveate train`: the recipe and the flags make a config, `fit` trains it, and the end says what to try next."""

import os
import re
import shlex
import signal
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Group, Parameter

from foveate.cli.options import DEFAULT_RECIPE, run_folder
from foveate.config import Config, Data, Loss, Model, Training

if TYPE_CHECKING:
    from foveate.training.epoch import Listener
    from foveate.training.fit import Summary

Flag = Annotated[bool, Parameter(negative=(), show_default=False)]
DATA, MODEL, LOSS, TRAINING = (Group.create_ordered(name) for name in ("Data", "Model", "Loss", "Training"))
# What the data fills in has no flag.
FLAGS = re.compile("^(?!image$|classes$)")


def train(
    recipe: str = DEFAULT_RECIPE,
    /,
    *,
    run: Annotated[Path | None, Parameter(show_default=False)] = None,
    resume: Flag = False,
    overwrite: Flag = False,
    tensorboard: Flag = False,
    data: Annotated[Data, Parameter(name="*", group=DATA)] = Data(),  # noqa: B008
    model: Annotated[Model, Parameter(name="*", group=MODEL, parse=FLAGS)] = Model(),  # noqa: B008
    loss: Annotated[Loss, Parameter(name="*", group=LOSS)] = Loss(),  # noqa: B008
    training: Annotated[Training, Parameter(name="*", group=TRAINING)] = Training(),  # noqa: B008
) -> int:
    """Train a model, and keep it with its record in a run folder.

    foveate train                                    # digits, in a minute
    foveate train mnist --num-glimpses 4 --seed 1    # a recipe, and what differs
    foveate train mnist --resume                     # go on where it stopped
    foveate train mine.toml --run runs/mine          # a recipe of your own
    foveate train mnist-quick --source photos --image-size 64 64 --unit-pixels 32

    Flags come before the recipe, and the recipe before the defaults shown here.

    Parameters
    ----------
    recipe
        A name that `foveate recipes` lists, or the path of a .toml file.
    run
        Folder of the run; `runs/` and the recipe's name if absent.
    resume
        Go on with the run in the folder, with its own settings (and the flags given now).
    overwrite
        Replace the run that the folder holds.
    tensorboard
        Write curves, scanpaths and densities of fixations for TensorBoard, into `tensorboard` in the run folder.
    """
    folder = run_folder(recipe, run)
    _check_folder(folder, resume, overwrite)
    from foveate.cli.progress import EpochLines, Several
    from foveate.training.epoch import Listener
    from foveate.training.fit import fit
    from foveate.training.interrupt import Stopped, Terminated
    from foveate.training.launch import rank

    config = Config(data=data, model=model, loss=loss, training=training)
    try:
        with Terminated(), nullcontext(Listener()) if rank() else EpochLines() as lines:
            listener = Several(lines, *_writers(folder, tensorboard and not rank()))
            summary = fit(config, folder, resume=resume, overwrite=overwrite, listener=listener)
    except KeyboardInterrupt as stop:
        if not rank():
            _say_how_to_go_on(folder)
        return 128 + (stop.signal if isinstance(stop, Stopped) else signal.SIGINT)
    if not rank():
        _say_what_came_of_it(summary)
    return 0


def _writers(folder: Path, tensorboard: bool) -> "list[Listener]":
    """What else is to be told how it goes."""
    if not tensorboard:
        return []
    from foveate.viewing.tensorboard import TensorBoard

    return [TensorBoard(folder)]


def _check_folder(folder: Path, resume: bool, overwrite: bool) -> None:
    """Refuse to write over a run, before anything heavy begins."""
    if resume and overwrite:
        raise ValueError("Either `--resume` or `--overwrite` should be given. Found both.")
    if "TORCHELASTIC_RUN_ID" in os.environ:
        return  # the first process may have begun already, or go on where it died: `fit` knows
    if (folder / "config.json").exists() and not (resume or overwrite):
        raise ValueError(
            f"`--run` should be a new folder. Found a run in `{folder}`: "
            "go on with it (`--resume`), replace it (`--overwrite`), or choose another (`--run FOLDER`)."
        )


def _say_how_to_go_on(folder: Path) -> None:
    """What a stopped run has kept: all, unless a second Ctrl-C came before that was saved."""
    if (folder / "config.json").exists():
        print("\nStopped; what is done is kept. Go on with:")
        print(f"  foveate train --run {shlex.quote(str(folder))} --resume")
    else:
        print("\nStopped before the first step; nothing is kept.")


def _say_what_came_of_it(summary: "Summary") -> None:
    """The result, where it is, and what to try next."""
    from foveate.cli.evaluate import sentence

    folder, progress = summary.folder, summary.progress
    print(f"\n{sentence(summary.result, summary.config.training.evaluate_on)}")
    if summary.config.data.train_on == "all":
        print(f"Model of the last of {progress.epoch} epochs; the validation images were trained on too.")
    else:
        print(f"Best of {progress.epoch} epochs by validation error: epoch {progress.best_epoch}.")
    print(f"Run folder: {folder}")
    print(f"Where it looks: {_picture(folder)}")
    _say_what_to_try(folder)


def _say_what_to_try(folder: Path | str) -> None:
    """A few commands that go on from here."""
    folder = shlex.quote(str(folder))
    commands = {
        f"foveate evaluate {folder}": "what it mistakes for what",
        f"foveate evaluate {folder} --num-glimpses 2": "with two glimpses",
        f"foveate look {folder} PICTURE.png": "where it looks on a picture of yours",
        "foveate recipes": "what else can be trained",
    }
    width = max(map(len, commands))
    print("\nTry next:", *(f"  {command:{width}}  # {why}" for command, why in commands.items()), sep="\n")


def _picture(folder: Path) -> Path:
    """A picture of scanpaths over images of the split that it is evaluated on, made and kept in the run folder."""
    from foveate.cli.look import look_at_images
    from foveate.cli.opened import open_run
    from foveate.training.files import aside
    from foveate.viewing.look import look
    from foveate.viewing.scanpath import picture

    opened, path = open_run(folder), folder / "scanpaths.png"
    split = opened.config.training.evaluate_on
    with aside(path) as beside:
        picture(look_at_images(opened, partial(look, opened.model), split)).save(beside)
    return path
