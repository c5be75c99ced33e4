"""`export`: a model as one file that runs without this package, as ONNX or as a program of `torch.export`."""

import io
import json
import logging
import warnings
from dataclasses import replace
from pathlib import Path

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from foveate.data.home import usable_path
from foveate.recurrent.inference import eval_view
from foveate.settings import to_json
from foveate.storage.files import atomic_write
from foveate.training.build import Attention
from foveate.training.prepare import inner_size

OUTPUTS = ("probabilities", "locations")


class Answers(nn.Module):
    """What an exported model computes: the answers and locations of its mean policy, from bytes."""

    def __init__(self, model: Attention, num_glimpses: int) -> None:
        super().__init__()
        self.model = model
        self.num_glimpses = num_glimpses

    def forward(
        self, image: UInt8[Tensor, "batch channels height width"]
    ) -> tuple[Float[Tensor, "time batch classes"], Float[Tensor, "time batch 2"]]:
        """Probabilities of the classes after each glimpse, and the location of each."""
        rollout = self.model(image, num_glimpses=self.num_glimpses, sample=False)
        return rollout.logits.softmax(-1), rollout.locations


def export(model: Attention, file: str | Path, *, num_glimpses: int | None = None) -> Path:
    """Write a model as one file that needs no code of this package: .onnx (extra `export`), or .pt2 for PyTorch.

    The program takes `image`, bytes (batch, channels, height, width) with a batch of any size, and follows the mean
    policy. It returns `probabilities` (time, batch, classes), the answer after each glimpse, and `locations`
    (time, batch, 2). Its metadata hold `classes`, `image` (channels, height, width), `num_glimpses` and `config`, each
    as JSON: in ONNX as custom metadata, in .pt2 as the extra file metadata.json.

    Convention:
        location is (x, y) in [-1, 1], x right, y down (see `SpatialGlimpse`).

    Raises:
        ModuleNotFoundError: if the extra `export` is not installed.
        ValueError: if the file has another suffix, or the first location is random.

    Example:
        >>> import tempfile
        >>> from foveate import build, config
        >>> model = build(config.Model(image=(1, 8, 8), classes=("cat", "dog"), num_glimpses=1, glimpse_size=(4, 4)))
        >>> export(model, tempfile.mkdtemp() + "/model.pt2").name
        'model.pt2'
    """
    path = usable_path(file)
    if path.suffix not in (".onnx", ".pt2"):
        raise ValueError(f"`file` should end with .onnx or .pt2. Found `{path}`.")
    if model.start == "random":
        raise ValueError("`first_glimpse` should be 'learned' or 'center' to be exported. Found 'random'.")
    glimpses = model.num_glimpses if num_glimpses is None else num_glimpses
    program = _trace(model, glimpses)
    facts = {
        "classes": json.dumps(model.config.classes),
        "image": json.dumps(model.config.image),
        "num_glimpses": json.dumps(glimpses),
        "config": to_json(replace(model.config, picture_size=inner_size(model.config))),
    }
    content = _to_onnx(program, facts) if path.suffix == ".onnx" else _to_pt2(program, facts)
    with atomic_write(path) as target:
        target.write(content)
    return path


def _trace(model: Attention, num_glimpses: int) -> torch.export.ExportedProgram:
    """The program of a model on the CPU, for batches of any size."""
    answers = Answers(eval_view(model), num_glimpses).eval()
    device = next(model.parameters()).device
    image = torch.zeros(2, *model.config.image, dtype=torch.uint8, device=device)
    batch = {"image": {0: torch.export.Dim("batch", min=1)}}
    with torch.no_grad():
        return torch.export.export(answers, (image,), dynamic_shapes=batch)


def _to_pt2(program: torch.export.ExportedProgram, facts: dict[str, str]) -> bytes:
    """A program as the file that `torch.export.load` reads."""
    file = io.BytesIO()
    torch.export.save(program, file, extra_files={"metadata.json": json.dumps(facts)})
    return file.getvalue()


def _to_onnx(program: torch.export.ExportedProgram, facts: dict[str, str]) -> bytes:
    """A program as ONNX, weights and metadata inside."""
    try:
        import onnx as onnx
        import onnxscript as onnxscript
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"ONNX needs the extra `export`: pip install 'foveate[export]'. Found no {error.name}.", name=error.name
        ) from None
    logger = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = logger.level
    logger.setLevel(logging.ERROR)  # it warns where torchvision is absent
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about what the exporter itself uses
            converted = torch.onnx.export(
                program,
                dynamo=True,
                external_data=False,
                verbose=False,
                input_names=["image"],
                output_names=list(OUTPUTS),
            )
    finally:
        logger.setLevel(level)
    if converted is None:
        raise RuntimeError("`torch.onnx.export` returned no program.")
    converted.model.metadata_props.update(facts)
    return converted.model_proto.SerializeToString()
