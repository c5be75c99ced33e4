"""Slow plain forms, written as the sources say it, that the fast ones must equal."""

import math

import torch
from torch import Tensor
from torch.nn import functional


def slow_glimpse(image: Tensor, location: Tensor, size: tuple[int, int], depth: int, scale: float) -> Tensor:
    """SpatialGlimpse as the Torch7 code writes it: pad, narrow, then pool or resample, one location at a time."""
    # In double precision, since single precision misplaces the samples of wide windows.
    pictures = image.double()
    glimpses = [
        torch.cat([_slow_patch(pictures[i % len(image)], x, y, size, k, scale) for k in range(depth)])
        for i, (x, y) in enumerate(location.tolist())
    ]
    glimpse = torch.stack(glimpses)
    return (glimpse / 255).float() if image.dtype == torch.uint8 else glimpse.to(image.dtype)


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


def roll_out(model, image: Tensor, generator, *, num_glimpses: int, num_rollouts: int = 1, start: Tensor | None = None):
    """Look at images step by step, every image written out for every rollout: a dictionary of lists over time."""
    image = torch.cat([image] * num_rollouts)
    state = model.core.start(len(image))
    seen = {name: [] for name in ("logits", "locations", "log_probs", "baselines", "hiddens")}
    for t in range(num_glimpses):
        seen["baselines"].append(model.baseline(state[0].unsqueeze(0)).squeeze(0))
        if t == 0 and start is not None:
            location, log_prob = start, torch.zeros(len(image))
        else:
            location, log_prob = model.locator(state[0], generator)
        state = model.core(model.glimpse(image, location), state)
        seen["locations"].append(location)
        seen["log_probs"].append(log_prob)
        seen["hiddens"].append(state[0])
        seen["logits"].append(model.classifier(state[0]))
    return {name: torch.stack(values) for name, values in seen.items()}


def wilson_interval(wrong: int, n: int) -> tuple[float, float]:
    """The fractions p that lie 1.96 standard errors from wrong / n: (p - wrong / n)^2 = z^2 p (1 - p) / n."""
    z2 = 1.959964**2
    a, b, c = 1 + z2 / n, -(2 * wrong / n + z2 / n), (wrong / n) ** 2
    root = math.sqrt(b * b - 4 * a * c)
    return (-b - root) / (2 * a), (-b + root) / (2 * a)


def averaged(weights: list[Tensor], decay: float) -> Tensor:
    """The exponential moving average of successive weights, which spans a quarter of the steps so far at most."""
    mean, most = weights[0], decay
    for step, weight in enumerate(weights[1:], 1):
        decay = min(most, step / (step + 4))
        mean = decay * mean + (1 - decay) * weight
    return mean


def slow_scenes(image: Tensor, size: tuple[int, int], place: Tensor, clutter, pool: Tensor) -> Tensor:
    """DeepMind's clutter as it is written: per scene and per pixel, distractors first, clamp, then the image, clamp."""
    canvas = torch.zeros(len(image), image.shape[1], *size, dtype=torch.int64)
    for b in range(len(image)):
        for k in range(clutter.source.shape[1]):
            (cut_x, cut_y), (x, y) = clutter.cut[b, k].tolist(), clutter.place[b, k].tolist()
            for j in range(clutter.piece):
                for i in range(clutter.piece):
                    canvas[b, :, y + j, x + i] += pool[clutter.source[b, k], :, cut_y + j, cut_x + i]
        canvas[b] = canvas[b].clamp(max=255)
        x, y = place[b].tolist()
        canvas[b, :, y : y + image.shape[2], x : x + image.shape[3]] += image[b]
        canvas[b] = canvas[b].clamp(min=0, max=255)
    return canvas.to(torch.uint8)
