"""A run from start to end: epochs of steps, validation, journal and checkpoints; then one look at the test set."""

import json
import shutil
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch

from saccade.config import Config, Training
from saccade.data.batches import num_batches
from saccade.settings import read, to_json
from saccade.training import journal
from saccade.training.check import check, choose_device
from saccade.training.checkpoint import Progress, load_checkpoint, save_checkpoint
from saccade.training.epoch import Listener, train_epoch
from saccade.training.evaluate import Evaluation, evaluate
from saccade.training.files import written_aside
from saccade.training.learner import Learner, make_learner
from saccade.training.pretrained import from_pretrained, save_pretrained
from saccade.training.scenes import Scenes, load_scenes, resolve
from saccade.training.seeds import derive

CONFIG, METRICS, TEST, BEST = "config.json", "metrics.jsonl", "test.json", "best"


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
        shutil.rmtree(folder / BEST, ignore_errors=True)
        for name in (METRICS, TEST, CONFIG):
            (folder / name).unlink(missing_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    progress = Progress()
    save_checkpoint(folder, learner, progress)
    with written_aside(folder / CONFIG) as file:  # last: with it, what is in the folder is a run
        file.write(to_json(learner.config).encode())
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
        metrics = train_epoch(learner, scenes, progress, steps, listener)
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
