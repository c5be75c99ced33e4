"""Settings that cannot be trained with are refused here, before anything is made."""

import torch

from saccade.config import Config

AT_LEAST = {
    ("epochs", "batch_size", "num_rollouts", "threads"): 1,
    ("scenes", "patience", "decay_epochs", "policy_weight", "baseline_weight"): 0,
    ("momentum", "weight_decay", "gradient_cut", "max_norm", "min_learning_rate"): 0,
}


def choose_device(device: str) -> torch.device:
    """The device that a setting names.

    Raises:
        ValueError: if there is no such device.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.empty(0, device=device)
        return torch.device(device)
    except (RuntimeError, AssertionError):
        raise ValueError(
            f"`device` should be `auto`, `cpu`, or a GPU of this machine. Found `device = {device}`."
        ) from None


def check(config: Config) -> None:
    """Refuse settings that cannot be trained with."""
    settings = {**vars(config.data), **vars(config.model), **vars(config.loss), **vars(config.training)}
    for names, least in AT_LEAST.items():
        for name in names:
            if not settings[name] >= least:
                raise ValueError(f"`{name}` should be at least {least}. Found `{name} = {settings[name]}`.")
    for name in ("learning_rate", "reward_scale"):
        if not settings[name] > 0:
            raise ValueError(f"`{name}` should be above 0. Found `{name} = {settings[name]}`.")
    for name in ("ema", "label_smoothing"):
        if not 0 <= settings[name] < 1:
            raise ValueError(f"`{name}` should be at least 0 and below 1. Found `{name} = {settings[name]}`.")
    if config.model.baseline == "leave-one-out" and config.training.num_rollouts < 2:
        raise ValueError(
            "`num_rollouts` should be at least 2 for the leave-one-out baseline. Found `num_rollouts = 1`."
        )
