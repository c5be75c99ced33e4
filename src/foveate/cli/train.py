"""`foveate train`: build a config from recipe and flags, train it with `fit`, and suggest what to try next."""

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
    from foveate.training.epoch import Callback
    from foveate.training.fit import Summary

AT_CHANCE = """\
That is chance: always answering the most frequent class would do as well. Either nothing was learned, or the test has
too few images to tell. Try more epochs, a third of the learning rate (`--learning-rate`) or larger glimpses
(`--glimpse-size`, `--depth`), and look at the pictures in `scanpaths.png`."""
Flag = Annotated[bool, Parameter(negative=(), show_default=False)]
DATA, MODEL, LOSS, TRAINING = (Group.create_ordered(name) for name in ("Data", "Model", "Loss", "Training"))
# Settings that the data fills in have no flag.
FLAGS = re.compile("^(?!image$|classes$|picture_size$|picture_resize$|handwriting$|image_mean$|image_std$)")


def train(
    recipe: str = DEFAULT_RECIPE,
    /,
    *,
    folder: Annotated[Path | None, Parameter(name=["--folder", "-o"], show_default=False)] = None,
    resume: Flag = False,
    overwrite: Flag = False,
    tensorboard: Flag = False,
    data: Annotated[Data, Parameter(name="*", group=DATA)] = Data(),  # noqa: B008
    model: Annotated[Model, Parameter(name="*", group=MODEL, parse=FLAGS)] = Model(),  # noqa: B008
    loss: Annotated[Loss, Parameter(name="*", group=LOSS)] = Loss(),  # noqa: B008
    training: Annotated[Training, Parameter(name="*", group=TRAINING)] = Training(),  # noqa: B008
) -> int:
    """Train a model, and keep it with its metrics in a run folder.

    foveate train                                    # digits, in a minute
    foveate train mnist --num-glimpses 4 --seed 1    # a recipe with changes
    foveate train mnist --resume                     # go on where it stopped
    foveate train mine.toml --folder runs/mine       # a recipe of your own
    foveate train photos/                            # your own images

    Flags override the recipe, and the recipe overrides the defaults below.

    Parameters
    ----------
    recipe
        Name that `foveate recipes` lists, .toml file, or folder of images.
    folder
        Run folder; `runs/` and the recipe's name if not given.
    resume
        Go on with the run in the folder.
    overwrite
        Replace the run in the folder.
    tensorboard
        Write curves and pictures for TensorBoard.
    """
    folder = run_folder(recipe, folder)
    _check_folder(folder, resume, overwrite)
    from foveate.cli.progress import CallbackList, EpochLines
    from foveate.training.distributed import rank
    from foveate.training.epoch import Callback
    from foveate.training.fit import fit
    from foveate.training.signals import SigtermInterrupt, Stopped

    config = Config(data=data, model=model, loss=loss, training=training)
    try:
        with SigtermInterrupt(), nullcontext(Callback()) if rank() else EpochLines() as lines:
            listener = CallbackList(lines, *_writers(folder, tensorboard and not rank()))
            summary = fit(config, folder, resume=resume, overwrite=overwrite, listener=listener)
    except KeyboardInterrupt as stop:
        if not rank():
            _print_how_to_continue(folder)
        return 128 + (stop.signal if isinstance(stop, Stopped) else signal.SIGINT)
    if not rank():
        _print_result(summary)
    return 0


def _writers(folder: Path, tensorboard: bool) -> "list[Callback]":
    """Further callbacks."""
    if not tensorboard:
        return []
    from foveate.viewing.tensorboard import TensorBoard

    return [TensorBoard(folder)]


def _check_folder(folder: Path, resume: bool, overwrite: bool) -> None:
    """Refuse to overwrite a run, before any heavy import."""
    if resume and overwrite:
        raise ValueError("Either `--resume` or `--overwrite` should be given. Found both.")
    if "TORCHELASTIC_RUN_ID" in os.environ:
        return  # another process may have started the run already; `fit` checks it
    if (folder / "config.json").exists() and not (resume or overwrite):
        raise ValueError(
            f"`--folder` should be a new folder. Found a run in `{folder}`: "
            "go on with it (`--resume`), replace it (`--overwrite`), or choose another (`--folder FOLDER`)."
        )


def _print_how_to_continue(folder: Path) -> None:
    """Print how to continue; a second Ctrl-C may have ended the run before anything was saved."""
    if (folder / "config.json").exists():
        print("\nStopped; what is done is kept. Go on with:")
        print(f"  foveate train --folder {shlex.quote(str(folder))} --resume")
    else:
        print("\nStopped before the first step; nothing was saved.")


def _print_result(summary: "Summary") -> None:
    """Print the result, where it is, and what to try next."""
    from foveate.cli.evaluate import sentence

    folder, progress = summary.folder, summary.progress
    print(f"\n{sentence(summary.result, summary.config.training.evaluate_on)}")
    print(f"Best of {progress.epoch} epochs by validation error: epoch {progress.best_epoch}.")
    print(f"Run folder: {folder}")
    print(f"Where it looks: {_picture(folder)}")
    if summary.result.at_chance:
        print(f"\n{AT_CHANCE}")
    else:
        _print_what_to_try(folder)


def _print_what_to_try(folder: Path | str) -> None:
    """Print a few commands to try next."""
    folder = shlex.quote(str(folder))
    commands = {
        f"foveate evaluate {folder}": "test error and confusions",
        f"foveate evaluate {folder} --num-glimpses 2": "with two glimpses",
        f"foveate look {folder} PICTURE.png": "where it looks on your picture",
        "foveate recipes": "everything that can be trained",
    }
    width = max(map(len, commands))
    print("\nTry next:", *(f"  {command:{width}}  # {why}" for command, why in commands.items()), sep="\n")


def _picture(folder: Path) -> Path:
    """Draw scanpaths on images of the evaluated split into the run folder."""
    from foveate.cli.look import look_at_images
    from foveate.cli.opened import open_run
    from foveate.storage.files import aside
    from foveate.viewing.look import look
    from foveate.viewing.scanpath import plot_looks

    opened, path = open_run(folder), folder / "scanpaths.png"
    split = opened.config.training.evaluate_on
    with aside(path) as beside:
        plot_looks(look_at_images(opened, partial(look, opened.model), split)).savefig(beside)
    return path
