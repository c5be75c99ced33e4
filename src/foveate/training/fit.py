"""A run from start to end: epochs of steps, validation, journal and checkpoints; then one look at the test set."""

import json
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch

from foveate.config import Config, Training
from foveate.data.batches import num_batches
from foveate.settings import read
from foveate.training.check import check, choose_device
from foveate.training.epoch import Listener, Progress
from foveate.training.evaluate import Evaluation, evaluate
from foveate.training.files import make_folder, written_aside
from foveate.training.fusion import choose_fusion
from foveate.training.interrupt import Interrupts
from foveate.training.launch import join, restarted
from foveate.training.learner import make_learner
from foveate.training.lock import locked
from foveate.training.memory import keep_memory
from foveate.training.pretrained import from_pretrained
from foveate.training.run import BEST, CONFIG, RESULTS, Run
from foveate.training.scenes import load_scenes, resolve
from foveate.training.seeds import derive
from foveate.training.take_over import take_over


@dataclass(frozen=True)
class Summary:
    """What came of a run."""

    folder: Path
    """Where it is kept."""
    config: Config
    """Its settings, with what the data filled in."""
    progress: Progress
    """How far it went, and the validation error that chose the model."""
    result: Evaluation
    """What the model that is kept does on the split `evaluate_on`."""

    @property
    def test(self) -> Evaluation | None:
        """The one look at the test set; None where it was left alone."""
        return self.result if self.config.training.evaluate_on == "test" else None


def fit(
    config: Config,
    folder: Path | str,
    *,
    resume: bool = False,
    overwrite: bool = False,
    listener: Listener | None = None,
) -> Summary:
    """Train what a config describes and keep it in a run folder.

    The folder holds config.json, metrics.jsonl (a line an epoch), last.pt and previous.pt (to resume from), best/ (the
    model that is kept, see `from_pretrained`) and, at the end, test.json (validation.json where `evaluate_on` says so).
    The model is chosen by validation error, or is the last where the validation images are trained on too (`train_on`);
    the test set is looked at once, after training. On a CPU a run is bit for bit the same every time, however often it
    was stopped and resumed. Processes that torchrun started train it together, each with its share of every batch; the
    first writes, and tells the listener. For the whole process it sets the number of threads, and that memory once used
    is kept for reuse.

    Args:
        config: the settings.
        folder: where to keep the run.
        resume: go on with the run in `folder`, from its last checkpoint.
        overwrite: replace the run in `folder`.
        listener: is told how it goes.

    Raises:
        ValueError: if a setting is impossible, or the folder already holds a run, or another process writes there.
        FileNotFoundError: if the data, or the run to resume, is not there.
        Stopped: (a KeyboardInterrupt) after Ctrl-C or SIGTERM, once the step is done and saved.

    Example:
        >>> import tempfile
        >>> from foveate.config import Config, Data, Training
        >>> config = Config(data=Data(source="digits"), training=Training(epochs=1))
        >>> summary = fit(config, tempfile.mkdtemp())
        >>> sorted(file.name for file in summary.folder.iterdir())
        ['best', 'config.json', 'last.pt', 'metrics.jsonl', 'previous.pt', 'test.json']
    """
    folder, training = Path(folder), config.training
    check(config)
    torch.set_num_threads(training.threads)
    device = choose_device(training.device)
    ranks = join(device)
    resume = bool(ranks.agree(ranks.first and _goes_on(folder, config, resume, overwrite)))
    scenes = load_scenes(config.data, device)
    config = resolve(config, scenes)
    steps = num_batches(scenes.train, training.batch_size, scenes=config.data.scenes) * training.epochs
    compiled = choose_fusion(training, steps, device, ranks.size)
    keep_memory()
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(derive(training.seed, "parameters"))
        run = Run(folder, make_learner(config, device, ranks, compiled), scenes)
        with _held(folder) if ranks.first else nullcontext():
            if resume:
                run.resume()
            else:
                if ranks.first:
                    _check_new(folder, overwrite)  # again: another process may have begun one here, and be done
                if training.pretrained:
                    take_over(run.learner.model, from_pretrained(training.pretrained, device))
                run.begin()
            _train(run, listener if listener and ranks.first else Listener())
            best = from_pretrained(folder / BEST, device) if ranks.first else run.learner.best
            result = evaluate(best, getattr(scenes, training.evaluate_on))
            if ranks.first:
                _write_result(folder / RESULTS[training.evaluate_on], result)
    return Summary(folder, config, run.progress, result)


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """The folder, made and locked."""
    make_folder(folder)
    with locked(folder):
        yield


def _goes_on(folder: Path, config: Config, resume: bool, overwrite: bool) -> bool:
    """Whether to go on with the folder's run: as asked, or because this process replaces one that died."""
    if restarted() and (folder / CONFIG).is_file():
        before = read(folder / CONFIG)
        model = replace(config.model, image=before.model.image, classes=before.model.classes)
        training = replace(config.training, compile=before.training.compile)
        resume = resume or replace(config, model=model, training=training) == before
    if resume:
        _check_resume(folder, config)
    else:
        _check_new(folder, overwrite)
    return resume


def _check_new(folder: Path, overwrite: bool) -> None:
    """A run is never written over unasked."""
    if (folder / CONFIG).exists() and not overwrite:
        raise ValueError(
            f"`{folder}` should be a new folder. Found a run in it: resume it, overwrite it, or choose another."
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


def _train(run: Run, listener: Listener) -> None:
    """All epochs that are left; a signal is obeyed between two steps, once all is saved."""
    progress, training = run.progress, run.learner.config.training
    listener.on_start(run.learner.config, progress.epoch, len(run.epoch.batches))
    with Interrupts(run.ranks.agree) as stop:
        while progress.epoch < training.epochs and not _out_of_patience(progress, training):
            for step in run.epoch.run():
                listener.on_step(progress.epoch + 1, step)
                run.after_step(stop)
            listener.on_epoch(run.end_epoch())
            listener.on_model(progress.epoch, run.learner.result, run.scenes.validation)
            stop.obey()


def _out_of_patience(progress: Progress, training: Training) -> bool:
    return 0 < training.patience <= progress.epoch - progress.best_epoch


def _write_result(path: Path, result: Evaluation) -> None:
    """Keep the result beside the run."""
    facts = {
        **asdict(result),
        "confusion": result.confusion.tolist(),
        "error_rate": result.error_rate,
        "interval": result.interval,
    }
    with written_aside(path) as file:
        file.write((json.dumps(facts, indent=2) + "\n").encode())
