"""Run in a process of its own, since the checker of shapes in the tests and `torch.compile` exclude each other.

Prints the greatest relative differences between compiled and plain steps, on a GPU where there is one: losses and
gradients. With the argument `quick`, of one form only.
"""

import json
import sys
from dataclasses import replace

import torch

from foveate.config import Model
from foveate.reward.loss import HybridLoss
from foveate.speed.unrolled import unrolled
from foveate.training.build import Attention, build

CALLS = 3  # of each form, one after the other: on a GPU the second records a CUDA graph, and the third plays it

device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
torch.manual_seed(0)
SIZES = {"image": (1, 20, 16), "num_glimpses": 2, "depth": 2, "locator_width": 8}
MODEL = Model(**SIZES, classes=("a", "b", "c"), dropout=0.5, baseline="value")
one = build(MODEL).to(device).train()
two = build(replace(MODEL, ensemble=2, first_glimpse="center")).to(device).train()
image = torch.randint(0, 256, (40, 1, 20, 16), dtype=torch.uint8).to(device)
label = torch.randint(0, 3, (40,)).to(device)


def step(
    model: Attention, compiled: bool, seed: int, std: float, into_core: bool, dtype: torch.dtype
) -> dict[str, torch.Tensor]:
    """The losses and gradients of a step, with a standard deviation that training sets before it."""
    model.locator.unit.fixed_std.fill_(std)
    model.locator.policy_gradient_into_core = into_core
    torch.manual_seed(seed)  # dropout draws from the global generator
    draws = torch.Generator(device).manual_seed(seed)
    losses, gradients = unrolled(
        model, HybridLoss(), image, label, num_rollouts=2, generator=draws, dtype=dtype, compiled=compiled
    )
    places = {value.untyped_storage().data_ptr() for value in gradients.values()}
    assert len(places) == len(gradients), "who cuts gradients in place would cut shared ones twice"
    gradient = torch.cat([gradients[name].flatten() for name, _ in model.named_parameters()])
    return {"losses": torch.stack([*vars(losses).values()]), "gradient": gradient}


def far(model: Attention, std: float, into_core: bool, dtype: torch.dtype = torch.float32) -> dict[str, float]:
    """How far the two forms lie apart."""
    plain, compiled = (
        [step(model, form, seed, std, into_core, dtype) for seed in range(CALLS)] for form in (False, True)
    )
    return {
        f"{name}, {model.config.ensemble}, call {call}, std {std}, {into_core}, {dtype}": (
            (b[name] - a[name]).norm() / a[name].norm()
        ).item()
        for call, (a, b) in enumerate(zip(plain, compiled, strict=True))
        for name in a
    }


if sys.argv[1:] == ["quick"]:
    print(json.dumps(far(one, 0.22, False)))
    sys.exit()
found = far(one, 0.22, False) | far(one, 0.5, False) | far(one, 0.5, True) | far(one, 0.5, True, torch.bfloat16)
print(json.dumps(found | far(two, 0.22, True) | far(two, 0.22, True, torch.bfloat16)))
