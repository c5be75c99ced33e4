"""A GPU gives what the CPU gives, to rounding, and a run on it is the same every time. Skipped where there is none."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from benchmarks.workload import MNIST, trainer
from foveate import SpatialGlimpse, evaluate, fit, from_pretrained
from foveate.cli import main
from foveate.config import Model
from foveate.data.canvas import Canvas
from foveate.data.records import InMemory
from foveate.reward.loss import HybridLoss
from foveate.speed.unrolled import unrolled
from foveate.training.build import build
from foveate.training.check import choose_device
from foveate.training.scenes import load_scenes
from foveate.training.state import create_train_state
from training.tiny import Interrupt, metrics, outcome, tiny

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="Needs a GPU.")
CPU, GPU = torch.device("cpu"), torch.device("cuda")
MODEL = Model(
    image=(2, 28, 20),
    classes=("a", "b", "c"),
    num_glimpses=4,
    depth=2,
    hidden_size=24,
    join_width=40,
    locator_width=16,
    dropout=0.0,
    baseline="value",
)


def images(number: int = 40) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randint(0, 256, (number, 2, 28, 20), dtype=torch.uint8), torch.randint(0, 3, (number,))


def close(one: torch.Tensor, two: torch.Tensor, tolerance: float = 1e-5) -> None:
    """Relative distance of two tensors, on whichever devices."""
    one, two = one.cpu().double(), two.cpu().double()
    assert (one - two).norm() <= tolerance * two.norm() + 1e-12


@pytest.mark.parametrize("kind", ["uint8", "float", "strided"])
@pytest.mark.parametrize(("depth", "scale"), [(1, 2), (3, 2), (3, 1.5)])
def test_a_glimpse_is_that_of_the_cpu(kind: str, depth: int, scale: float):
    image = torch.randint(0, 256, (6, 3, 40, 30), dtype=torch.uint8)
    if kind == "float":
        image = image / 255
    location = torch.rand(12, 2) * 3 - 1.5
    sensor = SpatialGlimpse(size=(8, 6), depth=depth, scale=scale)
    there, here = image.cuda(), image
    if kind == "strided":
        there, here = there.transpose(2, 3), here.transpose(2, 3)
    close(sensor(there, location.cuda()), sensor(here, location), 1e-6)


@pytest.mark.parametrize("changes", [{}, {"ensemble": 2}, {"core": "lstm"}, {"first_glimpse": "center"}])
def test_a_rollout_by_the_mean_policy_is_that_of_the_cpu(changes: dict[str, object]):
    model = build(dataclasses.replace(MODEL, **changes)).eval()
    image, _ = images()
    with torch.no_grad():
        here = model(image)
        there = model.cuda()(image.cuda())
    close(there.locations, here.locations)
    close(there.logits, here.logits)
    close(there.baselines, here.baselines)


@pytest.mark.parametrize("ensemble", [1, 2])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-4), (torch.bfloat16, 0.1)])
def test_the_fast_form_has_the_gradients_of_the_loop(ensemble: int, dtype: torch.dtype, tolerance: float):
    model = build(dataclasses.replace(MODEL, ensemble=ensemble)).cuda().train()
    image, label = (value.cuda() for value in images())
    criterion = HybridLoss()
    draws = torch.Generator("cuda").manual_seed(1)
    with torch.autocast("cuda", dtype, enabled=dtype != torch.float32):
        rollout = model(image, num_rollouts=2, every_answer=False, generator=draws)
    criterion(rollout, label).total.backward()
    expected = {name: parameter.grad for name, parameter in model.named_parameters()}
    draws = torch.Generator("cuda").manual_seed(1)
    _, found = unrolled(model, criterion, image, label, num_rollouts=2, generator=draws, dtype=dtype)
    for name, slope in expected.items():
        if slope is not None:
            close(found[name], slope, tolerance)


@pytest.mark.parametrize("kind", ["translated", "cluttered"])
def test_scenes_are_drawn_on_the_gpu(kind: str):
    """Every scene holds its image: as much brightness as the image has, and more where there is clutter."""
    canvas = Canvas(kind, (60, 60), 4 if kind == "cluttered" else 0)
    image = torch.randint(1, 256, (20, 1, 28, 28), dtype=torch.uint8, device=GPU)
    pool = InMemory(image, torch.zeros(20, dtype=torch.int64, device=GPU))
    scene = canvas(image, pool, torch.Generator(GPU).manual_seed(0))
    assert scene.device.type == "cuda"
    total = scene.float().sum((1, 2, 3))
    alone = image.float().sum((1, 2, 3))
    assert bool((total == alone).all() if kind == "translated" else (total >= alone * 0.5).all())


GPU_RUNS = {
    "loop": {"core": "lstm", "dropout": 0.3},
    "fast": {"dropout": 0.3, "ema_decay": 0.9, "num_rollouts": 2, "baseline": "leave-one-out"},
    "momentum": {"optimizer": "sgd", "max_grad_norm": 1.0, "max_weight_norm": 2.0},
    "scenes": {"canvas": "cluttered", "canvas_size": 12, "distractors": 2, "first_glimpse": "random"},
    "bf16": {"precision": "bf16"},
}


@pytest.mark.parametrize("settings", GPU_RUNS.values(), ids=GPU_RUNS)
def test_a_run_is_the_same_every_time_interrupted_or_not(settings: dict[str, object], tmp_path: Path):
    config = tiny(**settings, device="cuda")
    fit(config, tmp_path / "one")
    fit(config, tmp_path / "two")
    with pytest.raises(KeyboardInterrupt):
        fit(config, tmp_path / "three", listener=Interrupt(2, 2))
    fit(config, tmp_path / "three", resume=True)
    assert outcome(tmp_path / "two") == outcome(tmp_path / "one")
    assert outcome(tmp_path / "three") == outcome(tmp_path / "one")


def test_a_compiled_run_is_the_same_every_time(tmp_path: Path):
    """In a process of its own, since the checker of shapes and `torch.compile` exclude each other."""
    options = "--epochs 2 --num-rollouts 2 --compile on --device cuda --evaluate-on validation"
    for name in ("one", "two"):
        command = [sys.executable, "-m", "foveate", "train", "digits", *options.split(), "--folder", name]
        subprocess.run(command, cwd=tmp_path, check=True)
    assert metrics(tmp_path / "two") == metrics(tmp_path / "one")


def test_a_model_trained_on_a_gpu_answers_on_a_cpu(tmp_path: Path):
    config = tiny(device="cuda", epochs=3)
    fit(config, tmp_path)
    data = load_scenes(config.data, CPU).test
    here = evaluate(from_pretrained(tmp_path / "best", CPU), data)
    there = evaluate(from_pretrained(tmp_path / "best", GPU), data.to(GPU))
    assert abs(here.num_errors - there.num_errors) <= 2


@pytest.mark.filterwarnings("ignore:Synchronization debug mode")
def test_a_step_never_waits_for_the_gpu():
    step = trainer(MNIST, 64, "bf16", device="cuda")
    for _ in range(3):
        step()
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(3):
            step()
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_the_commands_run_on_a_gpu(tmp_path: Path):
    folder = str(tmp_path / "run")
    small = ["--epochs", "2", "--num-glimpses", "3", "--device", "cuda", "--folder", folder]
    assert main(["train", "digits", *small]) == 0
    assert main(["evaluate", folder, "--device", "cuda", "--json"]) == 0
    assert main(["look", folder, "--device", "cuda", "--out", str(tmp_path / "looks")]) == 0


def test_auto_takes_the_gpu_and_half_precision():
    state = create_train_state(tiny(image=(1, 8, 8), classes=("a", "b"), precision="auto"), choose_device("auto"))
    assert next(state.model.parameters()).device.type == "cuda"
    assert state.precision == "bf16"
