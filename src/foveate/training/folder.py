"""The folder of a run: names of its files, and whether a run may begin or go on in it."""

from dataclasses import replace
from pathlib import Path

from foveate.config import Config, Data
from foveate.data.sources import NAMES
from foveate.data.split_record import SplitRecord
from foveate.settings import read
from foveate.training.derive import derive_as_saved
from foveate.training.distributed import restarted
from foveate.training.scenes import read_record

CONFIG = "config.json"
MACHINE = "machine.json"
METRICS = "metrics.jsonl"
BEST = "best"
RESULTS = {"test": "test.json", "validation": "validation.json"}  # by the split of the final evaluation


def check_folder(folder: Path, config: Config, resume: bool, overwrite: bool) -> bool:
    """Whether to resume the folder's run: as asked, or because this process replaces one that died.

    Raises:
        ValueError, FileNotFoundError: if there is a run and none should be, or none to resume, or another.
    """
    if restarted() and (folder / CONFIG).is_file():
        before = read(folder / CONFIG)
        training = replace(config.training, compile=before.training.compile)
        resume = resume or derive_as_saved(replace(config, training=training), before) == before
    if resume:
        _check_resume(folder, config)
    else:
        check_new(folder, overwrite)
    return resume


def check_new(folder: Path, overwrite: bool) -> None:
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
    same = derive_as_saved(config, before)
    if same.model != before.model or not _same_data(same.data, before.data):
        raise ValueError(f"A resumed run should keep its model and data. Found others than in `{folder / CONFIG}`.")
    now, then = ((training.optimizer, training.ema_decay > 0) for training in (config.training, before.training))
    if now != then:
        raise ValueError(
            f"A resumed run should keep its `optimizer` and `ema_decay`. Found others than in `{folder / CONFIG}`."
        )


def _same_data(now: Data, then: Data) -> bool:
    """Whether a run goes on with its data; a folder may have moved, for its images are known by content."""
    moved = now.source not in NAMES and then.source not in NAMES
    return now == (replace(then, source=now.source) if moved else then)


def recorded_split(folder: Path, config: Config) -> SplitRecord | None:
    """Return the split that the run to resume began with; its images are where the config says, if that is new."""
    record = read_record(folder, config.data)
    if record and config.data.source != read(folder / CONFIG).data.source:
        return replace(record, source=config.data.source)
    return record
