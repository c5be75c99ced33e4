"""`foveate look`: what a model answers to an image, and a picture of where it looked and what it saw."""

import sys
import warnings
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from foveate.cli.opened import open_run
from foveate.cli.output import MOVING, check_writable, is_picture_name, picture_paths

if TYPE_CHECKING:
    from collections.abc import Callable

    from foveate.training.load import LoadedRun
    from foveate.viewing.record import Look

Resize = Annotated[Literal["pad", "crop", "stretch", "refuse", "native"] | None, Parameter(show_default=False)]
NUM_TEST_IMAGES = 6  # where no image is given
NUM_CLASSES = 3  # printed, the most probable ones
NUM_NAMED = 3  # pictures in a warning
SOME_FAILED = 1  # exit codes
ALL_FAILED = 2


@dataclass(frozen=True)
class Answers:
    """Looks at the images that could be read, and what was wrong with the others."""

    looks: "list[Look]" = field(default_factory=list)
    paths: list[Path] = field(default_factory=list)
    """The file of each look; empty for images of the test set."""
    failures: dict[Path, str] = field(default_factory=dict)


def look(
    run: Path,
    /,
    *image: Path,
    out: Annotated[Path | None, Parameter(show_default=False)] = None,
    num_glimpses: Annotated[int | None, Parameter(show_default=False)] = None,
    stop: Annotated[float | Literal["auto"] | None, Parameter(show_default=False)] = None,
    policy: Annotated[Literal["mean", "sampled"] | None, Parameter(show_default=False)] = None,
    ink: Literal["auto", "light", "dark"] = "auto",
    resize: Annotated[
        Literal["pad", "crop", "stretch", "refuse", "native"] | None, Parameter(show_default=False)
    ] = None,
    device: str = "auto",
    animate: Annotated[bool, Parameter(negative=(), show_default=False)] = False,
    json: Annotated[bool, Parameter(negative=(), show_default=False)] = False,
) -> int:
    """Show where a model looks: the answer, and a picture of every glimpse on the image and as the model sees it.

    foveate look runs/digits                          # at a few of its test images
    foveate look runs/digits picture.png
    foveate look runs/digits pictures/*.png --out looks
    foveate look runs/digits a.png b.png --out both.png --json
    foveate look runs/digits picture.png --stop 0.9   # as many glimpses as it needs to be sure
    foveate look runs/digits picture.png --animate    # the box moving, too; --out looks.gif for a GIF alone

    Images that cannot be read are named, and the others are answered; the exit code is then 1, or 2 if none is left.

    Parameters
    ----------
    run
        Folder of a run that `foveate train` made, or the name of a model that comes with foveate, such as `digits`.
    image
        Images of any size and format, made ready as in training; the first test images if absent.
    out
        Folder for one picture per image, or a .png file for all; .webp or .gif is an animation of all instead. `looks`
        in the run folder if absent, or in the current folder for a model that comes with foveate.
    num_glimpses
        Glimpses at each image; as many as trained if absent.
    stop
        Probability at which it is sure and takes no more glimpses, such as 0.9; `auto` is the one that
        `foveate evaluate RUN --stop auto` chose.
    policy
        Look where the policy's mean says, or sample; the model's own way if absent.
    ink
        Handwriting, for models of `mnist` and `digits`: ink is `light` on dark, `dark` on light, or `auto`.
    resize
        Fit the whole image with a border (`pad`), by cutting (`crop`) or stretching it, refuse other sizes, or read it
        at its own size, tile by tile (`native`, for images too large to load); as in training if absent.
    device
        `cpu`, `cuda`, `cuda:1`, or `auto` for a GPU where there is one.
    animate
        Write an animation with each picture, as WebP.
    json
        Print a JSON list instead.
    """
    from foveate.viewing.look import look as look_once

    opened = open_run(run, device)
    out = out or opened.desk / "looks"
    _check_out(out, image)
    if stop == "auto":
        from foveate.training.stopping import read_stop

        stop = read_stop(opened.model_folder).stop
    look_at = partial(look_once, opened.model, num_glimpses=num_glimpses, stop=stop, policy=policy)
    if image:
        answers = _look_at_files(image, partial(look_at, resize=resize, ink=ink))
    else:
        answers = Answers(look_at_images(opened, look_at))
    for sentence in answers.failures.values():
        print(f"foveate: {sentence}", file=sys.stderr)
    if not answers.looks:
        return ALL_FAILED
    _print_warnings(answers.looks)
    files = _save(answers, out, animate)
    if json:
        _print_json(answers, files)
    else:
        for i, seen in enumerate(answers.looks):
            print(_answer(seen, str(answers.paths[i]) if answers.paths else f"test image {i}"))
        print("Pictures:", *dict.fromkeys(path for each in files for path in each.values()))
    return SOME_FAILED if answers.failures else 0


def look_at_images(opened: "LoadedRun", look_at: "Callable[..., Look]", split: str = "test") -> "list[Look]":
    """Look at the first few images of a split."""
    import torch

    images = opened.images(split)
    index = torch.arange(min(NUM_TEST_IMAGES, len(images)), device=images.label.device)
    pixels = images.read(index)
    looks = []
    for image, label in zip(pixels, images.label[index].tolist(), strict=True):
        looks.append(look_at(image, label=opened.model.config.classes[label]))
    return looks


def _check_out(out: Path, images: tuple[Path, ...]) -> None:
    """Refuse an output that cannot be written, or that is one of the images."""
    check_writable(out)
    if is_picture_name(out) and out.resolve() in {path.resolve() for path in images}:
        raise ValueError(f"`--out` should be another file than the images. Found `{out}`, which is one of them.")


def _look_at_files(paths: tuple[Path, ...], look_at: "Callable[..., Look]") -> Answers:
    """Look at every file that can be read."""
    from foveate.viewing.look import UnfamiliarPicture

    answers = Answers()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnfamiliarPicture)  # printed once for all images instead
        for path in paths:
            try:
                answers.looks.append(look_at(path))
                answers.paths.append(path)
            except (ValueError, OSError) as error:
                answers.failures[path] = " ".join(str(error).split())
    return answers


def _print_warnings(looks: "list[Look]") -> None:
    """Print every warning once, with the first images that it is about."""
    named: dict[str, list[str]] = {}
    for seen in looks:
        if seen.warning:
            named.setdefault(seen.warning, []).append(f"`{seen.name}`")
    for warning, names in named.items():
        others = f" and {len(names) - NUM_NAMED} more" if len(names) > NUM_NAMED else ""
        print(f"Warning: {', '.join(names[:NUM_NAMED])}{others}: {warning}", file=sys.stderr)


def _save(answers: Answers, out: Path, animate: bool) -> list[dict[str, Path]]:
    """Draw each look, into its own file in a folder or all into one; the paths of `picture` and `animation`."""
    looks = answers.looks
    if is_picture_name(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        return [_draw(looks, out, animate)] * len(looks)
    out.mkdir(parents=True, exist_ok=True)
    names = [seen.name or f"test-{i}" for i, seen in enumerate(looks)]
    paths = picture_paths(names, out, answers.paths)
    return [_draw([seen], path, animate) for seen, path in zip(looks, paths, strict=True)]


def _draw(looks: "list[Look]", path: Path, animate: bool) -> dict[str, Path]:
    """Draw looks into one picture, and into one animation if the name or `animate` asks for it."""
    from foveate.storage.files import aside
    from foveate.viewing.animation import save_animation
    from foveate.viewing.scanpath import plot_looks

    files = {}
    is_animation = path.suffix.lower() in MOVING
    if not is_animation:
        files["picture"] = path
        with aside(path) as temporary:
            plot_looks(looks).savefig(temporary)
    if is_animation or animate:
        files["animation"] = path if is_animation else path.with_suffix(".webp")
        with aside(files["animation"]) as temporary:
            save_animation(looks, temporary)
    return files


def _answer(seen: "Look", name: str) -> str:
    """The most probable classes with their probabilities."""
    pairs = zip(seen.probabilities[-1].tolist(), seen.classes, strict=True)
    best = sorted(pairs, reverse=True)[:NUM_CLASSES]
    words = ", ".join(f"{name} {probability:.1%}" for probability, name in best)
    line = f"{name}: {words}" + (f" (it is {seen.label})" if seen.label else "")
    if seen.stopping:
        line += f"\n  {seen.stopping}"
        for number, (answer, probability) in enumerate(seen.answers[:-1]):
            line += f"{', ' if number else '; answers before: '}{answer} {probability:.1%}"
    return line


def _print_json(answers: Answers, files: list[dict[str, Path]]) -> None:
    """Print every look, then every failure, as a JSON list."""
    import json

    entries: list[dict[str, object]] = []
    for i, seen in enumerate(answers.looks):
        drawn = {kind: str(path) for kind, path in files[i].items()}
        path = str(answers.paths[i]) if answers.paths else None
        entries.append({"path": path, **seen.to_dict(), **drawn})
    for path, sentence in answers.failures.items():
        entries.append({"path": str(path), "error": sentence})
    print(json.dumps(entries, indent=2))
