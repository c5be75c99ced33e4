"""Data-parallel training: each rank computes its part of every batch, and all apply the same update.

Every rank draws the random numbers of the whole batch from the same generators and uses its own part. A run is
therefore the same at any number of ranks, up to rounding, and can be resumed with another number.
"""

import atexit
import hashlib
import importlib
import io
import os
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributed import PrefixStore, Store, TCPStore, rendezvous  # pyright: ignore[reportPrivateImportUsage]
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from foveate.reward.loss import Losses

POLL = 0.05  # seconds between two checks for new processes
STORE_TIMEOUT = 5  # seconds


@dataclass(frozen=True)
class World:
    """The processes that train one model together; one by default, more from `join`."""

    rank: int = 0
    """Number of this process."""
    size: int = 1
    """Number of processes."""

    @property
    def is_main_process(self) -> bool:
        """Whether this process writes the files and the output."""
        return self.rank == 0

    @contextmanager
    def shard(self, batch: int) -> Iterator[slice]:
        """This rank's part of a batch; random draws inside the block are this rank's part of the whole batch's draws.

        Raises:
            ValueError: if there are fewer images than processes.
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
        """Average every gradient in place over the images of all ranks; return the losses averaged likewise."""
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
        """A = R - mean of R over all ranks; see `foveate.reward.reward.batch_mean`."""
        total = torch.stack([reward.sum(), reward.new_tensor(reward.numel())])
        self._reduce(total)
        return (reward - total[0] / total[1]).flatten()

    def all_reduce_max(self, number: int) -> int:
        """The maximum of a number over all ranks."""
        if self.size == 1:
            return number
        found = torch.tensor(number)
        self._reduce(found, dist.ReduceOp.MAX)
        return int(found)

    def broadcast(self, state: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The state of rank 0, sent to all ranks."""
        if self.size == 1:
            return state()
        content = io.BytesIO()
        if self.is_main_process:
            torch.save(state(), content)
        buffer = torch.empty(self.all_reduce_max(len(content.getbuffer())), dtype=torch.uint8)
        if self.is_main_process:
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


ALONE = World()


class _Share(TorchFunctionMode):
    """Random draws made for the whole batch and cut to one rank's part; rollouts of a batch follow each other."""

    def __init__(self, part: slice, batch: int) -> None:
        super().__init__()
        self.part = part
        self.batch = batch

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
        """This rank's part of dropout; compiled code passes the arguments by position."""
        if not (training and p):
            return F.dropout(value, p, training, inplace)
        ones = value.new_ones(*value.shape[:-2], self._whole(value.shape[-2]), value.shape[-1])
        return value * self._take(F.dropout(ones, p), -2)

    def _whole(self, size: int) -> int:
        """Number of draws on all ranks, from the number on this one."""
        rollouts, rest = divmod(size, self.part.stop - self.part.start)
        if rest:
            raise ValueError(
                f"A draw should be for whole rollouts of {self.part.stop - self.part.start} images. Found {size}."
            )
        return rollouts * self.batch

    def _take(self, drawn: Tensor, dim: int) -> Tensor:
        """This rank's part of draws for the whole batch."""
        shape = (drawn.shape[dim] // self.batch, self.batch)
        dim %= drawn.ndim
        parts = drawn.unflatten(dim, shape).narrow(dim + 1, self.part.start, self.part.stop - self.part.start)
        return parts.flatten(dim, dim + 1)


def launched() -> bool:
    """Whether torchrun started this process, alone or with others."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def rank() -> int:
    """Rank of this process, known before it joins the others."""
    return int(os.environ["RANK"]) if launched() else 0


def local_rank() -> int:
    """Rank of this process on its machine, which is also the number of its GPU."""
    return int(os.environ["LOCAL_RANK"]) if launched() else 0


def restarted() -> bool:
    """Whether torchrun started this process to replace one that died."""
    return launched() and int(os.environ["TORCHELASTIC_RESTART_COUNT"]) > 0


def speaks(error: Exception) -> bool:
    """Whether this process should print an error: each is printed once, and mere consequences are not printed.

    The processes count the printed errors in torchrun's store. A process that lost its connection to another stays
    silent if any process has printed an error.
    """
    if not launched() or int(os.environ["WORLD_SIZE"]) == 1:
        return True
    try:
        address = os.environ["MASTER_ADDR"]
        port = int(os.environ["MASTER_PORT"])
        store = TCPStore(address, port, is_master=False, timeout=timedelta(seconds=STORE_TIMEOUT))
        store = PrefixStore(f"foveate/said/{os.environ['TORCHELASTIC_RESTART_COUNT']}", store)
        said = store.add("errors", 0)
        if said and isinstance(error, ConnectionError):
            return False
        store.add("errors", 1)
        return store.add(hashlib.sha256(str(error).encode("utf-8", "replace")).hexdigest(), 1) == 1
    except (RuntimeError, KeyError):  # no store: better to print twice than never
        return True


def join(device: torch.device) -> World:
    """Join the processes that torchrun started, until this process ends; `ALONE` if there is only one."""
    if not launched() or int(os.environ["WORLD_SIZE"]) == 1:
        return ALONE
    if device.type == "cuda":
        torch.cuda.set_device(device)
    if not dist.is_initialized():
        # If this module is imported later, as optimizers do, its functions' defaults keep the group alive after
        # `destroy_process_group`. A thread of the group that holds a tensor when Python ends then aborts the process.
        importlib.import_module("torch.distributed.nn.functional")
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        store, rank, size = next(rendezvous("env://"))
        dist.init_process_group(backend, store=_fresh(store, rank, size), rank=rank, world_size=size)
        atexit.register(dist.destroy_process_group)
    return World(dist.get_rank(), dist.get_world_size())


def _fresh(store: Store, rank: int, size: int) -> Store:
    """A new part of the store, known only to the processes that are alive now.

    torchrun keeps one store through all restarts, with the addresses of dead processes in it (pytorch issue 135712).
    So each process registers under a new name, and rank 0 answers every name with the part to use until all are there.
    """
    me = uuid.uuid4().hex
    if rank:
        store.set(f"foveate/name/{rank}", me)
        room = store.get(f"foveate/room/{me}").decode()  # waits for rank 0
        store.set(f"foveate/here/{room}/{rank}", me)
        return PrefixStore(room, store)
    absent = set(range(1, size))
    while absent:
        for other in absent:
            if store.check([f"foveate/name/{other}"]):
                store.set(f"foveate/room/{store.get(f'foveate/name/{other}').decode()}", me)
        absent = {other for other in absent if not store.check([f"foveate/here/{me}/{other}"])}
        time.sleep(POLL)
    return PrefixStore(me, store)
