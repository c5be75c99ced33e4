"""Canvases: an image in the middle, at a random place, or at a random place among distractors; a whole batch at once.

Everything is integer arithmetic on uint8 pixels, so that a scene is the same on every machine and device.
"""

import dataclasses

import torch
from jaxtyping import UInt8
from torch import Tensor

from foveate.data.distortion import Distortion
from foveate.data.placement import Size, centre, draw_clutter, draw_place
from foveate.data.records import Images, InMemory
from foveate.data.render import render

PIECE = 8  # pixels: the side of a distractor in DeepMind's rule
CHUNK = 1000  # scenes drawn together by `fixed`; another number draws other scenes


def centred(
    image: UInt8[Tensor, "batch channels height width"], size: Size
) -> UInt8[Tensor, "batch channels tall wide"]:
    """Place every image in the middle of a black canvas of `size` (height, width) in pixels.

    Raises:
        ValueError: if the image does not fit.

    Example:
        >>> centred(torch.full((1, 1, 1, 1), 255, dtype=torch.uint8), (3, 3))[0, 0].tolist()
        [[0, 0, 0], [0, 255, 0], [0, 0, 0]]
    """
    _check_fit(image, size)
    return render(image, size, centre(len(image), _sides(image), size, image.device))


def translated(
    image: UInt8[Tensor, "batch channels height width"], size: Size, generator: torch.Generator
) -> UInt8[Tensor, "batch channels tall wide"]:
    """Place every image at a uniformly drawn place of a black canvas of `size` (height, width) in pixels, whole.

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
    """Place every image as `translated` does, among `distractors` pieces of the `pool`, `piece` pixels wide and high.

    DeepMind's rule: each piece is cut at a uniform place of a uniformly drawn image and added at a uniform place of the
    canvas, the image is added at a uniform place, and sums saturate at white. Nothing is erased around the image.

    Source: Mnih et al., NIPS 2014, section 4.1, "Cluttered Translated MNIST"; DeepMind's `mnist-cluttered`.

    Raises:
        ValueError: if the image does not fit, or a piece is larger than an image.

    Example:
        >>> pool = torch.full((5, 1, 28, 28), 255, dtype=torch.uint8)
        >>> cluttered(pool, (60, 60), 4, pool, torch.Generator().manual_seed(0)).shape
        torch.Size([5, 1, 60, 60])
    """
    labels = torch.zeros(len(pool), dtype=torch.int64, device=pool.device)  # nobody asks for the class of a distractor
    return _cluttered(image, size, distractors, InMemory(pool, labels), generator, piece)


def _cluttered(
    image: Tensor, size: Size, distractors: int, pool: Images, generator: torch.Generator, piece: int
) -> Tensor:
    """`cluttered` over any `Images`."""
    _check_fit(image, size)
    _check_piece(image, piece)
    place = draw_place((len(image),), _sides(image), size, generator)
    clutter = draw_clutter((len(image), distractors), len(pool), piece, _sides(image), size, generator)
    return render(image, size, place, clutter, pool.read(clutter.source.flatten()))


def _sides(image: Tensor) -> Size:
    return image.shape[-2], image.shape[-1]


def _check_fit(image: Tensor, size: Size) -> None:
    height, width = _sides(image)
    if size[0] < height or size[1] < width:
        raise ValueError(
            f"A canvas should be at least as large as its images, {height} x {width}. Found {size[0]} x {size[1]}."
        )


def _check_piece(image: Tensor, piece: int) -> None:
    if not 1 <= piece <= min(_sides(image)):
        height, width = _sides(image)
        raise ValueError(
            f"A distractor should be cut from within an image of {height} x {width}. Found one of {piece} x {piece}."
        )


@dataclasses.dataclass(frozen=True)
class Canvas:
    """How the images of a batch are shown: on a canvas of `size` (height, width) in pixels, with `distractors` pieces.

    `kind` is `centred`, `translated` or `cluttered`, as the functions of these names do it. Before that each image may
    be distorted; the distractors are cut from images as they are.

    Raises:
        ValueError: if `kind` is unknown, `size` is empty, or `distractors` does not fit `kind`.

    Example:
        >>> Canvas("translated", (60, 60), distortion=Distortion(rotation=10)).keeps((1, 60, 60))
        False
    """

    kind: str
    size: Size
    distractors: int = 0
    distortion: Distortion = dataclasses.field(default_factory=Distortion)

    def __post_init__(self) -> None:
        if self.kind not in ("centred", "translated", "cluttered"):
            raise ValueError(f"`canvas` should be `centred`, `translated` or `cluttered`. Found `{self.kind}`.")
        if min(self.size) < 1:
            raise ValueError(f"A canvas should be at least 1 x 1. Found {self.size[0]} x {self.size[1]}.")
        if (self.distractors > 0) != (self.kind == "cluttered") or self.distractors < 0:
            raise ValueError(
                f"`distractors` should be at least 1 on a `cluttered` canvas and 0 on any other. "
                f"Found `distractors = {self.distractors}` on a `{self.kind}` one."
            )

    def keeps(self, shape: tuple[int, int, int]) -> bool:
        """Return whether images of this shape (channels, height, width) are shown as they are."""
        return self.kind == "centred" and self.size == shape[1:] and self.distortion.keeps

    def __call__(
        self, image: UInt8[Tensor, "batch channels height width"], pool: Images, generator: torch.Generator
    ) -> UInt8[Tensor, "batch channels tall wide"]:
        """Show every image of a batch; the clutter is cut from `pool`, the split that the batch belongs to."""
        image = self.distortion(image, generator)
        if self.kind == "centred":
            return image if self.size == image.shape[-2:] else centred(image, self.size)
        if self.kind == "translated":
            return translated(image, self.size, generator)
        return _cluttered(image, self.size, self.distractors, pool, generator, PIECE)


def fixed(images: Images, canvas: Canvas, seed: int) -> Images:
    """Return one scene of every image, its clutter cut from the same split; a `seed` gives the same on any device.

    Example:
        >>> images = InMemory(torch.full((3, 1, 8, 8), 255, dtype=torch.uint8), torch.tensor([0, 1, 2]))
        >>> fixed(images, Canvas("translated", (20, 20)), seed=0).shape
        (1, 20, 20)
    """
    if canvas.keeps(images.shape):
        return images
    host, generator = images.to("cpu"), torch.Generator().manual_seed(seed)
    scenes = [canvas(host.read(index), host, generator) for index in torch.arange(len(host)).split(CHUNK)]
    return InMemory(torch.cat(scenes), host.label).to(images.label.device)
