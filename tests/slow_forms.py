"""Slow plain forms, written as the sources say it, that the fast ones must equal."""

import math

import torch
from torch import Tensor
from torch.nn import functional


def slow_glimpse(image: Tensor, location: Tensor, size: tuple[int, int], depth: int, scale: float) -> Tensor:
    """SpatialGlimpse as the Torch7 code writes it: pad, narrow, then pool or resample, one location at a time."""
    pictures = image.float() if image.dtype == torch.uint8 else image
    glimpses = [
        torch.cat([_slow_patch(pictures[i % len(image)], x, y, size, k, scale) for k in range(depth)])
        for i, (x, y) in enumerate(location.tolist())
    ]
    return torch.stack(glimpses) / (255 if image.dtype == torch.uint8 else 1)


def _slow_patch(picture: Tensor, x: float, y: float, size: tuple[int, int], k: int, scale: float) -> Tensor:
    """Patch k of one picture (channels, height, width)."""
    height, width = size
    for _ in range(k):
        height, width = math.floor(height * scale), math.floor(width * scale)
    above, left = (height - 1) // 2, (width - 1) // 2
    rows, columns = picture.shape[1] + 2 * above - height, picture.shape[2] + 2 * left - width
    # One more pixel of padding at the far end: a window of even side is wider than a padded image of one pixel.
    padded = functional.pad(picture, (left, left + 1, above, above + 1))
    crop = padded.narrow(1, _slow_corner(y, rows), height).narrow(2, _slow_corner(x, columns), width).unsqueeze(0)
    if scale == 2:
        return functional.avg_pool2d(crop, 2**k).squeeze(0)
    return functional.interpolate(crop, size, mode="bilinear", align_corners=True).squeeze(0)


def _slow_corner(location: float, travel: int) -> int:
    """Where a window begins in the padded image, along one axis."""
    travel = max(0, travel)
    return math.floor(min(max((location + 1) / 2 * travel, 0), travel))
