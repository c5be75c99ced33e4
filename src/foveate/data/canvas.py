"""Scenes: images placed on a canvas in the middle, at random, or at random among distractors.

All arithmetic is on integers, so that a scene has the same pixels on every machine and device.
"""

import dataclasses

import torch
from jaxtyping import UInt8
from torch import Tensor

from foveate.data.augment import Augmentation
from foveate.data.placement import Size, center, draw_clutter, draw_place
from foveate.data.records import Images, InMemory
from foveate.data.render import render

PIECE = 8  # pixels: the side of a distractor, as in DeepMind's data
CHUNK = 1000  # images per draw in `render_fixed`; another number gives other scenes


def centered(
    image: UInt8[Tensor, "batch channels height width"], size: Size
) -> UInt8[Tensor, "batch channels tall wide"]:
    """Place each image in the middle of a black canvas of `size` (height, width) in pixels.

    Raises:
        ValueError: if the image does not fit.

    Example:
        >>> centered(torch.full((1, 1, 1, 1), 255, dtype=torch.uint8), (3, 3))[0, 0].tolist()
        [[0, 0, 0], [0, 255, 0], [0, 0, 0]]
    """
    _check_fit(image, size)
    return render(image, size, center(len(image), _sides(image), size, image.device))


def translated(
    image: UInt8[Tensor, "batch channels height width"], size: Size, generator: torch.Generator
) -> UInt8[Tensor, "batch channels tall wide"]:
    """Place each image at a uniformly random position, entirely inside a black canvas of `size` (height, width).

    Source: Mnih et al., *Recurrent Models of Visual Attention*, NIPS 2014, section 4.1, "Translated MNIST".

    Raises:
        ValueError: if the image does not fit.

    Example:
        >>> image = torch.full((5, 1, 28, 28), 255, dtype=torch.uint8)
        >>> translated(image, (60, 60), torch.Generator().manual_seed(0)).shape
        torch.Size([5, 1, 60, 60])
    """
    _check_fit(image, size)
    return render(image, size, draw_place((len(image),), _sides(image), size, generator))


def cluttered(
    image: UInt8[Tensor, "batch channels height width"],
    size: Size,
    distractors: int,
    pool: UInt8[Tensor, "n channels height width"],
    generator: torch.Generator,
    piece: int = PIECE,
) -> UInt8[Tensor, "batch channels tall wide"]:
    """Place each image as `translated` does, among `distractors` square pieces of `pool`, `piece` pixels wide.

    As in DeepMind's data, each piece is cut from a random image at a random position and added to the canvas at a
    random position, all uniform. The image is added too, and sums saturate at 255. Pieces may overlap the image.

    Source: Mnih et al., NIPS 2014, section 4.1, "Cluttered Translated MNIST"; DeepMind's `mnist-cluttered`.

    Raises:
        ValueError: if the image does not fit, or a piece is larger than an image.

    Example:
        >>> pool = torch.full((5, 1, 28, 28), 255, dtype=torch.uint8)
        >>> cluttered(pool, (60, 60), 4, pool, torch.Generator().manual_seed(0)).shape
        torch.Size([5, 1, 60, 60])
    """
    labels = torch.zeros(len(pool), dtype=torch.int64, device=pool.device)  # the classes of distractors are not used
    return _cluttered(image, size, distractors, InMemory(pool, labels), generator, piece)


def _cluttered(
    image: Tensor, size: Size, distractors: int, pool: Images, generator: torch.Generator, piece: int
) -> Tensor:
    """Return what `cluttered` does, for any `Images`."""
    _check_fit(image, size)
    _check_piece(image, piece)
    place = draw_place((len(image),), _sides(image), size, generator)
    clutter = draw_clutter((len(image), distractors), len(pool), piece, _sides(image), size, generator)
    return render(image, size, place, clutter, pool.read(clutter.source.flatten()))


def _sides(image: Tensor) -> Size:
    """Return the height and width of images."""
    return image.shape[-2], image.shape[-1]


def _check_fit(image: Tensor, size: Size) -> None:
    """Refuse a canvas that is smaller than its images."""
    height, width = _sides(image)
    if size[0] < height or size[1] < width:
        raise ValueError(
            f"A canvas should be at least as large as its images, {height} x {width}. Found {size[0]} x {size[1]}."
        )


def _check_piece(image: Tensor, piece: int) -> None:
    """Refuse a distractor that is larger than the images it is cut from."""
    if not 1 <= piece <= min(_sides(image)):
        height, width = _sides(image)
        raise ValueError(
            f"A distractor should be cut from within an image of {height} x {width}. Found one of {piece} x {piece}."
        )


@dataclasses.dataclass(frozen=True)
class Canvas:
    """Renders batches of images on a canvas of `size` (height, width) in pixels.

    `kind` is the function to use: `centered`, `translated` or `cluttered`, with `distractors` pieces. Images are
    augmented first; distractors are cut from images without augmentation.

    Raises:
        ValueError: if `kind` is unknown, `size` is empty, or `distractors` does not fit `kind`.

    Example:
        >>> Canvas("translated", (60, 60), augmentation=Augmentation(degrees=10)).is_identity((1, 60, 60))
        False
    """

    kind: str
    size: Size
    distractors: int = 0
    augmentation: Augmentation = dataclasses.field(default_factory=Augmentation)

    def __post_init__(self) -> None:
        if self.kind not in ("centered", "translated", "cluttered"):
            raise ValueError(f"`canvas` should be `centered`, `translated` or `cluttered`. Found `{self.kind}`.")
        if min(self.size) < 1:
            raise ValueError(f"A canvas should be at least 1 x 1. Found {self.size[0]} x {self.size[1]}.")
        if (self.distractors > 0) != (self.kind == "cluttered") or self.distractors < 0:
            raise ValueError(
                f"`distractors` should be at least 1 on a `cluttered` canvas and 0 on any other. "
                f"Found `distractors = {self.distractors}` on a `{self.kind}` one."
            )

    def is_identity(self, shape: tuple[int, int, int]) -> bool:
        """Return whether images of this shape (channels, height, width) are returned unchanged."""
        return self.kind == "centered" and self.size == shape[1:] and self.augmentation.is_identity

    def __call__(
        self, image: UInt8[Tensor, "batch channels height width"], pool: Images, generator: torch.Generator
    ) -> UInt8[Tensor, "batch channels tall wide"]:
        """Return one scene for each image of a batch; distractors are cut from `pool`, the split of the batch."""
        image = self.augmentation(image, generator)
        if self.kind == "centered":
            return image if self.size == image.shape[-2:] else centered(image, self.size)
        if self.kind == "translated":
            return translated(image, self.size, generator)
        return _cluttered(image, self.size, self.distractors, pool, generator, PIECE)


def render_fixed(images: Images, canvas: Canvas, seed: int) -> Images:
    """Return one scene for each image, with distractors from the same split; the `seed` fixes it on every device.

    Example:
        >>> images = InMemory(torch.full((3, 1, 8, 8), 255, dtype=torch.uint8), torch.tensor([0, 1, 2]))
        >>> render_fixed(images, Canvas("translated", (20, 20)), seed=0).shape
        (1, 20, 20)
    """
    if canvas.is_identity(images.shape):
        return images
    host = images.to("cpu")
    generator = torch.Generator().manual_seed(seed)
    if not len(host):
        return InMemory(torch.empty(0, images.shape[0], *canvas.size, dtype=torch.uint8), host.label)
    chunks = torch.arange(len(host)).split(CHUNK)
    scenes = [canvas(host.read(index), host, generator) for index in chunks]
    return InMemory(torch.cat(scenes), host.label, getattr(host, "names", ())).to(images.label.device)
