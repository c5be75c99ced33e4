"""`foveate look`: what a model answers to an image, and a picture of where it looked and what it saw."""

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from foveate.cli.opened import Opened, open_run

if TYPE_CHECKING:
    from collections.abc import Callable

    from foveate.viewing.look import Look

SHOWN = 6  # test images, where none is given
LIKELIEST = 3  # classes printed
LISTED = 3  # pictures named in a warning


def look(
    run: Path,
    /,
    *image: Path,
    out: Annotated[Path | None, Parameter(show_default=False)] = None,
    num_glimpses: Annotated[int | None, Parameter(show_default=False)] = None,
    policy: Annotated[Literal["mean", "sampled"] | None, Parameter(show_default=False)] = None,
    resize: Literal["pad", "crop", "stretch", "refuse"] = "pad",
    device: str = "auto",
    animate: Annotated[bool, Parameter(negative=(), show_default=False)] = False,
    json: Annotated[bool, Parameter(negative=(), show_default=False)] = False,
) -> None:
    """Show where a model looks: the answer, and a picture of every glimpse on the image and as the model sees it.

    foveate look runs/digits                          # at a few of its test images
    foveate look runs/digits picture.png
    foveate look runs/digits pictures/*.png --out looks
    foveate look runs/digits a.png b.png --out both.png --json
    foveate look runs/digits picture.png --animate    # the box moving, too; --out looks.gif for a GIF alone

    Parameters
    ----------
    run
        Folder of a run that `foveate train` made, or the name of a model that comes with foveate, such as `digits`.
    image
        Images of any size and format, fitted to the model's size; the first test images if absent.
    out
        Folder for one picture per image, or a .png file for all; .webp or .gif is an animation of all instead. `looks`
        in the run folder if absent, or where you are if there is none.
    num_glimpses
        Glimpses at each image; as many as trained if absent.
    policy
        Look where the policy's mean says, or sample; the model's own way if absent.
    resize
        How an image of another size is fitted: with a border, cut, stretched, or refused.
    device
        `cpu`, `cuda`, `cuda:1`, or `auto` for a GPU where there is one.
    animate
        Write an animation beside each picture, as WebP.
    json
        Print a JSON list instead.
    """
    from foveate.viewing.look import look as look_once

    opened = open_run(run, device)
    look_at = partial(look_once, opened.model, num_glimpses=num_glimpses, policy=policy)
    looks = [look_at(path, resize=resize) for path in image] or look_at_images(opened, look_at)
    _warn_of_resized(opened, looks)
    files = _save(looks, out or opened.desk / "looks", animate)
    if json:
        _print_json(looks, files)
        return
    for seen in looks:
        print(_answer(seen))
    print("Pictures:", *dict.fromkeys(path for each in files for path in each.values()))


def look_at_images(opened: Opened, look_at: "Callable[..., Look]", split: str = "test") -> "list[Look]":
    """What `look_at` makes of the first few images of a split."""
    import torch

    images, classes = opened.images(split), opened.model.config.classes
    index = torch.arange(min(SHOWN, len(images)), device=images.label.device)
    labels = [classes[label] for label in images.label[index].tolist()]
    pixels = zip(images.read(index), labels, strict=True)
    return [look_at(image, label=label) for image, label in pixels]


def _warn_of_resized(opened: Opened, looks: "list[Look]") -> None:
    """A model of scenes knows digits in one size, which a picture that is resized to a whole scene does not show."""
    data, (height, width) = opened.config.data, opened.model.config.image[1:]
    resized = [seen for seen in looks if seen.zoom != (1.0, 1.0)]
    if not resized or (data.canvas == "centred" and not data.canvas_size):
        return
    named = [f"`{seen.name}` ({seen.original[1]} wide, {seen.original[0]} high)" for seen in resized[:LISTED]]
    others = f" and {len(resized) - LISTED} more" if len(resized) > LISTED else ""
    print(
        f"Warning: This model knows images in their own size, somewhere on a black canvas {width} wide and {height} "
        f"high. Found {', '.join(named)}{others}, which had to be resized: put each on such a canvas first.",
        file=sys.stderr,
    )


def _save(looks: "list[Look]", out: Path, animate: bool) -> list[dict[str, Path]]:
    """Draw each look, in a file each in a folder or in one for all; the paths of its `picture` and its `animation`."""
    if out.suffix:
        out.parent.mkdir(parents=True, exist_ok=True)
        return [_draw(looks, out, animate)] * len(looks)
    out.mkdir(parents=True, exist_ok=True)
    paths: list[Path] = []
    for i, seen in enumerate(looks):
        path = out / f"{Path(seen.name).stem or f'test-{i}'}.png"
        paths.append(path if path not in paths else path.with_stem(f"{path.stem}-{i}"))
    return [_draw([seen], path, animate) for seen, path in zip(looks, paths, strict=True)]


def _draw(looks: "list[Look]", path: Path, animate: bool) -> dict[str, Path]:
    """Draw looks into one picture, and move them in one animation, as the name and `animate` ask for."""
    from foveate.training.files import aside
    from foveate.viewing.animation import FORMATS, save_animation
    from foveate.viewing.scanpath import picture

    moving = path.suffix.lower() in FORMATS
    drawn = {} if moving else {"picture": path}
    if not moving:
        with aside(path) as beside:
            picture(looks).save(beside)
    if moving or animate:
        drawn["animation"] = path if moving else path.with_suffix(".webp")
        with aside(drawn["animation"]) as beside:
            save_animation(looks, beside)
    return drawn


def _answer(seen: "Look") -> str:
    """The likeliest classes with their probabilities."""
    likeliest = sorted(zip(seen.probabilities[-1].tolist(), seen.classes, strict=True), reverse=True)[:LIKELIEST]
    words = ", ".join(f"{name} {probability:.1%}" for probability, name in likeliest)
    return f"{seen.name or 'test image'}: {words}" + (f" (it is {seen.label})" if seen.label else "")


def _print_json(looks: "list[Look]", files: list[dict[str, Path]]) -> None:
    """Every look as a JSON list."""
    import json

    pairs = zip(looks, files, strict=True)
    told = [{**seen.to_dict(), **{kind: str(path) for kind, path in drawn.items()}} for seen, drawn in pairs]
    print(json.dumps(told, indent=2))
