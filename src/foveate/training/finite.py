"""Numbers stay finite: a step whose loss or gradient is not changes nothing, and is named."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

EVERY = 100  # steps that a GPU is asked about together: whoever asks waits for it


def broken(loss: Float[Tensor, ""], norm: Float[Tensor, ""]) -> Float[Tensor, ""]:
    """1 where the loss or the norm of the gradient is not finite, else 0; nobody waits for it.

    Example:
        >>> one, infinite = torch.tensor(1.0), torch.tensor(float("inf"))
        >>> broken(one, one), broken(one, infinite), broken(-infinite, infinite)
        (tensor(0.), tensor(1.), tensor(1.))
    """
    return (loss.detach() * 0).add_(norm * 0).nan_to_num_(1.0)  # 0 times what is not finite is not a number


class Watch:
    """The loss and the norm of the gradient of each step, read back every so often: at once on a CPU."""

    def __init__(self, device: torch.device) -> None:
        self._recent = torch.zeros(1 if device.type == "cpu" else EVERY, 2, device=device)
        self._steps: list[int] = []

    def note(self, values: Float[Tensor, "2"], step: int) -> bool:
        """Take down what a step found; True when it is time to ask."""
        self._recent[len(self._steps)] = values
        self._steps.append(step)
        return len(self._steps) == len(self._recent)

    def found(self) -> list[tuple[int, float, float]]:
        """Step, loss and norm of each step since the last call that had one which is not finite."""
        recent = zip(self._steps, self._recent[: len(self._steps)].tolist(), strict=True)
        self._steps = []
        return [(step, *values) for step, values in recent if not all(map(math.isfinite, values))]


def refuse(step: int, loss: float, norm: float) -> None:
    """Stop a run at a step that is not finite."""
    raise ValueError(
        f"Loss and gradient should be finite. Found a loss of {loss:g} and a gradient norm of {norm:g} in step {step}. "
        "The checkpoint before it is whole: `resume` with a smaller `learning_rate`, a `gradient_cut` such as 1, or "
        "`skip_nonfinite`."
    )


def refuse_weights(model: torch.nn.Module, step: int) -> None:
    """Stop a run whose weights have overflown, though each loss and gradient was finite."""
    if not all(bool(parameter.isfinite().all()) for parameter in model.parameters()):
        raise ValueError(
            f"Weights should be finite. Found some that are not after step {step}. The checkpoint before it is whole: "
            "`resume` with a smaller `learning_rate`."
        )
