"""A model as a folder: config.json and model.safetensors, the layout of the hubs. No pickle, nothing executed."""

import os
from pathlib import Path

import torch

from foveate.config import Config, Model
from foveate.settings import LARGEST, from_json, to_json
from foveate.training.build import Attention, build
from foveate.training.files import make_folder, sync_folder, written_aside
from foveate.weights import find

CONFIG, WEIGHTS = "config.json", "model.safetensors"


def save_pretrained(model: Attention, folder: str | os.PathLike[str]) -> Path:
    """Write a model into `folder`, each file aside first: neither half a model nor halves of two ever stand there.

    Example:
        >>> import tempfile
        >>> model = build(Model(image=(1, 28, 28), classes=("cat", "dog")))
        >>> folder = save_pretrained(model, tempfile.mkdtemp())
        >>> sorted(file.name for file in folder.iterdir())
        ['config.json', 'model.safetensors']
    """
    from safetensors.torch import save

    folder = Path(folder)
    make_folder(folder)
    config, state = to_json(model.config).encode(), model.state_dict()
    if not (folder / CONFIG).is_file() or (folder / CONFIG).read_bytes() != config:
        (folder / WEIGHTS).unlink(missing_ok=True)  # those of another model, or of nobody knows which
        sync_folder(folder)
        with written_aside(folder / CONFIG) as file:
            file.write(config)
    with written_aside(folder / WEIGHTS) as file:
        file.write(save({name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}))
    return folder


def from_pretrained(folder: str | os.PathLike[str], device: torch.device | str = "cpu") -> Attention:
    """Rebuild a model exactly, in evaluation mode.

    `folder` may be a run folder too (its best model), or the name of a model that comes with the package, if there is
    no folder of that name.

    Raises:
        FileNotFoundError: if there is no model.
        ValueError: if the weights are damaged or not those of the config.

    Example:
        >>> import tempfile
        >>> model = build(Model(image=(1, 28, 28), classes=("cat", "dog")))
        >>> copy = from_pretrained(save_pretrained(model, tempfile.mkdtemp()))
        >>> copy.config == model.config
        True
        >>> from_pretrained("digits").config.classes
        ('0', '1', '2', '3', '4', '5', '6', '7', '8', '9')
    """
    folder = find(folder)
    if not (folder / WEIGHTS).is_file() and (folder / "best" / WEIGHTS).is_file():
        folder = folder / "best"
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise FileNotFoundError(
                f"A model's folder should hold `{CONFIG}` and `{WEIGHTS}`. Found no `{folder / name}`."
            )
    try:
        config = _read_config(folder / CONFIG)
        outline = _outline(config)
    except ValueError as error:
        raise ValueError(f"{folder / CONFIG}: {error}") from None
    weights = _read_weights(folder / WEIGHTS, outline)  # first: a config may ask for more memory than there is
    with torch.random.fork_rng(devices=[]):  # the parameters drawn here are replaced: nobody's randomness moves
        model = build(config)
    model.load_state_dict(weights)
    return model.to(device).eval()


def _read_config(path: Path) -> Model:
    """The settings of a model, from a file of their own or as a section of a run's."""
    if path.stat().st_size > LARGEST:
        raise ValueError(f"Settings should be smaller. Found {path.stat().st_size:,} bytes.")
    text = path.read_text(encoding="utf-8")
    try:
        return from_json(text, Config).model
    except ValueError:
        return from_json(text, Model)


def _outline(config: Model) -> dict[str, tuple[int, ...]]:
    """The shapes of a model's tensors, found without any memory for them."""
    try:
        with torch.device("meta"):
            return {name: tuple(tensor.shape) for name, tensor in build(config).state_dict().items()}
    except RuntimeError:  # sizes whose product overflows
        raise ValueError("A model's sizes should be such as fit a machine. Found larger ones.") from None


def _read_weights(path: Path, wanted: dict[str, tuple[int, ...]]) -> dict[str, torch.Tensor]:
    """The tensors of a file, if they are just those of the model."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        weights = load_file(path)
    except SafetensorError as error:
        raise ValueError(f"`{path}` should be a safetensors file. Found a damaged one ({error}).") from None
    found = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    for name in sorted(wanted.keys() | found.keys()):
        if wanted.get(name) != found.get(name):
            raise ValueError(
                f"`{path}` should hold the model of the `{CONFIG}` beside it, where `{name}` is "
                f"{wanted.get(name, 'absent')}. Found {found.get(name, 'none')}."
            )
    return weights
