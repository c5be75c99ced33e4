"""Run in a process of its own, since the checker of shapes in the tests and `torch.compile` exclude each other.

Prints the greatest relative differences between compiled and plain steps: losses and gradients.
"""

import json

import torch

from saccade.config import Model
from saccade.reward.criterion import HybridLoss
from saccade.training.build import build
from saccade.training.unrolled import unrolled

torch.manual_seed(0)
model = build(
    Model(image=(1, 20, 16), classes=("a", "b", "c"), num_glimpses=2, depth=2, dropout=0.5, locator_width=8)
).train()
image, label = torch.randint(0, 256, (40, 1, 20, 16), dtype=torch.uint8), torch.randint(0, 3, (40,))


def step(compiled: bool, std: float, into_core: bool, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """The losses and gradients of a step, with a standard deviation that training sets before it."""
    model.locator.unit.fixed_std.fill_(std)
    model.locator.policy_gradient_into_core = into_core
    torch.manual_seed(1)  # dropout draws from the global generator
    draws = torch.Generator().manual_seed(2)
    losses, gradients = unrolled(
        model, HybridLoss(), image, label, num_rollouts=2, generator=draws, dtype=dtype, compiled=compiled
    )
    places = {value.untyped_storage().data_ptr() for value in gradients.values()}
    assert len(places) == len(gradients), "who cuts gradients in place would cut shared ones twice"
    gradient = torch.cat([gradients[name].flatten() for name, _ in model.named_parameters()])
    return {"losses": torch.stack([*vars(losses).values()]), "gradient": gradient}


def far(std: float, into_core: bool, dtype: torch.dtype = torch.float32) -> dict[str, float]:
    """How far the two forms lie apart."""
    plain, compiled = step(False, std, into_core, dtype), step(True, std, into_core, dtype)
    return {
        f"{name}, std {std}, {into_core}, {dtype}": ((compiled[name] - plain[name]).norm() / plain[name].norm()).item()
        for name in plain
    }


print(json.dumps(far(0.22, False) | far(0.5, False) | far(0.5, True) | far(0.5, True, torch.bfloat16)))
