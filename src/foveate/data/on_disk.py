"""`OnDisk`: the `Images` that decodes files as they are read, through a cache of bounded size."""

import collections
import dataclasses
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from foveate.data.picture import Decoder


class Cache:
    """Decoded images by path; the least recently used are dropped where they exceed `limit` bytes."""

    def __init__(self, decode: Decoder, limit: int) -> None:
        self.decode = decode
        self.limit = limit
        self.size = 0
        self._held: collections.OrderedDict[Path, Tensor] = collections.OrderedDict()

    def read(self, paths: list[Path]) -> UInt8[Tensor, "batch channels height width"]:
        """Return the images at `paths`, decoding those that are not held."""
        images = {path: self._held[path] for path in paths if path in self._held}
        missing = [path for path in dict.fromkeys(paths) if path not in images]
        images.update(zip(missing, decode_all(self.decode, missing), strict=True))
        for path in images:
            self._keep(path, images[path])
        return torch.stack([images[path] for path in paths])

    def _keep(self, path: Path, image: Tensor) -> None:
        """Hold one image as the most recently used."""
        if path not in self._held:
            self._held[path] = image
            self.size += image.nbytes
        self._held.move_to_end(path)
        while self.size > self.limit:
            _, dropped = self._held.popitem(last=False)
            self.size -= dropped.nbytes


def decode_all(decode: Decoder, paths: list[Path]) -> list[Tensor]:
    """Return the images at `paths`, decoded in threads (pillow lets go of Python's lock)."""
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        return list(pool.map(decode, paths))


@dataclasses.dataclass(frozen=True)
class OnDisk:
    """The `Images` of a set that is too large for the memory: decoded as it is read."""

    paths: tuple[Path, ...]
    label: Int64[Tensor, " n"]
    cache: Cache

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of every image."""
        return self.cache.decode.shape

    def __len__(self) -> int:
        return len(self.paths)

    def read(self, index: Int64[Tensor, " batch"]) -> UInt8[Tensor, "batch channels height width"]:
        """Return the images at `index`, on the device of the labels."""
        return self.cache.read([self.paths[i] for i in index.tolist()]).to(self.label.device)

    def to(self, device: torch.device | str) -> "OnDisk":
        """Return the same images, delivered on `device`; the cache stays where it is and is shared."""
        return dataclasses.replace(self, label=self.label.to(device))

    def __add__(self, other: "OnDisk") -> "OnDisk":
        """Return these images and then the others, which share the cache."""
        return OnDisk(self.paths + other.paths, torch.cat([self.label, other.label]), self.cache)
