"""Mean and standard deviation of the channels of a set of images."""

import torch

from foveate.data.records import Images

MAX_IMAGES = 2000  # that are read, evenly spaced
MIN_STD = 1 / 255  # of a channel that is constant


def channel_statistics(images: Images) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel over all pixels, which are in [0, 1], to four decimals.

    Example:
        >>> from foveate.data import load_digits
        >>> channel_statistics(load_digits().train)
        ((0.3057,), (0.376,))
    """
    count = min(len(images), MAX_IMAGES)
    index = torch.arange(count, device=images.label.device) * len(images) // max(1, count)
    total = torch.zeros(images.shape[0], dtype=torch.float64)
    squares = total.clone()
    for part in index.split(100):
        pixels = images.read(part).cpu().double() / 255
        total += pixels.sum((0, 2, 3))
        squares += pixels.square().sum((0, 2, 3))
    pixels_each = max(1, count * images.shape[1] * images.shape[2])
    mean = total / pixels_each
    std = (squares / pixels_each - mean.square()).clamp(min=0).sqrt().clamp(min=MIN_STD)
    return tuple(round(value, 4) for value in mean.tolist()), tuple(round(value, 4) for value in std.tolist())
