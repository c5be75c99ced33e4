"""How processes that torchrun started find each other, again and again if it must start them anew."""

import atexit
import importlib
import os
import time
import uuid

import torch
import torch.distributed as dist
from torch.distributed import PrefixStore, Store, rendezvous  # pyright: ignore[reportPrivateImportUsage]

from foveate.training.distributed import ALONE, Ranks

POLL = 0.05  # seconds between two looks at who has come


def launched() -> bool:
    """Whether torchrun started this process, as one of one or more."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def rank() -> int:
    """Number of this process, before it has joined the others."""
    return int(os.environ["RANK"]) if launched() else 0


def local_rank() -> int:
    """Number of this process on its machine, and so of its GPU."""
    return int(os.environ["LOCAL_RANK"]) if launched() else 0


def restarted() -> bool:
    """Whether torchrun started this process in the place of one that died."""
    return launched() and int(os.environ["TORCHELASTIC_RESTART_COUNT"]) > 0


def join(device: torch.device) -> Ranks:
    """The ranks that torchrun started, or this process alone; they stay together until the process ends."""
    if not launched() or int(os.environ["WORLD_SIZE"]) == 1:
        return ALONE
    if device.type == "cuda":
        torch.cuda.set_device(device)
    if not dist.is_initialized():
        # Whoever imports this later, as optimizers do, keeps the group in its functions' defaults. Then it outlives
        # `destroy_process_group`, and a thread of it that still holds a tensor when Python ends aborts the process.
        importlib.import_module("torch.distributed.nn.functional")
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        store, rank, size = next(rendezvous("env://"))
        dist.init_process_group(backend, store=_fresh(store, rank, size), rank=rank, world_size=size)
        atexit.register(dist.destroy_process_group)
    return Ranks(dist.get_rank(), dist.get_world_size())


def _fresh(store: Store, rank: int, size: int) -> Store:
    """A part of the store that only the processes now alive know.

    torchrun keeps one store through all restarts, with the addresses of the dead in it (pytorch issue 135712). So each
    process calls itself by a new name, and the first tells every name that it finds where to meet, until all are there.
    """
    me = uuid.uuid4().hex
    if rank:
        store.set(f"foveate/name/{rank}", me)
        room = store.get(f"foveate/room/{me}").decode()  # waits for the first
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
