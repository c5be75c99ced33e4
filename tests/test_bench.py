"""`make bench`: its yardstick computes what the model computes, its floor is the model's own, its table is whole."""

import collections
import copy
import dataclasses
import itertools
import json
import re
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import loop, stopping, workload
from benchmarks.bench import TRAINED, bench, table
from benchmarks.floor import bare_products, operations, products
from benchmarks.questions import _rollout_cases, questions
from benchmarks.size_plot import plot_sizes
from benchmarks.timing import Report, allocated, alternate, compare
from benchmarks.workload import as_trained, endless
from foveate import recipes
from foveate.config import Config, Model
from foveate.data.augment import MAX_RANGE
from foveate.glimpse.sensor import SpatialGlimpse
from foveate.training.build import build
from foveate.training.derive import derive_data
from foveate.training.state import create_train_state
from foveate.training.step import train_step

CLASSES = tuple("0123456789")
PLAIN = Model(image=(1, 28, 28), classes=CLASSES, locator_width=0, dropout=0.0, std=0.22, baseline="value")
NARROW = dataclasses.replace(PLAIN, num_glimpses=3, what_width=8, where_width=8, hidden_size=16)
WORDS = {"topic": "", "case": "", "measures": "", "against": "", "unit": "s", "goal": 2.0}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a quick run leaves."""
    folder = tmp_path_factory.mktemp("bench")
    bench(folder, quick=True)
    return folder


@pytest.mark.parametrize(("side", "size", "depth"), [(28, (8, 8), 1), (60, (12, 12), 3), (20, (5, 4), 3)])
def test_yardstick_sees_the_same_glimpses(side: int, size: tuple[int, int], depth: int):
    sensor = SpatialGlimpse(size, depth)
    image = torch.randint(0, 256, (4, 2, side, side), dtype=torch.uint8)
    location = torch.rand(8, 2) * 2.4 - 1.2
    plain = loop.LoopGlimpse(sensor)
    assert torch.equal(plain(image, location), sensor(image, location))
    assert not torch.equal(plain(image, location), sensor(image, location.flip(1)))


def test_yardstick_learns_the_same():
    """Three steps: the losses, and so the updates before them, are those of a step of `fit`."""
    training = dataclasses.replace(workload.PLAIN, precision="fp32")
    learner = create_train_state(Config(model=NARROW, training=training), torch.device("cpu"))
    learner.model.train()
    plain = loop.in_a_loop(learner.model)
    assert plain is not learner.model
    step = loop.plain_step(plain, copy.deepcopy(learner.criterion), torch.float32, torch.Generator().manual_seed(3))
    order, draws = endless(NARROW, 8), torch.Generator().manual_seed(3)
    for group in learner.optimizer.param_groups:
        group["weight_decay"] = 0.01  # AdamW's own, which the yardstick keeps
    for batch in itertools.islice(order, 3):
        losses, *_ = train_step(learner, batch, draws)
        torch.testing.assert_close(step(batch.image, batch.label), losses.total.detach(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("settings", [{}, {"what_width": 64, "join_width": 96}, {"depth": 3, "hidden_size": 128}])
def test_floor_counts_the_products_of_the_models_own_layers(settings: dict[str, int]):
    model = build(dataclasses.replace(PLAIN, **settings))
    join = model.glimpse.join
    layers = [model.glimpse.what[1], join[0], join[2], model.core.recurrent]
    assert [(p.inputs, p.outputs) for p in products(model)] == [(x.in_features, x.out_features) for x in layers]
    assert [p.input_gradient for p in products(model)] == [False, True, True, True]
    flops = [2 * layer.weight.numel() * (2 if layer is layers[0] else 3) for layer in layers]
    assert operations(model) == sum(flops) * model.num_glimpses


def test_every_column_has_its_products():
    """As many, in the same places, as a model of one column."""
    one, three = (build(dataclasses.replace(NARROW, ensemble=columns)) for columns in (1, 3))
    counts = collections.Counter(dataclasses.replace(product, name="") for product in products(one))
    assert collections.Counter(dataclasses.replace(p, name="") for p in products(three)) == counts + counts + counts
    assert operations(three) == 3 * operations(one)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_floor_does_as_many_operations_as_it_counts(dtype: torch.dtype):
    model = build(NARROW)
    with FlopCounterMode(display=False) as counter:
        bare_products(model, 5, dtype)()
    assert counter.get_total_flops() == 5 * operations(model)


def test_a_layer_that_is_added_is_counted():
    model = build(NARROW)
    before = operations(model)
    model.glimpse.join.append(nn.Linear(16, 16))
    assert operations(model) == before + 2 * 16 * 16 * 3 * model.num_glimpses


def test_ratios_are_of_the_same_turn():
    share = compare([2.0, 4.0, 5.0], [6.0, 8.0, 5.0], at_least=True, **WORDS)
    assert (share.amount, share.reference, share.value, share.low, share.high) == (4, 6, 2, 1, 3)
    part = compare([6.0, 8.0, 5.0], [2.0, 4.0, 5.0], at_least=False, **WORDS)
    assert (part.value, part.reached, share.reached) == (2, True, True)
    assert not compare([3.0], at_least=False, **WORDS).reached
    assert not compare([3.0], [3.0], at_least=True, **WORDS).reached


@pytest.mark.parametrize("name", TRAINED)
def test_a_recipe_is_measured_as_it_trains(name: str):
    config = recipes.read(name)
    model, canvas = as_trained(config)
    data = derive_data(config.data)
    assert (canvas.kind, canvas.distractors) == (data.canvas, data.distractors)
    assert canvas.size == model.image[1:] == (data.canvas_size or 28,) * 2
    assert not canvas.augmentation.is_identity
    assert all(getattr(canvas.augmentation, key) == getattr(data, key) for key in MAX_RANGE)
    seen = {"image": model.image, "classes": model.classes, "baseline": model.baseline}
    assert dataclasses.replace(config.model, **seen) == model


@pytest.mark.parametrize("able", [False, True])
def test_no_case_is_measured_twice(able: bool, monkeypatch: pytest.MonkeyPatch):
    for module in ("questions", "cases"):
        monkeypatch.setattr(f"benchmarks.{module}.can_compile", lambda device: able)
    cases = list(_rollout_cases({name: recipes.read(name) for name in TRAINED}, quick=False))
    assert len({(how, case, model.image) for how, case, model, _ in cases}) == len(cases) == 8
    assert [case[2] for _, case, *_ in cases] == [able] * 8


def test_forms_are_timed_by_turns():
    order: list[str] = []
    times = alternate([lambda: order.append("a"), lambda: order.append("b")], 3, seconds=0)
    assert [len(column) for column in times] == [3, 3]
    assert "".join(order) == "ab" + "ab" + "ababab"


def test_allocated_counts_new_memory_only():
    held = torch.zeros(100)
    assert allocated(lambda: held.view(10, 10).add_(1)) == 0
    assert allocated(lambda: (held + 1).mul_(2).reshape(10, 10) * 2) == 800


def test_quick_run_answers_every_question(folder: Path):
    report = Report.from_json((folder / "bench.json").read_text(encoding="utf-8"))
    assert set(questions({})) == set(questions({}, quick=True))
    topics = {line.topic for line in report.lines}
    assert topics - {"gpu"} == {"step", "scenes", "loop", "size", "rollouts", "memory", "start"}
    assert any("as `mnist` trains" in line.case for line in report.lines)
    said = table(report)
    for line in report.lines:
        assert line.low <= line.value <= line.high
        assert line.value > 0
        assert line.measures in said
        assert line.case in said


def test_json_round_trips_and_says_what_was_reached(folder: Path):
    text = (folder / "bench.json").read_text(encoding="utf-8")
    report = Report.from_json(text)
    assert report.to_json() == text
    assert [line["reached"] for line in json.loads(text)["lines"]] == [line.reached for line in report.lines]


def test_plot_draws_larger_costs_higher(folder: Path):
    lines = Report.from_json((folder / "bench.json").read_text(encoding="utf-8")).lines
    time, memory = (line for line in lines if line.topic == "size")
    axes = plot_sizes([dataclasses.replace(time, value=1.5), memory])
    curves = [list(line.get_ydata()) for line in axes.lines]
    assert curves == [[1.0, 1.5], [1.0, memory.value]]
    assert axes.get_ylim()[1] >= 2


def test_the_benchmark_of_stopping_counts_images(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(stopping, "BATCH", 20)
    monkeypatch.setattr(stopping, "REPEATS", 2)
    stopping.main("digits")
    words = capsys.readouterr().out
    slow, fast, ratio = (
        float(number.replace(",", "")) for number in re.findall(r"([\d,.]+) (?:images/s|with|times)", words)
    )
    assert words.startswith("digits: ")
    assert fast / slow == pytest.approx(ratio, abs=0.02)
