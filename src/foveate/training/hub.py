"""Repositories of the Hugging Face hub: download a model from one, and publish a folder as one. Extra: `hub`."""

import os
import re
from pathlib import Path
from types import ModuleType

from foveate.data.home import usable_path
from foveate.weights import find, list_models

REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
FILES = ["config.json", "model.safetensors", "stop.json", "README.md"]  # of a model; nothing else is downloaded


def locate(model: str | os.PathLike[str], revision: str | None = None) -> Path:
    """The folder of a model: at that path, or of that name in the package, or else a download of `owner/name`.

    A repository that was downloaded before is taken from the cache if the hub has nothing newer or cannot be reached.

    Raises:
        FileNotFoundError: if there is no such folder, name or repository.
        ValueError: if `revision` is given for a model that is not of the hub.
    """
    usable_path(model)
    is_repository = REPOSITORY.fullmatch(str(model)) is not None and not Path(model).exists()
    if is_repository:
        return _download(str(model), revision)
    if revision is not None:
        raise ValueError(f"`revision` should go with a repository of the hub, `owner/name`. Found `{model}`.")
    return find(model)


def _download(repository: str, revision: str | None) -> Path:
    """The files of a model in the hub's cache."""
    neither = (
        f"`{repository}` should be a folder, the name of a model that comes with foveate "
        f"({', '.join(list_models())}), or a repository of the hub."
    )
    try:
        hub = import_hub()
    except ModuleNotFoundError as error:
        raise FileNotFoundError(f"{neither} Found neither of the first two. {error}") from None
    try:
        folder = hub.snapshot_download(repository, revision=revision, allow_patterns=FILES, library_name="foveate")
    except (hub.errors.HfHubHTTPError, hub.errors.LocalEntryNotFoundError) as error:
        reason = " ".join(str(error).split())
        raise FileNotFoundError(f"{neither} Found none of them; the hub says: {reason}") from None
    return Path(folder)


def import_hub() -> ModuleType:
    """The library of the hub.

    Raises:
        ModuleNotFoundError: if the extra `hub` is not installed.
    """
    try:
        import huggingface_hub
        import huggingface_hub.errors
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"The hub needs the extra `hub`: pip install 'foveate[hub]'. Found no {error.name}.", name=error.name
        ) from None
    return huggingface_hub
