"""Train the gaze by a reward of your own: minus the distance to the object, beside the usual classification.

An 8 x 8 digit lies anywhere on a canvas of 32 x 32 pixels. `HybridLoss` takes one number for each scanpath; here it is
how near the last glimpse came to the digit.
"""

import torch
from torch import Tensor

import foveate
from foveate.data import load

SIDE, DIGIT = 32, 8


def scatter(image: Tensor) -> tuple[Tensor, Tensor]:
    """Put each digit at a random place; return the canvases and the places' centers (x, y) in [-1, 1]."""
    canvas = torch.zeros(len(image), 1, SIDE, SIDE)
    corner = torch.randint(SIDE - DIGIT + 1, (len(image), 2))
    for picture, digit, (x, y) in zip(canvas, image, corner.tolist(), strict=True):
        picture[:, y : y + DIGIT, x : x + DIGIT] = digit
    return canvas, (corner + DIGIT / 2) / SIDE * 2 - 1


def distance(rollout: foveate.Rollout, center: Tensor) -> Tensor:
    """Distance in pixels of the last glimpse from the center of the digit."""
    last = rollout.locations[-1]
    return (last - center.repeat(len(last) // len(center), 1)).norm(dim=-1) * SIDE / 2


def main(steps: int = 300) -> None:
    """Train, and print the distance before and after."""
    torch.manual_seed(0)
    digits = load("digits").train
    settings = foveate.config.Model(
        image=(1, SIDE, SIDE),
        classes=tuple("0123456789"),
        num_glimpses=2,
        glimpse_size=(8, 8),
        depth=3,
        std=0.2,
        unit_pixels=14,
        policy_gradient_into_core=True,
    )
    model = foveate.build(settings)
    loss = foveate.HybridLoss(baseline="leave-one-out")
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for step in range(steps + 1):
        index = torch.randint(len(digits), (64,))
        image, center = scatter(digits.read(index) / 255)
        rollout = model(image, num_rollouts=4)
        if step in (0, steps):
            print(f"distance after {step} steps: {distance(rollout, center).mean():.1f} pixels")
        optimizer.zero_grad()
        loss(rollout, digits.label[index], reward=-distance(rollout, center)).total.backward()
        optimizer.step()


if __name__ == "__main__":
    main()
