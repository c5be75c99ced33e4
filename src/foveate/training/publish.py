"""`push_to_hub`: publish a model as a repository of the hub, with a card that says what it is and how to use it."""

import hashlib
import os
import tempfile
from pathlib import Path

from torch import nn

from foveate.config import Model
from foveate.storage.files import atomic_write
from foveate.training.evaluate import Evaluation
from foveate.training.hub import import_hub
from foveate.training.pretrained import WEIGHTS, from_pretrained, save_pretrained

CARD = """---
library_name: foveate
pipeline_tag: image-classification
tags: [foveate, glimpse, hard-attention, recurrent-visual-attention, reinforce]
{license}---
# {name}

A recurrent attention model that looks at an image through a small window, {num_glimpses} times, and learned by
REINFORCE where to look next.

```python
import foveate

model = foveate.from_pretrained("{repository}")
seen = foveate.look(model, "picture.png")
print(seen.answer, seen.locations)
```

| | |
|---|---|
| error | {error} |
| input | images of {height}x{width} pixels, {color}; {num_glimpses} glimpses of {glimpse} pixels, {depth} scale(s) |
| classes | {classes} |
| core | {core}, {hidden_size} units |
| weights | {parameters:,} parameters, SHA-256 `{digest}` |
| made by | foveate {version} |

The model knows images like those it was trained on, and answers with one of its classes whatever it is shown.
`config.json` holds its settings.
"""


def push_to_hub(
    model: nn.Module | str | os.PathLike[str],
    repository: str,
    *,
    evaluation: Evaluation | None = None,
    license: str | None = None,
    private: bool | None = None,
    token: str | None = None,
) -> str:
    """Publish a model, or the best one of a run folder, as a repository of the hub, and return the commit's address.

    The repository is created if it is absent. It holds config.json, model.safetensors and a card, README.md, which
    replaces one that was there.

    Args:
        model: a model from `build`, or a folder that `from_pretrained` reads.
        repository: `owner/name`.
        evaluation: measured error for the card, from `evaluate` on test images.
        license: identifier for the card, such as "mit"; none if absent.
        private: make a new repository private; the owner's own default if absent.
        token: of the hub; the one of its login command if absent.

    Raises:
        ModuleNotFoundError: if the extra `hub` is not installed.
        ValueError: if `from_pretrained` would not rebuild the model.

    Example:
        >>> model = from_pretrained("digits")
        >>> push_to_hub(model, "me/digits", license="mit")  # doctest: +SKIP
        'https://.../me/digits/commit/...'
    """
    hub = import_hub()
    if not isinstance(model, nn.Module):
        model = from_pretrained(model)
    with tempfile.TemporaryDirectory() as folder:
        path = save_pretrained(model, folder)
        with atomic_write(path / "README.md") as file:
            file.write(make_card(path, repository, evaluation, license).encode())
        api = hub.HfApi(token=token, library_name="foveate")
        api.create_repo(repository, private=private, exist_ok=True)
        commit = api.upload_folder(repo_id=repository, folder_path=path, commit_message="Publish a model of foveate")
    return str(commit.commit_url)


def make_card(folder: Path, repository: str, evaluation: Evaluation | None = None, license: str | None = None) -> str:
    """The card of the model in a folder, in the hub's format: YAML for its search, then Markdown."""
    from foveate import __version__

    model = from_pretrained(folder)
    config: Model = model.config
    channels, height, width = config.image
    error = "not given"
    if evaluation is not None:
        low, high = evaluation.interval
        error = (
            f"{evaluation.error_rate:.2%} ({evaluation.num_errors:,} of {evaluation.n:,} images wrong; 95 % interval "
            f"{low:.2%} to {high:.2%}; {evaluation.name})"
        )
    return CARD.format(
        name=repository.rpartition("/")[2],
        repository=repository,
        license=f"license: {license}\n" if license else "",
        error=error,
        height=height,
        width=width,
        color={1: "gray", 3: "RGB"}.get(channels, f"{channels} channels"),
        num_glimpses=config.num_glimpses,
        glimpse="x".join(map(str, config.glimpse_size)),
        depth=config.depth,
        classes=", ".join(" ".join(name.split()).replace("|", "\\|") for name in config.classes),
        core=config.core if config.ensemble == 1 else f"ensemble of {config.ensemble}, {config.core}",
        hidden_size=config.hidden_size,
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        digest=hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest(),
        version=__version__,
    )
