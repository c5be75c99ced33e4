"""Several processes: shares of draws make the whole, two ranks are one process, and one that dies is no loss."""

import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import Generator, nn
from torch.distributed import TCPStore  # pyright: ignore[reportPrivateImportUsage]

from foveate import fit, settings
from foveate.config import Config
from foveate.training.distributed import ALONE, World, speaks
from training.tiny import Interrupt, metrics, outcome, tiny

SCRIPT = Path(__file__).with_name("ranks.py")
TASKS = {
    "plain": {"batch_size": 33, "epoch_size": 132},
    "rich": {
        "canvas": "cluttered",
        "canvas_size": 12,
        "distractors": 2,
        "dropout": 0.3,
        "num_rollouts": 3,
        "baseline": "leave-one-out",
        "first_glimpse": "random",
        "core": "lstm",
        "ema_decay": 0.9,
    },
    "mean": {"baseline": "batch-mean", "num_rollouts": 2, "dropout": 0.5, "max_grad_norm": 0.1, "patience": 1},
}
TOLERANCE = 2e-5  # of any weight, after two epochs; one step of Adam moves one by up to 5e-3


def torchrun(folder: Path, processes: int, *arguments: str | int, restarts: int = 0) -> None:
    """Train the recipes of a folder in so many processes."""
    command = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    command += ["--max-restarts", str(restarts), str(SCRIPT), str(folder), *map(str, arguments)]
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr[-3000:]


def write(folder: Path, tasks: dict[str, Config]) -> Path:
    """A folder of recipes."""
    folder.mkdir(parents=True)
    for name, config in tasks.items():
        (folder / f"{name}.toml").write_text(settings.to_toml(config))
    return folder


def assert_close(one: Path, other: Path) -> None:
    """Two runs are one, to rounding."""
    for left, right in zip(metrics(one), metrics(other), strict=True):
        assert left == pytest.approx(right, rel=1e-3, abs=1e-4)
        assert left["validation_error"] == right["validation_error"]
    weights = [load_file(path / "best" / "model.safetensors") for path in (one, other)]
    for name, tensor in weights[0].items():
        torch.testing.assert_close(tensor, weights[1][name], rtol=0, atol=TOLERANCE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All tasks, trained by two world."""
    folder = write(tmp_path_factory.mktemp("two") / "runs", {name: tiny(**task) for name, task in TASKS.items()})
    torchrun(folder, 2)
    return folder


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks Linux for the names of threads")
def test_no_thread_of_the_group_is_left_when_a_process_ends(folder: Path):
    """One that still held a tensor would abort it ("terminate called without an active exception"), now and then."""
    for rank in range(2):
        names = (folder / f"{rank}.threads").read_text().split()
        assert "python" in " ".join(names)
        assert not [name for name in names if "gloo" in name]


@pytest.mark.parametrize("name", TASKS)
def test_two_ranks_are_one_process(folder: Path, tmp_path: Path, name: str):
    """Scenes, noise, dropout, losses, metrics and early stopping: all as with the whole batch in one process."""
    fit(tiny(**TASKS[name]), tmp_path)
    assert_close(folder / name, tmp_path)


@pytest.mark.parametrize("name", TASKS)
def test_replicas_are_bit_equal(folder: Path, name: str):
    first, second = ((folder / f"{name}.{rank}.hash").read_text() for rank in range(2))
    assert first == second


def test_only_the_first_rank_writes(folder: Path):
    """What one process would leave, nothing more, and every line of the journal once."""
    assert sorted(path.name for path in (folder / "plain").iterdir()) == [
        "best",
        "config.json",
        "last.pt",
        "machine.json",
        "metrics.jsonl",
        "previous.pt",
        "split.json",
        "test.json",
    ]
    assert [line["epoch"] for line in metrics(folder / "plain")] == [1, 2]


def test_a_run_of_two_goes_on_as_one(folder: Path, tmp_path: Path):
    """And is what it would have been alone all the time."""
    config = tiny(epochs=3, anneal_epochs=2, **TASKS["plain"])
    (folder / "plain").rename(folder / "moved")
    fit(config, folder / "moved", resume=True)
    fit(config, tmp_path / "alone")
    assert_close(folder / "moved", tmp_path / "alone")


@pytest.mark.slow
def test_a_rank_that_is_killed_is_brought_back_and_nothing_is_lost(folder: Path, tmp_path: Path):
    """The second rank dies in the second epoch; the run ends as one that was spared, to the last bit."""
    killed = write(tmp_path / "killed", {"rich": tiny(**TASKS["rich"])})
    torchrun(killed, 2, 1, 6, restarts=1)
    assert outcome(killed / "rich") == outcome(folder / "rich")


DRAWS = {
    "rand": lambda n, draws: torch.rand((n, 2), generator=draws),
    "rand-sizes": lambda n, draws: torch.rand(n, 5, generator=draws, device="cpu"),
    "randn": lambda n, draws: torch.randn(torch.Size([n, 2]), generator=draws, dtype=torch.float32),
    "randint": lambda n, draws: torch.randint(7, (n, 3), generator=draws),
    "randint-low": lambda n, draws: torch.randint(-2, 7, (n,), generator=draws),
}


@given(st.sampled_from(sorted(DRAWS)), st.integers(1, 5), st.integers(0, 9), st.integers(1, 3))
def test_the_shares_of_a_draw_are_the_draw(kind: str, size: int, more: int, rollouts: int):
    batch, draw = size + more, DRAWS[kind]
    whole = draw(rollouts * batch, Generator().manual_seed(0)).unflatten(0, (rollouts, batch))
    generators, parts = [Generator().manual_seed(0) for _ in range(size)], []
    for rank, draws in enumerate(generators):
        with World(rank, size).shard(batch) as part:
            images = part.stop - part.start
            parts.append(draw(rollouts * images, draws).unflatten(0, (rollouts, images)))
    assert torch.equal(torch.cat(parts, 1), whole)
    assert len({bytes(draws.get_state().numpy()) for draws in generators}) == 1, "all are where one would be"


@given(st.integers(1, 4), st.integers(0, 5), st.integers(1, 2), st.booleans())
def test_the_shares_of_dropout_are_the_dropout(size: int, more: int, rollouts: int, training: bool):
    batch, layer = size + more, nn.Dropout(0.5).train(training)
    value = torch.randn(1, rollouts * batch, 3)
    torch.manual_seed(0)
    whole = layer(value).unflatten(1, (rollouts, batch))
    for rank in range(size):
        torch.manual_seed(0)
        with World(rank, size).shard(batch) as part:
            mine = value.unflatten(1, (rollouts, batch))[:, :, part].flatten(1, 2)
            assert torch.equal(layer(mine).unflatten(1, (rollouts, -1)), whole[:, :, part])


def test_draws_without_a_generator_and_outside_of_a_share_are_left_alone():
    with World(1, 2).shard(4):
        assert torch.rand(3, 2).shape == (3, 2)
    assert torch.rand(4, generator=Generator()).shape == (4,)


def test_one_process_takes_everything_and_asks_nobody():
    with ALONE.shard(5) as part:
        assert part == slice(0, 5)
        assert not torch.overrides._get_current_function_mode_stack()
    assert ALONE.all_reduce_max(3) == 3
    assert ALONE.broadcast(lambda: {"a": 1}) == {"a": 1}


def test_a_batch_has_an_image_for_every_rank():
    with pytest.raises(ValueError, match=r"an image for each of 3 processes\. Found 2"), World(0, 3).shard(2):
        pass


@given(st.integers(1, 50), st.integers(1, 9))
def test_parts_make_the_batch_and_differ_by_one_image_at_most(more: int, size: int):
    batch, parts = size + more, []
    for rank in range(size):
        with World(rank, size).shard(batch) as part:
            parts.append(part)
    assert [image for part in parts for image in range(part.start, part.stop)] == list(range(batch))
    assert max(part.stop - part.start for part in parts) <= math.ceil(batch / size)


def test_a_process_that_replaces_one_that_died_goes_on_unasked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Where nothing was begun it begins, and a process that replaces none is refused a run that is there."""
    fit(tiny(), tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        fit(tiny(), tmp_path / "run", listener=Interrupt(1, 2))
    for name in ("foveate.training.distributed.launched", "foveate.training.fit.join"):
        monkeypatch.setattr(name, lambda *device: ALONE)  # torchrun's part of it is tried elsewhere
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "0")
    with pytest.raises(ValueError, match="should be a new folder"):
        fit(tiny(), tmp_path / "run")
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    fit(tiny(), tmp_path / "run")
    fit(tiny(), tmp_path / "begun")
    assert outcome(tmp_path / "run") == outcome(tmp_path / "begun") == outcome(tmp_path / "whole")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("--batch-size 0", "`batch_size` should be at least 1. Found `batch_size = 0`."),
        ("--epoch 3", "Unknown option: --epoch. Did you mean --epochs?"),
        ("--source ./nowhere", "`source` should be a folder with one subfolder per class. Found nothing at `nowhere`."),
        ("--hidden-size 2000000", "There is not enough memory for that: try smaller sizes or batches."),
        ("--batch-size 2 --folder run", "A batch should have an image for each of 3 processes. Found 2 images."),
    ],
)
def test_torchrun_says_an_error_once(tmp_path: Path, arguments: str, sentence: str):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "3", "-m", "foveate"]
    command += ["train", "digits", *arguments.split()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=tmp_path)
    assert done.returncode != 0
    assert [line for line in done.stderr.splitlines() if "foveate: " in line] == [f"foveate: {sentence}"]


def test_of_several_processes_one_says_an_error(monkeypatch: pytest.MonkeyPatch):
    """Each sentence once, and none about a lost process where another has said why."""
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    environment = {
        "TORCHELASTIC_RUN_ID": "run",
        "TORCHELASTIC_RESTART_COUNT": "0",
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(store.port),
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    lost = ConnectionError("one gone")
    assert [speaks(lost), speaks(lost)] == [True, False]
    assert [speaks(ValueError("a")), speaks(ValueError("a")), speaks(ValueError("b"))] == [True, False, True]
    assert not speaks(ConnectionError("another gone"))
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    assert speaks(ValueError("a"))
