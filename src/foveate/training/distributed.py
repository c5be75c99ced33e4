"""More than one process: each rank takes its share of every batch, and all take the same step.

What is random is drawn on every rank for the whole batch, from the same generators, and a rank takes its share of it.
So a run is the same at any number of ranks, to rounding, and goes on with another number of them.
"""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from foveate.reward.criterion import Losses


@dataclass(frozen=True)
class Ranks:
    """The processes that train one model together; one alone, unless `launch.join` says otherwise."""

    rank: int = 0
    """Number of this process."""
    size: int = 1
    """How many there are."""

    @property
    def first(self) -> bool:
        """Whether this is the one that writes."""
        return self.rank == 0

    @contextmanager
    def share(self, batch: int) -> Iterator[slice]:
        """This rank's part of a batch; within the block, draws are its part of the draws for the whole batch.

        Raises:
            ValueError: if there are fewer images than ranks.
        """
        if batch < self.size:
            raise ValueError(f"A batch should have an image for each of {self.size} processes. Found {batch} images.")
        part = slice(batch * self.rank // self.size, batch * (self.rank + 1) // self.size)
        if self.size == 1:
            yield part
            return
        with _Share(part, batch):
            yield part

    def average(self, model: nn.Module, losses: Losses, images: int) -> Losses:
        """Replace every gradient by its mean over the images of all ranks; return the losses' means likewise."""
        if self.size == 1:
            return losses
        gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
        values = [value.detach().to(gradients[0].dtype) for value in vars(losses).values()]
        sizes = [tensor.numel() for tensor in [*gradients, *values]]
        count = gradients[0].new_full((1,), images)
        flat = torch.cat([*(tensor.flatten() * images for tensor in [*gradients, *values]), count])
        self._reduce(flat)
        means = (flat[:-1] / flat[-1]).split(sizes)
        for gradient, mean in zip(gradients, means, strict=False):
            gradient.copy_(mean.view_as(gradient))
        return Losses(*(mean.squeeze(0) for mean in means[len(gradients) :]))

    def batch_mean(self, reward: Float[Tensor, "rollouts images"]) -> Float[Tensor, " batch"]:
        """A = R - mean over all ranks; see `foveate.reward.advantage.batch_mean`."""
        total = torch.stack([reward.sum(), reward.new_tensor(reward.numel())])
        self._reduce(total)
        return (reward - total[0] / total[1]).flatten()

    def agree(self, number: int) -> int:
        """The greatest of the ranks' numbers."""
        if self.size == 1:
            return number
        found = torch.tensor(number)
        self._reduce(found, dist.ReduceOp.MAX)
        return int(found)

    def from_first(self, state: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """What the first rank says that the state is."""
        if self.size == 1:
            return state()
        content = io.BytesIO()
        if self.first:
            torch.save(state(), content)
        buffer = torch.empty(self.agree(len(content.getbuffer())), dtype=torch.uint8)
        if self.first:
            buffer.copy_(torch.frombuffer(bytearray(content.getbuffer()), dtype=torch.uint8))
        dist.broadcast(buffer, 0)
        return torch.load(io.BytesIO(buffer.numpy().tobytes()), map_location="cpu", weights_only=True)

    def _reduce(self, values: Tensor, operation: Any = dist.ReduceOp.SUM) -> None:
        try:
            dist.all_reduce(values, operation)
        except RuntimeError as error:
            raise ConnectionError(
                f"All {self.size} processes of a run should go on. Found one gone: `torchrun --max-restarts` brings it "
                "back, and the run goes on from its last checkpoint."
            ) from error


ALONE = Ranks()


class _Share(TorchFunctionMode):
    """Draws for the whole batch, of which a part is handed out; several rollouts of a batch follow each other."""

    def __init__(self, part: slice, batch: int) -> None:
        super().__init__()
        self.part, self.batch = part, batch

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in (torch.rand, torch.randn, torch.randint) and kwargs.get("generator") is not None:
            bounds, size = (args[:-1], args[-1:]) if func is torch.randint else ((), args)
            shape = size if isinstance(size[0], int) else tuple(size[0])
            return self._take(func(*bounds, (self._whole(shape[0]), *shape[1:]), **kwargs), 0)
        if func is F.dropout:
            return self._dropout(*args, **kwargs)
        return func(*args, **kwargs)

    def _dropout(self, value: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
        """This rank's part of dropout; where it is compiled the words come without their names."""
        if not (training and p):
            return F.dropout(value, p, training, inplace)
        ones = value.new_ones(*value.shape[:-2], self._whole(value.shape[-2]), value.shape[-1])
        return value * self._take(F.dropout(ones, p), -2)

    def _whole(self, size: int) -> int:
        """So many draws on all ranks for so many on this."""
        rollouts, rest = divmod(size, self.part.stop - self.part.start)
        assert not rest
        return rollouts * self.batch

    def _take(self, drawn: Tensor, dim: int) -> Tensor:
        """This rank's part."""
        shape = (drawn.shape[dim] // self.batch, self.batch)
        dim %= drawn.ndim
        parts = drawn.unflatten(dim, shape).narrow(dim + 1, self.part.start, self.part.stop - self.part.start)
        return parts.flatten(dim, dim + 1)
