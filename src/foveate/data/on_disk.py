"""Images that are decoded when they are read, with a cache of bounded size."""

import collections
import dataclasses
import math
from pathlib import Path

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from foveate.data.budget import map_in_threads
from foveate.data.picture import Decoder


class Cache:
    """Least recently used cache of decoded images, of at most `limit` bytes."""

    def __init__(self, decode: Decoder, limit: int) -> None:
        self.decode = decode
        self.limit = limit
        self.size = 0
        self._held: collections.OrderedDict[Path, Tensor] = collections.OrderedDict()

    def read(self, paths: list[Path]) -> UInt8[Tensor, "batch channels height width"]:
        """Return the images at `paths`, decoding those that are not cached."""
        images = {path: self._held[path] for path in paths if path in self._held}
        missing = [path for path in dict.fromkeys(paths) if path not in images]
        images.update(zip(missing, map_in_threads(self.decode, missing), strict=True))
        for path in images:
            self._keep(path, images[path])
        return torch.stack([images[path] for path in paths])

    def add(self, path: Path, image: Tensor | None) -> None:
        """Cache an image that is already decoded, if there is one and room for it."""
        if image is not None and self.size + math.prod(self.decode.shape) <= self.limit:
            self._keep(path, image.expand(self.decode.shape).contiguous())

    def _keep(self, path: Path, image: Tensor) -> None:
        """Cache one image as the most recently used."""
        if path not in self._held:
            self._held[path] = image
            self.size += image.nbytes
        self._held.move_to_end(path)
        while self.size > self.limit:
            _, dropped = self._held.popitem(last=False)
            self.size -= dropped.nbytes


@dataclasses.dataclass(frozen=True)
class OnDisk:
    """`Images` of a set that does not fit in memory, decoded when they are read."""

    paths: tuple[Path, ...]
    label: Int64[Tensor, " n"]
    cache: Cache

    @property
    def names(self) -> tuple[str, ...]:
        """File of each image."""
        return tuple(map(str, self.paths))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of each image."""
        return self.cache.decode.shape

    def __len__(self) -> int:
        return len(self.paths)

    def read(self, index: Int64[Tensor, " batch"]) -> UInt8[Tensor, "batch channels height width"]:
        """Return the images at `index`, on the device of the labels."""
        return self.cache.read([self.paths[i] for i in index.tolist()]).to(self.label.device)

    def to(self, device: torch.device | str) -> "OnDisk":
        """Return the same images, read onto `device`; they share one cache."""
        return dataclasses.replace(self, label=self.label.to(device))

    def __add__(self, other: "OnDisk") -> "OnDisk":
        """Return these images followed by others with the same cache."""
        return OnDisk(self.paths + other.paths, torch.cat([self.label, other.label]), self.cache)
