"""What TensorBoard reads: every number of metrics.jsonl, and pictures every few epochs; training is not disturbed."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from foveate.data.records import InMemory
from foveate.training.fit import fit
from foveate.viewing import tensorboard
from foveate.viewing.charts import plot_densities
from foveate.viewing.density import count_fixations, grid_size
from foveate.viewing.look import look
from foveate.viewing.scanpath import plot_looks
from foveate.viewing.tensorboard import GROUPS, TensorBoard
from training.tiny import metrics, outcome, tiny
from viewing.tiny import CLASSES, tiny_model

pytest.importorskip("tensorboard", reason="Needs the package tensorboard: `pip install 'foveate[tensorboard]'`.")


def read(folder: Path) -> Any:
    """What TensorBoard finds in a run folder."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder / "tensorboard"), {"images": 0, "scalars": 0})
    found.Reload()
    return found


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    fit(tiny(epochs=6), folder, listener=TensorBoard(folder))
    return folder


def test_every_number_is_a_curve(run: Path) -> None:
    found, lines = read(run), metrics(run)
    for group, fields in GROUPS.items():
        for field in set(fields) - {"images_per_second"}:
            points = found.Scalars(f"{group}/{field}")
            assert [point.step for point in points] == [1, 2, 3, 4, 5, 6]
            assert [point.value for point in points] == pytest.approx([line[field] for line in lines], rel=1e-5)
    told = {field for fields in GROUPS.values() for field in fields}
    assert set(lines[0]) - told == {"epoch", "step", "best_epoch"}


def test_pictures_come_every_few_epochs(run: Path) -> None:
    found = read(run)
    for name in ("scanpaths", "fixations"):
        images = found.Images(f"where it looks/{name}")
        assert [image.step for image in images] == [1, 5, 6]
        assert all(min(image.width, image.height) > 50 for image in images)


def test_pictures_show_the_mean_policy_over_the_first_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: dict[str, np.ndarray] = {}
    monkeypatch.setattr(TensorBoard, "_show", lambda self, name, drawn, epoch: shown.update({name: drawn.pixels()}))
    model, pixels = tiny_model(init_range=1.2), torch.randint(0, 256, (6, 1, 20, 30), dtype=torch.uint8)
    writer, images = TensorBoard(tmp_path), InMemory(pixels, torch.arange(6) % 3)
    writer.on_start(tiny(), 0, 4)
    writer.on_validation_end(1, model, images)
    looks = [look(model, pixels[i], label=CLASSES[i % 3], policy="mean") for i in range(4)]
    assert np.array_equal(shown["scanpaths"], plot_looks(looks).pixels())
    counts = count_fixations(model.eval()(pixels).locations.detach(), grid_size((20, 30)))
    panels = plot_densities(counts.unsqueeze(0), [pixels.float().mean((0, 1)) / 255]).pixels()
    assert np.abs(shown["fixations"].astype(int) - panels).max() <= 1  # the mean's last digit


def test_the_run_is_the_same_without_it(run: Path, tmp_path: Path) -> None:
    fit(tiny(epochs=6), tmp_path / "run")
    assert outcome(tmp_path / "run") == outcome(run)


def write(folder: Path, done: int, *epochs: int) -> None:
    """What is told of a run that goes on after `done` epochs."""
    writer = TensorBoard(folder)
    writer.on_start(tiny(), done, 4)
    for epoch in epochs:
        writer.on_epoch({"epoch": epoch, "loss": float(epoch)})


def test_a_resumed_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    """Also where more had been told than its checkpoint knows."""
    write(tmp_path, 0, 1, 2, 3)
    write(tmp_path, 1, 2, 3, 4)
    assert [point.step for point in read(tmp_path).Scalars("loss/loss")] == [1, 2, 3, 4]


def test_an_overwritten_run_begins_anew(tmp_path: Path) -> None:
    write(tmp_path, 0, 1, 2)
    write(tmp_path, 0, 1)
    assert len(list((tmp_path / "tensorboard").iterdir())) == 1
    assert [point.step for point in read(tmp_path).Scalars("loss/loss")] == [1]


def test_without_the_package_it_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ValueError, match=r"pip install 'foveate\[tensorboard\]'"):
        tensorboard.TensorBoard(tmp_path)
