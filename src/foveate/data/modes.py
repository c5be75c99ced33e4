"""PyTorch's modes of the caller, such as `torch.no_grad()`, which a run should not depend on."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch


@contextmanager
def ordinary_modes() -> Iterator[None]:
    """Compute with gradients, without autocast, and on the CPU where no device is named, in this thread.

    Example:
        >>> with torch.inference_mode(), ordinary_modes():
        ...     torch.is_grad_enabled()
        True
    """
    with ExitStack() as modes:
        modes.enter_context(torch.inference_mode(False))
        modes.enter_context(torch.enable_grad())
        for kind in ("cpu", "cuda"):
            if torch.is_autocast_enabled(kind):  # its cache of weights would never be renewed inside another autocast
                modes.enter_context(torch.autocast(kind, enabled=False, cache_enabled=False))
        if torch.get_default_device().type != "cpu":  # only then, since it slows down every call
            modes.enter_context(torch.device("cpu"))
        yield
