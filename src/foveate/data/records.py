"""The records that a source hands over: `Images` (a split that can be read by index), `InMemory` and `Dataset`."""

import dataclasses
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor


@runtime_checkable
class Images(Protocol):
    """A split: labelled images of one shape, read by index onto the device of the labels."""

    @property
    def label(self) -> Int64[Tensor, " n"]:
        """The class of every image; its device is where `read` delivers."""
        ...

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of every image."""
        ...

    def __len__(self) -> int: ...

    def read(self, index: Int64[Tensor, " batch"]) -> UInt8[Tensor, "batch channels height width"]:
        """Return the images at `index`, which is on the device of the labels."""
        ...

    def to(self, device: torch.device | str) -> "Images":
        """Return the same images, delivered on `device`."""
        ...

    def __add__(self, other: Any) -> "Images":
        """Return these images and then the others, of the same kind and source."""
        ...


@dataclasses.dataclass(frozen=True)
class InMemory:
    """The `Images` that is one uint8 tensor on a device.

    Raises:
        ValueError: if there is not one label for every image.

    Example:
        >>> images = InMemory(torch.zeros(3, 1, 8, 8, dtype=torch.uint8), torch.tensor([0, 1, 0]))
        >>> len(images), images.shape, images.read(torch.tensor([2, 0])).shape
        (3, (1, 8, 8), torch.Size([2, 1, 8, 8]))
    """

    image: UInt8[Tensor, "n channels height width"]
    label: Int64[Tensor, " m"]

    def __post_init__(self) -> None:
        if len(self.image) != len(self.label):
            raise ValueError(
                f"There should be one label for every image. Found {len(self.label)} for {len(self.image)} images."
            )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of every image."""
        _, channels, height, width = self.image.shape
        return channels, height, width

    def __len__(self) -> int:
        return len(self.label)

    def read(self, index: Int64[Tensor, " batch"]) -> UInt8[Tensor, "batch channels height width"]:
        """Return the images at `index`."""
        return self.image.index_select(0, index)

    def to(self, device: torch.device | str) -> "InMemory":
        """Return the same images on `device`."""
        return InMemory(self.image.to(device), self.label.to(device))

    def __add__(self, other: "InMemory") -> "InMemory":
        """Return these images and then the others."""
        return InMemory(torch.cat([self.image, other.image]), torch.cat([self.label, other.label]))


@dataclasses.dataclass(frozen=True)
class Dataset:
    """A source that is loaded and split: its name, the names of its classes, and three splits."""

    name: str
    classes: tuple[str, ...]
    train: Images
    validation: Images
    test: Images

    def to(self, device: torch.device | str) -> "Dataset":
        """Return the same data set, delivered on `device`."""
        splits = {name: getattr(self, name).to(device) for name in ("train", "validation", "test")}
        return dataclasses.replace(self, **splits)
