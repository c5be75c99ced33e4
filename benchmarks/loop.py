"""The yardstick: a model as most implementations write it, which cuts patches one image at a time in a Python loop.

It computes what `foveate` computes, to the same glimpses and losses (tests/test_bench.py), and is kept plain: pad the
image, narrow to the window, pool; then the loop under autograd, and PyTorch's optimizer as it comes.
"""

import copy
from collections.abc import Callable

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from foveate.glimpse.sensor import SpatialGlimpse
from foveate.recurrent.attention import RecurrentAttention


class LoopGlimpse(nn.Module):
    """`SpatialGlimpse` with a scale of 2, by pad, narrow and pool, one image after the other."""

    def __init__(self, sensor: SpatialGlimpse) -> None:
        super().__init__()
        self.size, self.windows = sensor.size, sensor.windows

    def forward(self, image: Tensor, location: Tensor) -> Tensor:
        """The glimpse of each image at its location."""
        pixels = image.float()
        glimpses = [self.one(pixels[i % len(image)], location[i]) for i in range(len(location))]
        return torch.stack(glimpses) / (255 if image.dtype == torch.uint8 else 1)

    def one(self, picture: Tensor, location: Tensor) -> Tensor:
        """The patches of one picture (channels, height, width), fine scale first."""
        x, y = location.tolist()
        return torch.cat([self.patch(picture, x, y, window) for window in self.windows])

    def patch(self, picture: Tensor, x: float, y: float, window: tuple[int, int]) -> Tensor:
        """The window of one scale, brought down to the patch."""
        above, left = (window[0] - 1) // 2, (window[1] - 1) // 2
        padded = F.pad(picture, (left, left + 1, above, above + 1))
        top = corner(y, picture.shape[1] + 2 * above - window[0])
        beside = corner(x, picture.shape[2] + 2 * left - window[1])
        crop = padded.narrow(1, top, window[0]).narrow(2, beside, window[1])
        return F.avg_pool2d(crop, window[0] // self.size[0])


def corner(location: float, travel: int) -> int:
    """Where a window begins in the padded image, along one axis."""
    return int(min(max((location + 1) / 2 * max(0, travel), 0), max(0, travel)))


def in_a_loop(model: RecurrentAttention) -> RecurrentAttention:
    """A copy of the model with the same parameters that cuts its patches in a loop."""
    plain = copy.deepcopy(model)
    plain.glimpse.sensor = LoopGlimpse(plain.glimpse.sensor)  # pyright: ignore[reportArgumentType]
    return plain


def plain_step(
    model: RecurrentAttention, criterion: nn.Module, dtype: torch.dtype, generator: Generator
) -> Callable[[Tensor, Tensor], Tensor]:
    """A training step under plain autograd: it takes images and labels and returns the total loss."""
    optimizer = torch.optim.AdamW(model.parameters())

    def step(image: Tensor, label: Tensor) -> Tensor:
        with torch.autocast(image.device.type, dtype, enabled=dtype != torch.float32):
            rollout = model(image, generator=generator)
        losses = criterion(rollout, label)
        optimizer.zero_grad()
        losses.total.backward()
        optimizer.step()
        return losses.total.detach()

    return step
