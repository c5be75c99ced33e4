"""A run from start to end: epochs of steps, validation, journal and checkpoints; then one look at the test set."""

import json
import shutil
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch

from saccade.config import Config, Training
from saccade.data.batches import batches, num_batches
from saccade.settings import read, to_json
from saccade.training import journal
from saccade.training.checkpoint import Progress, load_checkpoint, save_checkpoint
from saccade.training.evaluate import Evaluation, evaluate
from saccade.training.files import written_aside
from saccade.training.learner import Learner, make_learner
from saccade.training.pretrained import from_pretrained, save_pretrained
from saccade.training.scenes import Scenes, load_scenes, resolve
from saccade.training.schedule import learning_rate
from saccade.training.seeds import derive, generator
from saccade.training.step import train_step

AT_LEAST = {
    ("epochs", "batch_size", "num_rollouts", "threads"): 1,
    ("scenes", "patience", "decay_epochs", "policy_weight", "baseline_weight"): 0,
    ("momentum", "weight_decay", "gradient_cut", "max_norm", "min_learning_rate"): 0,
}
CONFIG, METRICS, TEST, BEST = "config.json", "metrics.jsonl", "test.json", "best"


class Listener:
    """Is told how a run goes; every method may be overridden, none need be."""

    def on_start(self, config: Config, done: int, steps: int) -> None:
        """Training begins (or goes on after `done` epochs), with `steps` steps an epoch."""

    def on_step(self, epoch: int, step: int) -> None:
        """A step of an epoch is done (both from 1)."""

    def on_epoch(self, metrics: journal.Metrics) -> None:
        """An epoch is done: its line of metrics.jsonl."""


@dataclass(frozen=True)
class Summary:
    """What came of a run."""

    folder: Path
    """Where it is kept."""
    config: Config
    """Its settings, with what the data filled in."""
    progress: Progress
    """How far it went, and the validation error that chose the model."""
    test: Evaluation
    """The one look at the test set, with the best model by validation error."""


def fit(
    config: Config,
    folder: Path | str,
    *,
    resume: bool = False,
    overwrite: bool = False,
    listener: Listener | None = None,
) -> Summary:
    """Train what a config describes and keep it in a run folder.

    The folder holds config.json, metrics.jsonl (a line an epoch), last.pt (to resume from), best/ (the model with the
    least validation error, see `from_pretrained`) and, at the end, test.json. The model is chosen by validation error;
    the test set is looked at once, after training. On a CPU a run is bit for bit the same every time, resumed or not.

    Args:
        config: the settings.
        folder: where to keep the run.
        resume: go on with the run in `folder`, from its last finished epoch.
        overwrite: replace the run in `folder`.
        listener: is told how it goes.

    Raises:
        ValueError: if a setting is impossible, or the folder already holds a run.
        FileNotFoundError: if the data, or the run to resume, is not there.

    Example:
        >>> import tempfile
        >>> from saccade.config import Config, Data, Training
        >>> config = Config(data=Data(source="digits"), training=Training(epochs=1))
        >>> summary = fit(config, tempfile.mkdtemp())
        >>> sorted(file.name for file in summary.folder.iterdir())
        ['best', 'config.json', 'last.pt', 'metrics.jsonl', 'test.json']
    """
    listener = listener or Listener()
    check(config)
    folder = Path(folder)
    if resume:
        _check_resume(folder, config)
    elif (folder / CONFIG).exists() and not overwrite:
        raise ValueError(
            f"`{folder}` should be a new folder. Found a run in it: resume it, overwrite it, or choose another."
        )
    torch.set_num_threads(config.training.threads)
    device = choose_device(config.training.device)
    scenes = load_scenes(config.data, device)
    config = resolve(config, scenes)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(derive(config.training.seed, "parameters"))
        learner = make_learner(config, device)
        progress = _resumed(folder, learner) if resume else _begin(folder, learner, overwrite)
        _train(learner, scenes, folder, progress, listener)
    test = evaluate(from_pretrained(folder / BEST, device), scenes.test)
    _write_test(folder / TEST, test)
    return Summary(folder, config, progress, test)


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


def _check_resume(folder: Path, config: Config) -> None:
    """A run goes on with the model and data that it began with."""
    if not (folder / CONFIG).is_file():
        raise FileNotFoundError(f"A run to resume should be in `{folder}`. Found no `{CONFIG}` there.")
    before = read(folder / CONFIG)
    same = replace(config.model, image=before.model.image, classes=before.model.classes)
    if same != before.model or config.data != before.data:
        raise ValueError(f"A resumed run should keep its model and data. Found others than in `{folder / CONFIG}`.")
    now, then = ((training.optimizer, training.ema > 0) for training in (config.training, before.training))
    if now != then:
        raise ValueError(
            f"A resumed run should keep its `optimizer` and `ema`. Found others than in `{folder / CONFIG}`."
        )


def _begin(folder: Path, learner: Learner, overwrite: bool) -> Progress:
    """Lay the run folder: a run that is stopped in its first epoch can be resumed too."""
    if overwrite:
        for name in (METRICS, TEST):
            (folder / name).unlink(missing_ok=True)
        shutil.rmtree(folder / BEST, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    with written_aside(folder / CONFIG) as file:
        file.write(to_json(learner.config).encode())
    progress = Progress()
    save_checkpoint(folder, learner, progress)
    return progress


def _resumed(folder: Path, learner: Learner) -> Progress:
    """Go on after the last epoch whose checkpoint is whole."""
    progress = load_checkpoint(folder, learner)
    journal.keep(folder / METRICS, progress.epoch)
    with written_aside(folder / CONFIG) as file:
        file.write(to_json(learner.config).encode())
    return progress


def _train(learner: Learner, scenes: Scenes, folder: Path, progress: Progress, listener: Listener) -> None:
    """All epochs that are left."""
    training = learner.config.training
    steps = num_batches(scenes.train, training.batch_size, scenes=learner.config.data.scenes)
    listener.on_start(learner.config, progress.epoch, steps)
    while progress.epoch < training.epochs and not _out_of_patience(progress, training):
        began = time.perf_counter()
        metrics = _epoch(learner, scenes, progress, steps, listener)
        trained = time.perf_counter()
        validation = evaluate(learner.result, scenes.validation)
        progress.epoch += 1
        progress.seconds += time.perf_counter() - began
        if validation.error_rate < progress.best_error:
            progress.best_error, progress.best_epoch = validation.error_rate, progress.epoch
            save_pretrained(learner.result, folder / BEST)
        images = steps * min(training.batch_size, learner.config.data.scenes or len(scenes.train))
        metrics = {
            "epoch": progress.epoch,
            "step": progress.step,
            **metrics,
            "validation_error": validation.error_rate,
            "best_validation_error": progress.best_error,
            "best_epoch": progress.best_epoch,
            "seconds": round(progress.seconds, 3),
            "images_per_second": round(images / (trained - began), 1),
        }
        journal.append(folder / METRICS, metrics)
        save_checkpoint(folder, learner, progress)
        listener.on_epoch(metrics)


def _out_of_patience(progress: Progress, training: Training) -> bool:
    return 0 < training.patience <= progress.epoch - progress.best_epoch


def _epoch(learner: Learner, scenes: Scenes, progress: Progress, steps: int, listener: Listener) -> journal.Metrics:
    """One epoch of training; its means are read back from the device once, at the end."""
    config, epoch = learner.config, progress.epoch
    device = scenes.train.label.device
    draws = {purpose: generator(config.training.seed, purpose, epoch, device) for purpose in ("scenes", "locations")}
    torch.manual_seed(derive(config.training.seed, "dropout", epoch))
    order = batches(
        scenes.train, config.training.batch_size, draws["scenes"], canvas=scenes.canvas, scenes=config.data.scenes
    )
    learner.model.train()
    sums, rate = torch.zeros(6, device=device), 0.0
    for step, batch in enumerate(order, 1):
        rate = _set_learning_rate(learner, progress.step, steps)
        losses, norm = train_step(learner, batch, draws["locations"])
        sums += torch.stack([*(value.detach() for value in vars(losses).values()), norm])
        progress.step += 1
        listener.on_step(epoch + 1, step)
    total, classification, policy, baseline, reward, norm = (sums / steps).tolist()
    return {
        "learning_rate": rate,
        "loss": total,
        "classification_loss": classification,
        "policy_loss": policy,
        "baseline_loss": baseline,
        "train_error": 1 - reward / config.loss.reward_scale,
        "gradient_norm": norm,
    }


def _set_learning_rate(learner: Learner, step: int, steps: int) -> float:
    training = learner.config.training
    rate = learning_rate(
        step,
        steps * (training.decay_epochs or training.epochs),
        start=training.learning_rate,
        floor=min(training.min_learning_rate, training.learning_rate),
        schedule=training.schedule,
    )
    for group in learner.optimizer.param_groups:
        group["lr"] = rate
    return rate


def _write_test(path: Path, test: Evaluation) -> None:
    """Keep the result beside the run."""
    facts = {
        **asdict(test),
        "confusion": test.confusion.tolist(),
        "error_rate": test.error_rate,
        "interval": test.interval,
    }
    with written_aside(path) as file:
        file.write((json.dumps(facts, indent=2) + "\n").encode())
