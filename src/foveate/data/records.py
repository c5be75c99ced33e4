"""Data sets and their splits: `Dataset`, the protocol `Images` of a split, and `InMemory`."""

import dataclasses
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from foveate.data.split_record import SplitRecord


@runtime_checkable
class Images(Protocol):
    """Labeled images of one shape, read by index onto the device of the labels."""

    @property
    def label(self) -> Int64[Tensor, " n"]:
        """Class of each image, on the device that `read` returns images on."""
        ...

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of each image."""
        ...

    def __len__(self) -> int: ...

    def read(self, index: Int64[Tensor, " batch"]) -> UInt8[Tensor, "batch channels height width"]:
        """Return the images at `index`, which is on the device of the labels."""
        ...

    def to(self, device: torch.device | str) -> "Images":
        """Return the same images, read onto `device`."""
        ...

    def __add__(self, other: Any) -> "Images":
        """Return these images followed by others of the same kind and source."""
        ...


@dataclasses.dataclass(frozen=True)
class InMemory:
    """`Images` held in one uint8 tensor.

    Raises:
        ValueError: if there is not one label, or one name if there are any, for each image.

    Example:
        >>> images = InMemory(torch.zeros(3, 1, 8, 8, dtype=torch.uint8), torch.tensor([0, 1, 0]))
        >>> len(images), images.shape, images.read(torch.tensor([2, 0])).shape
        (3, (1, 8, 8), torch.Size([2, 1, 8, 8]))
    """

    image: UInt8[Tensor, "n channels height width"]
    label: Int64[Tensor, " m"]
    names: tuple[str, ...] = ()
    """File of each image; empty for images without files."""

    def __post_init__(self) -> None:
        if len(self.image) != len(self.label):
            raise ValueError(
                f"There should be one label for each image. Found {len(self.label)} for {len(self.image)} images."
            )
        if self.names and len(self.names) != len(self.image):
            raise ValueError(f"There should be a name for each of {len(self.image)} images. Found {len(self.names)}.")

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of each image."""
        _, channels, height, width = self.image.shape
        return channels, height, width

    def __len__(self) -> int:
        return len(self.label)

    def read(self, index: Int64[Tensor, " batch"]) -> UInt8[Tensor, "batch channels height width"]:
        """Return the images at `index`."""
        return self.image.index_select(0, index)

    def to(self, device: torch.device | str) -> "InMemory":
        """Return the same images on `device`."""
        return InMemory(self.image.to(device), self.label.to(device), self.names)

    def __add__(self, other: "InMemory") -> "InMemory":
        """Return these images followed by the others."""
        image = torch.cat([self.image, other.image])
        label = torch.cat([self.label, other.label])
        return InMemory(image, label, self.names + other.names)


@dataclasses.dataclass(frozen=True)
class Dataset:
    """A data set: its name, the names of its classes, and its three splits."""

    name: str
    classes: tuple[str, ...]
    train: Images
    validation: Images
    test: Images
    record: SplitRecord | None = None
    """The split of each image, by content."""

    def to(self, device: torch.device | str) -> "Dataset":
        """Return the same data set, read onto `device`."""
        splits = {name: getattr(self, name).to(device) for name in ("train", "validation", "test")}
        return dataclasses.replace(self, **splits)
