"""Properties: one function each, so that a test reads as what it claims."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

# What makes the host wait for a GPU: reading a value, an output whose size depends on values, a constant sent there.
HOST_SYNCS = {"_local_scalar_dense", "is_nonzero", "item", "nonzero", "masked_select", "unique", "equal", "lift_fresh"}


class _Operations(TorchDispatchMode):
    """Writes down the name of every operation."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.append(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))


def operations(call: Callable[[], object]) -> list[str]:
    """The names of the tensor operations that a call makes, in order."""
    with _Operations() as mode:
        call()
    return mode.names


def assert_no_host_sync(call: Callable[[], object]) -> None:
    """No operation of the call reads a value, or has a shape that depends on one; a call before it fills the caches."""
    synchronising = HOST_SYNCS.intersection(operations(call))
    assert not synchronising, f"These wait for the device: {sorted(synchronising)}."


def assert_equal(actual: Tensor, expected: Tensor) -> None:
    """Same shape, same type, same bits."""
    torch.testing.assert_close(actual, expected, rtol=0, atol=0, equal_nan=True)


def assert_same_rollout(rollout, expected: dict[str, Tensor], but: tuple[str, ...] = ()) -> None:
    """The same looks and hidden states bit for bit; heads run over all steps at once, so they may round differently."""
    for name in ("locations", "log_probs", "hiddens"):
        assert torch.equal(getattr(rollout, name), expected[name]), name
    for name in {"logits", "baselines"} - set(but):
        torch.testing.assert_close(
            getattr(rollout, name), expected[name], msg=lambda text, name=name: f"{name}: {text}"
        )


def gradient(leaf: Any) -> Tensor:
    """The gradient that a backward pass left at a leaf: there is one."""
    assert leaf.grad is not None
    return leaf.grad
