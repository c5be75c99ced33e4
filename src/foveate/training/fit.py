"""A run from start to end: epochs of steps, validation, journal and checkpoints; then one look at the test set."""

from dataclasses import dataclass
from pathlib import Path

import torch

from foveate.config import Config, Training
from foveate.data.batches import num_batches
from foveate.data.home import usable_path
from foveate.data.modes import ordinary_modes
from foveate.speed.memory import keep_memory
from foveate.storage.exclusive import exclusive
from foveate.training.check import check, check_readable, choose_device, should_compile
from foveate.training.distributed import join
from foveate.training.epoch import Callback, Progress
from foveate.training.evaluate import Evaluation
from foveate.training.folder import check_folder, recorded_split
from foveate.training.run import Run, open_run
from foveate.training.scenes import load_scenes, resolve
from foveate.training.seeds import derive
from foveate.training.signals import GracefulInterrupt
from foveate.training.state import create_train_state


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


@ordinary_modes()
def fit(
    config: Config,
    folder: Path | str,
    *,
    resume: bool = False,
    overwrite: bool = False,
    listener: Callback | None = None,
) -> Summary:
    """Train what a config describes and keep it in a run folder.

    The folder holds config.json, machine.json (what else the numbers depend on), split.json (which image
    is in which split, by content), metrics.jsonl (one line per epoch), last.pt and previous.pt (checkpoints), best/
    (the model that is kept, see `from_pretrained`) and, at the end, test.json, or validation.json where `evaluate_on`
    says so.

    The model with the least validation error is kept, of equal ones the latest. The test set is read once,
    after training. On a CPU a run gives the same bits every time, however often it was stopped and resumed.
    Processes that torchrun started train one model together: each takes its share of every batch, the first one
    writes and calls the listener. Runs in threads of one process train one after the other. Memory that was
    used once is kept for reuse by the whole process. Modes of the caller change nothing: `no_grad`, the default
    type or device, and autocast up to rounding.

    Args:
        config: the settings.
        folder: where to keep the run.
        resume: go on with the run in `folder`, from its last checkpoint.
        overwrite: replace the run in `folder`.
        listener: methods to call while it trains.

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
        ['best', 'config.json', 'last.pt', 'machine.json', 'metrics.jsonl', 'previous.pt', 'split.json', 'test.json']
    """
    folder = usable_path(folder)
    training = config.training
    check(config)
    check_readable(config, folder)
    device = choose_device(training.device)
    world = join(device)
    resume = bool(world.all_reduce_max(world.is_main_process and check_folder(folder, config, resume, overwrite)))

    # The data decides what the config left open.
    record = recorded_split(folder, config) if resume else None
    scenes = load_scenes(config.data, device, record=record, complete=resume)
    config = resolve(config, scenes)
    training = config.training
    check_readable(config, folder)  # again: it has the names of the classes now
    steps = num_batches(scenes.train, training.batch_size, epoch_size=config.data.epoch_size) * training.epochs
    compiled = should_compile(training, steps, device, world.size)
    keep_memory()

    devices = [device] if device.type == "cuda" else []
    with exclusive(training.threads), torch.random.fork_rng(devices=devices):
        torch.manual_seed(derive(training.seed, "parameters"))
        state = create_train_state(config, device, world, compiled)
        with open_run(folder, state, scenes, resume=resume, overwrite=overwrite) as run:
            _train(run, listener if listener and world.is_main_process else Callback())
            result = run.evaluate_best()
    return Summary(folder, config, run.progress, result)


def _train(run: Run, listener: Callback) -> None:
    """Train the epochs that are left; a signal stops the run between two steps, after a checkpoint."""
    progress = run.progress
    training = run.state.config.training
    listener.on_start(run.state.config, progress.epoch, len(run.epoch.batches))
    for note in run.notes():
        listener.on_note(note)
    with GracefulInterrupt(run.world.all_reduce_max) as stop:
        while progress.epoch < training.epochs and not _out_of_patience(progress, training):
            for step in run.epoch.run():
                listener.on_step(progress.epoch + 1, step)
                run.save_if_due()
                stop.check(first=run.save)
            listener.on_epoch(run.end_epoch())
            listener.on_validation_end(progress.epoch, run.state.result, run.scenes.validation)
            stop.check()


def _out_of_patience(progress: Progress, training: Training) -> bool:
    return 0 < training.patience <= progress.epoch - progress.improved_epoch
