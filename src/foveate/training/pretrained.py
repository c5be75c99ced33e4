"""A model as a folder: config.json and model.safetensors, the layout of the hubs. No pickle, nothing executed."""

import os
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from foveate.config import Config, Model
from foveate.data.home import usable_path
from foveate.settings import MAX_FILE_SIZE, from_json, to_json
from foveate.storage.files import atomic_write, make_folder, sync_folder
from foveate.training.build import Attention, build
from foveate.training.hub import locate

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
WRAPPERS = ("_orig_mod", "module")  # where torch.compile, and DDP, DataParallel and AveragedModel keep what they wrap


def save_pretrained(model: nn.Module, folder: str | os.PathLike[str]) -> Path:
    """Write a model as a folder that `from_pretrained` rebuilds exactly.

    The wrappers of `torch.compile`, `DistributedDataParallel` and `AveragedModel` are taken off, and
    parametrizations are evaluated. Each file replaces its predecessor atomically: the folder never holds half a model,
    nor halves of two.

    Raises:
        ValueError: if `from_pretrained` would not rebuild the model, because it has other parts than its config says,
            or its weights are not finite.

    Example:
        >>> import tempfile
        >>> model = build(Model(image=(1, 28, 28), classes=("cat", "dog")))
        >>> folder = save_pretrained(model, tempfile.mkdtemp())
        >>> sorted(file.name for file in folder.iterdir())
        ['config.json', 'model.safetensors']
    """
    from safetensors.torch import save

    model = unwrap(model)
    settings = getattr(model, "config", None)
    if not isinstance(settings, Model):
        raise ValueError(f"`model` should be one that `build` made. Found a `{type(model).__name__}`.")
    config = to_json(settings).encode()
    weights = collect_weights(model, settings)
    folder = usable_path(folder)
    make_folder(folder)
    if not (folder / CONFIG).is_file() or (folder / CONFIG).read_bytes() != config:
        (folder / WEIGHTS).unlink(missing_ok=True)  # they belong to another config
        sync_folder(folder)
        with atomic_write(folder / CONFIG) as file:
            file.write(config)
    with atomic_write(folder / WEIGHTS) as file:
        file.write(save(weights))
    return folder


def from_pretrained(
    model: str | os.PathLike[str], device: torch.device | str = "cpu", *, revision: str | None = None
) -> Attention:
    """Rebuild a model exactly, in evaluation mode.

    Args:
        model: the folder of a model or of a run (its best model), or else one of `list_models()`, or else a repository
            of the hub, `owner/name` (extra `hub`).
        device: of the model.
        revision: branch, tag or commit of the repository.

    Raises:
        FileNotFoundError: if there is no model.
        ValueError: if the weights are damaged or belong to another config.

    Example:
        >>> import tempfile
        >>> model = build(Model(image=(1, 28, 28), classes=("cat", "dog")))
        >>> copy = from_pretrained(save_pretrained(model, tempfile.mkdtemp()))
        >>> copy.config == model.config
        True
        >>> from_pretrained("digits").config.classes
        ('0', '1', '2', '3', '4', '5', '6', '7', '8', '9')
    """
    folder = locate(model, revision)
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
    with torch.device("meta"):  # without drawing parameters, which would move the global random state
        attention = build(config)
    attention.to_empty(device=device)
    attention.load_state_dict(weights)
    return attention.eval()


def _read_config(path: Path) -> Model:
    """The settings of a model, from a file of their own or as a section of a run's."""
    if path.stat().st_size > MAX_FILE_SIZE:
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
    """The tensors of a file, if it holds exactly the tensors of the model."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        weights = load(path.read_bytes())  # `load_file` takes no path that is not UTF-8
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


def unwrap(module: nn.Module) -> nn.Module:
    """The module inside all wrappers.

    Example:
        >>> inner = nn.Linear(2, 3)
        >>> unwrap(nn.DataParallel(inner)) is inner
        True
    """
    for name in WRAPPERS:
        inner = module._modules.get(name)
        if inner is not None:
            return unwrap(inner)
    return module


def collect_weights(model: nn.Module, config: Model) -> dict[str, Tensor]:
    """Copies on the CPU of the tensors that a model built from `config` has.

    Raises:
        ValueError: if `model` has other parts or shapes than such a model, or `config` could not be read back.
    """
    if from_json(to_json(config), Model) != config:
        raise ValueError("The model's config should be the same when it is read back. Found another.")
    with torch.device("meta"):
        outline = build(config)
    for name, part in outline.named_modules():
        _check_type(name, part, _find(model, name))
    weights = {}
    for name, wanted in outline.state_dict().items():
        owner, _, leaf = name.rpartition(".")
        tensor = getattr(_find(model, owner), leaf, None)
        if not isinstance(tensor, Tensor) or tensor.shape != wanted.shape:
            found = tuple(tensor.shape) if isinstance(tensor, Tensor) else "none"
            raise ValueError(f"`{name}` should be of shape {tuple(wanted.shape)}, as in the config. Found {found}.")
        if tensor.is_meta:
            raise ValueError(f"`{name}` should hold numbers. Found a tensor on the meta device.")
        broken = tensor.numel() - int(tensor.isfinite().sum())
        if broken:
            raise ValueError(f"`{name}` should be finite. Found {broken:,} of {tensor.numel():,} numbers that are not.")
        weights[name] = tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
    for name in model.state_dict():
        if _plain(name) not in weights and ".parametrizations." not in name:
            raise ValueError(f"`model` should have the weights that its config names. Found `{name}` too.")
    return weights


def _plain(name: str) -> str:
    """The name of a tensor without the names of wrappers."""
    return ".".join(part for part in name.split(".") if part not in WRAPPERS)


def _find(model: nn.Module, name: str) -> nn.Module | None:
    """The part of that name inside its wrappers, or None."""
    part: nn.Module | None = model
    for word in filter(None, name.split(".")):
        part = part._modules.get(word) if part is not None else None
        part = unwrap(part) if part is not None else None
    return part


def _check_type(name: str, wanted: nn.Module, part: nn.Module | None) -> None:
    """Refuse a part of another class: it computes something else."""
    found = parametrize.type_before_parametrizations(part) if part is not None else None
    if found is not type(wanted):
        raise ValueError(
            f"`{name or 'model'}` should be a `{type(wanted).__name__}`, as the config says. "
            f"Found {_class_name(found)}: `from_pretrained` would not rebuild it."
        )


def _class_name(kind: type[nn.Module] | None) -> str:
    """A class by its full name: a quantized `Linear` is another one than PyTorch's own."""
    return "none" if kind is None else f"`{kind.__module__}.{kind.__qualname__}`"
