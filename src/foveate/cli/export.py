"""`foveate export`: a model as one file, ONNX or of `torch.export`, that runs without this package."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from foveate.cli.opened import open_run
from foveate.cli.output import check_writable


def export(
    run: Path, file: Path, /, *, num_glimpses: Annotated[int | None, Parameter(show_default=False)] = None
) -> None:
    """Write a run's best model as one file that runs without foveate.

    foveate export runs/digits digits.onnx
    foveate export digits digits.pt2         # for `torch.export.load`

    The file takes a batch of images as bytes, of any number, and gives the probabilities of the classes after each
    glimpse and the location of each, under the mean policy. Classes and sizes are in its metadata.

    Parameters
    ----------
    run
        Folder of a run that `foveate train` made, or the name of a model that comes with foveate, such as `digits`.
    file
        File to write: .onnx, which needs the extra `export`, or .pt2.
    num_glimpses
        Glimpses at each image; as many as trained if absent.
    """
    from foveate.training.export import export as write

    opened = open_run(run, "cpu")
    check_writable(file, "FILE")
    try:
        path = write(opened.model, file, num_glimpses=num_glimpses)
    except ModuleNotFoundError as error:
        raise ValueError(str(error)) from None
    channels, height, width = opened.model.config.image
    print(
        f"{path}: {path.stat().st_size / 1e6:.1f} MB; takes bytes (batch, {channels}, {height}, {width}), gives "
        f"probabilities and locations after each glimpse."
    )
