"""Settings that cannot be trained with are refused here, before anything is made."""

import math
import os

import torch

from foveate.config import Config
from foveate.training.launch import local_rank

AT_LEAST = {
    ("epochs", "batch_size", "num_rollouts", "threads"): 1,
    ("scenes", "patience", "decay_epochs", "policy_weight", "baseline_weight"): 0,
    ("first_std", "weight_decay", "gradient_cut", "max_norm", "min_learning_rate", "checkpoint_minutes"): 0,
}
MOST = 10**12  # more of anything is a slip of the finger, and overflows further in


def choose_device(device: str) -> torch.device:
    """The device that a setting names; `auto` gives each process of a machine a GPU of its own.

    Raises:
        ValueError: if there is no such device.
    """
    if device == "auto":
        device = f"cuda:{local_rank()}" if local_rank() else "cuda"
        device = device if torch.cuda.is_available() else "cpu"
    try:
        if torch.device(device).type not in ("cpu", "cuda"):
            raise RuntimeError("no device to train on")
        torch.empty(0, device=device)
        return torch.device(device)
    except (RuntimeError, AssertionError):
        raise ValueError(
            f"`device` should be `auto`, `cpu`, or a GPU of this machine. Found `device = {device}`."
        ) from None


def check(config: Config) -> None:
    """Refuse settings that cannot be trained with."""
    settings = {**vars(config.data), **vars(config.model), **vars(config.loss), **vars(config.training)}
    for name, value in settings.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"`{name}` should be a finite number. Found `{name} = {value}`.")
        if isinstance(value, int) and value > MOST:
            raise ValueError(f"`{name}` should be at most {MOST:,}. Found `{name} = {value}`.")
    cores, threads = os.cpu_count() or 1, config.training.threads
    if threads > cores:
        raise ValueError(f"`threads` should be at most {cores}, the cores that are here. Found `threads = {threads}`.")
    for names, least in AT_LEAST.items():
        for name in names:
            if not settings[name] >= least:
                raise ValueError(f"`{name}` should be at least {least}. Found `{name} = {settings[name]}`.")
    for name in ("learning_rate", "reward_scale"):
        if not settings[name] > 0:
            raise ValueError(f"`{name}` should be above 0. Found `{name} = {settings[name]}`.")
    for name in ("ema", "label_smoothing", "momentum"):
        if not 0 <= settings[name] < 1:
            raise ValueError(f"`{name}` should be at least 0 and below 1. Found `{name} = {settings[name]}`.")
    if config.training.first_std and config.model.learn_std:
        raise ValueError("Either `first_std` or `learn_std` should be set. Found both.")
    if config.data.train_on == "all" and config.training.evaluate_on == "validation":
        raise ValueError(
            "`evaluate_on` should be `test` where the validation images are trained on. Found `validation`."
        )
    if config.data.train_on == "all" and config.training.patience:
        raise ValueError("Either `train_on = all` or `patience` should be set, which goes by validation. Found both.")
    if config.model.baseline == "leave-one-out" and config.training.num_rollouts < 2:
        raise ValueError(
            "`num_rollouts` should be at least 2 for the leave-one-out baseline. Found `num_rollouts = 1`."
        )
