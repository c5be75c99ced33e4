"""`predict_files`: answers to many pictures, in batches; a picture that cannot be read is named and passed over."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from foveate.data.budget import map_in_threads
from foveate.data.home import usable_path
from foveate.data.intake import as_pyramid
from foveate.data.layout import is_ignored
from foveate.glimpse.pyramids import Pyramids
from foveate.recurrent.inference import eval_view
from foveate.training.build import Attention
from foveate.training.prepare import Prepared, check, prepare

BATCH = 64  # pictures that are read at once
Answer = tuple[tuple[str, ...], tuple[float, ...], int]  # the most probable classes, their probabilities, glimpses


@dataclass(frozen=True)
class FilePrediction:
    """The answer to one picture, or why there is none."""

    path: Path
    classes: tuple[str, ...] = ()
    """The most probable classes, the best first."""
    probabilities: tuple[float, ...] = ()
    num_glimpses: int = 0
    """Glimpses taken."""
    error: str = ""
    """What was found in place of a readable picture."""
    warning: str = ""
    """How the picture is unlike those that the model learned."""


def list_pictures(paths: Iterable[Path]) -> list[Path]:
    """The files named, and those in the folders named, at any depth and in order of their names.

    Hidden files, litter of systems, and notes next to pictures are left out of folders.

    Raises:
        FileNotFoundError: if there is no such file or folder, or a folder holds no file.
    """
    files = []
    for path in map(usable_path, paths):
        if not path.is_dir():
            if not path.exists():
                raise FileNotFoundError(f"`{path}` should be a picture or a folder of pictures. Found no such file.")
            files.append(path)
            continue
        found = sorted(each for each in path.rglob("*") if each.is_file() and not is_ignored(each.relative_to(path)))
        if not found:
            raise FileNotFoundError(f"`{path}` should hold pictures. Found no file in it.")
        files += found
    return files


@torch.no_grad()
def predict_files(
    model: Attention,
    paths: Sequence[Path],
    *,
    num_glimpses: int | None = None,
    stop: float | None = None,
    ink: str = "auto",
    resize: str | None = None,
    top: int = 3,
) -> Iterator[FilePrediction]:
    """Answer pictures in order, each made ready as the training images were; the options are as in `look`.

    Locations are the means of the policy, so that an answer does not depend on the pictures beside it.

    Raises:
        ValueError: if an option is impossible.

    Example:
        >>> import foveate
        >>> found = next(predict_files(foveate.from_pretrained("digits"), [Path("none.png")]))
        >>> found.error
        '`none.png` should be an image. Found no such file.'
    """
    if top < 1:
        raise ValueError(f"`top` should be at least 1. Found `top = {top}`.")
    check(model.config, resize, ink)
    model = eval_view(model)
    device = next(model.parameters()).device
    top = min(top, len(model.config.classes))

    def read(path: Path) -> Prepared | str:
        try:
            return prepare(path, model.config, resize=resize, ink=ink)
        except (ValueError, OSError) as error:
            return _sentence(error)

    def answer(batch: Tensor | Pyramids) -> list[Answer]:
        rollout = model(batch, num_glimpses=num_glimpses, stop=stop, sample=False, every_answer=stop is not None)
        probabilities, index = rollout.final_logits.float().softmax(-1).topk(top)
        taken = rollout.num_glimpses
        counts = [len(rollout.locations)] * len(batch) if taken is None else taken.tolist()
        answers = []
        for labels, best, count in zip(index.tolist(), probabilities.tolist(), counts, strict=True):
            answers.append((tuple(model.config.classes[label] for label in labels), tuple(best), count))
        return answers

    if resize == "native":
        for path in paths:
            try:
                image = as_pyramid(path, model.config.image[0])
                yield FilePrediction(path, *answer(Pyramids([image], device))[0])
            except (ValueError, OSError) as error:  # tiles are decoded while it looks
                yield FilePrediction(path, error=_sentence(error))
        return
    for start in range(0, len(paths), BATCH):
        part = paths[start : start + BATCH]
        ready = map_in_threads(read, part)
        images = [each.image for each in ready if isinstance(each, Prepared)]
        answers = iter(answer(torch.stack(images).to(device)) if images else ())
        for path, each in zip(part, ready, strict=True):
            if isinstance(each, str):
                yield FilePrediction(path, error=each)
            else:
                yield FilePrediction(path, *next(answers), warning=each.warning)


def _sentence(error: Exception) -> str:
    """What is wrong with a file, in one line."""
    return " ".join(str(error).split())
