"""`foveate tile`: a picture as tiles in several levels, so that a model reads windows of it without loading it."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from foveate.cli.output import check_writable

MAX_PIXELS = 2**28  # 16,384 x 16,384; a JPEG or PNG is decoded whole


def tile(picture: Path, out: Path, /, *, quality: Annotated[int | None, Parameter(show_default=False)] = None) -> None:
    """Write a picture as a TIFF file of tiles in several levels.

    foveate tile photo.jpg photo.tif
    foveate tile scan.tif tiled.tif --quality 90      # JPEG tiles, about a tenth of the size
    foveate look runs/photos photo.tif --resize native

    A TIFF or Deep Zoom image is read tile by tile, in bounded memory; other pictures are decoded whole. It needs the
    extra `huge`.

    Parameters
    ----------
    picture
        A picture of any format.
    out
        File to write: .tif.
    quality
        Of JPEG tiles, 1 to 100; without loss if absent.
    """
    from rich.console import Console
    from rich.progress import Progress

    from foveate.data.huge import SUFFIXES, open_pyramid
    from foveate.data.picture import has_color, open_picture
    from foveate.data.pyramid import ArrayPyramid
    from foveate.data.tiling import write_pyramid
    from foveate.storage.files import aside

    check_writable(out, "OUT")
    if out.suffix.lower() not in (".tif", ".tiff"):
        raise ValueError(f"`OUT` should end in .tif. Found `{out}`.")
    if out.resolve() == picture.resolve():
        raise ValueError(f"`OUT` should be another file than the picture. Found `{out}` for both.")
    if quality is not None and not 1 <= quality <= 100:
        raise ValueError(f"`--quality` should be from 1 to 100. Found {quality}.")
    try:
        if picture.suffix.lower() in SUFFIXES or not picture.is_file():
            image = open_pyramid(picture)
        else:
            import numpy as np

            decoded = open_picture(picture, MAX_PIXELS)
            gray = not has_color(decoded)
            image = ArrayPyramid(np.asarray(decoded)[..., :1] if gray else np.asarray(decoded), levels=[])
        console = Console()
        bar = Progress(console=console, transient=True, disable=not console.is_terminal)
        task = bar.add_task("tiles", total=None)
        with aside(out) as path, bar:
            sizes = write_pyramid(
                image, path, quality=quality, progress=lambda done, total: bar.update(task, completed=done, total=total)
            )
    except ModuleNotFoundError:
        raise ValueError("`foveate tile` needs tifffile: `pip install 'foveate[huge]'`.") from None
    high, wide = sizes[0]
    print(f"{out}: {wide:,} x {high:,} pixels in {len(sizes)} levels, {out.stat().st_size / 1e6:.1f} MB.")
