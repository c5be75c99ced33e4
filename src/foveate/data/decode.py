"""Decoding of the files of a folder: each once, in threads, at the size of the data set."""

import dataclasses
import statistics
import threading
import warnings
from collections.abc import Sequence

from torch import Tensor

from foveate.data.budget import map_in_threads
from foveate.data.layout import File
from foveate.data.picture import Decoder, has_color, opened, picture_size, upright
from foveate.data.placement import Size
from foveate.data.split_record import first_few

MAX_SURVEYED_SIDE = 256  # pixels


@dataclasses.dataclass
class Decoded:
    """One decoded file."""

    file: File
    height: int
    """Height of the picture in the file; so is the width."""
    width: int
    has_color: bool
    pixels: Tensor | None
    """None if the size is refused or the memory for images is full."""


def decode_files(
    files: list[File], size: Size, *, resize: str, color: str, unreadable: str, limit: int
) -> list[Decoded]:
    """Decode files at `size` (height, width), keeping up to `limit` bytes of pixels; unreadable files may be skipped.

    Raises:
        ValueError: if a file is unreadable and `unreadable` is refuse, if a class has no readable image, or if an image
            has another size and `resize` is refuse.
    """
    reader = _Reader(size, resize, color, limit)
    decoded = []
    broken = []
    for file, result in zip(files, map_in_threads(reader, files), strict=True):
        if isinstance(result, Decoded):
            decoded.append(result)
        else:
            broken.append(f"`{file.path}` ({result})")
    if broken:
        _handle_broken(broken, unreadable, empty={file.label for file in files} - {one.file.label for one in decoded})
    if resize == "refuse":
        _check_sizes(decoded, size)
    return decoded


def survey_size(files: list[File], resize: str) -> Size:
    """Return the size to read files at: of the first readable one if `resize` is refuse, else from the median.

    The median height and width of all files are reduced to at most 256 pixels on the larger side.
    """
    sizes = []
    for file in files:
        try:
            sizes.append(picture_size(file.path))
        except ValueError:
            continue
        if resize == "refuse":
            return sizes[0]
    if not sizes:
        return 1, 1  # no file is readable: decode_files raises
    height = statistics.median_low(size[0] for size in sizes)
    width = statistics.median_low(size[1] for size in sizes)
    share = min(1.0, MAX_SURVEYED_SIDE / max(height, width))
    return max(1, round(height * share)), max(1, round(width * share))


class _Reader:
    """Decodes files, keeping at most `limit` bytes of pixels in total."""

    def __init__(self, size: Size, resize: str, color: str, limit: int) -> None:
        self.size = size
        self.resize = resize
        self.color = color
        self._left = limit
        self._lock = threading.Lock()

    def __call__(self, file: File) -> Decoded | str:
        """Return the decoded file, or the reason why it is unreadable."""
        try:
            with opened(file.path) as lazy:
                picture = upright(lazy)
                color = self.color == "rgb" or (self.color == "auto" and has_color(picture))
                pixels = None
                if self.resize != "refuse" or (picture.height, picture.width) == self.size:
                    pixels = Decoder((3 if color else 1, *self.size), self.resize).convert(picture)
        except ValueError as error:
            return str(error)
        return Decoded(file, picture.height, picture.width, color, self._keep(pixels))

    def _keep(self, pixels: Tensor | None) -> Tensor | None:
        """Return the pixels if they fit in the remaining memory."""
        if pixels is None:
            return None
        with self._lock:
            self._left -= pixels.nbytes
            return pixels if self._left >= 0 else None


def _handle_broken(broken: list[str], unreadable: str, empty: set[str]) -> None:
    """Refuse unreadable files, or warn that they are skipped."""
    sentence = f"Every file of a class should be a readable image. Found {len(broken)} that {are(broken)} not: "
    sentence += first_few(broken)
    if unreadable == "refuse":
        raise ValueError(f"{sentence}. Remove these files, or choose `unreadable = skip`.")
    if empty:
        names = first_few([f"`{name}`" for name in sorted(empty)])
        raise ValueError(f"{sentence}. That leaves no image of {names}: remove the folder, or add images.")
    warnings.warn(f"{sentence}; skipped.", stacklevel=5)


def _check_sizes(decoded: list[Decoded], size: Size) -> None:
    """Refuse images of another size."""
    other = [f"`{one.file.path}` ({one.height} x {one.width})" for one in decoded if (one.height, one.width) != size]
    if other:
        raise ValueError(
            f"Every image should be of {size[0]} x {size[1]} pixels. Found {len(other)} that {are(other)} not: "
            f"{first_few(other)}. Choose `resize = pad`, `crop` or `stretch`, and an `image_size`."
        )


def are(things: Sequence[str]) -> str:
    """Return `is` or `are`, by the number of things."""
    return "is" if len(things) == 1 else "are"
