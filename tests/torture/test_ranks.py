"""Many processes for longer: four ranks, two hosts, one killed on either, another number of ranks after each stop."""

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from foveate import fit
from foveate.speed.compile import can_compile
from torture.figures import note
from training.test_distributed import SCRIPT, TASKS, assert_close, torchrun, write
from training.tiny import metrics, tiny

pytestmark = pytest.mark.torture
HOSTS = ("127.0.0.1", "127.0.0.2")


def hashes(folder: Path, name: str, size: int) -> set[str]:
    """What the ranks ended with."""
    return {(folder / f"{name}.{rank}.hash").read_text() for rank in range(size)}


def check_all(folder: Path, size: int, **settings: Any) -> None:
    """This many ranks train every task as one process does, and end with the same bits."""
    write(folder / "runs", {name: tiny(**task, **settings) for name, task in TASKS.items()})
    torchrun(folder / "runs", size)
    for name, task in TASKS.items():
        fit(tiny(**task), folder / "alone" / name)
        assert_close(folder / "runs" / name, folder / "alone" / name)
        assert len(hashes(folder / "runs", name, size)) == 1


@pytest.mark.parametrize("size", [3, 4])
def test_more_ranks_are_one_process(size: int, tmp_path: Path, request: pytest.FixtureRequest):
    check_all(tmp_path, size)
    note(request, "runs of 3 or 4 ranks compared with one process", len(TASKS))


@pytest.mark.skipif(not can_compile(torch.device("cpu")), reason="Compiling steps needs a C++ compiler: install g++.")
def test_two_ranks_with_compiled_steps_are_one_process(tmp_path: Path, request: pytest.FixtureRequest):
    """Shares of the noise, of dropout and of the scenes' draws are handed out as in steps that are not compiled."""
    check_all(tmp_path, 2, compile="on")
    note(request, "runs of 2 ranks with compiled steps compared with one uncompiled process", len(TASKS))


@pytest.mark.parametrize("who", range(4))
def test_any_rank_of_four_may_die(who: int, tmp_path: Path, request: pytest.FixtureRequest):
    folder = write(tmp_path / "runs", {"rich": tiny(**TASKS["rich"])})
    torchrun(folder, 4, who, 5 + who % 3, restarts=1)
    fit(tiny(**TASKS["rich"]), tmp_path / "alone")
    assert_close(folder / "rich", tmp_path / "alone")
    assert len(hashes(folder, "rich", 4)) == 1
    note(request, "ranks killed and restarted", 1)


def test_a_run_goes_on_at_every_size_in_turn(tmp_path: Path, request: pytest.FixtureRequest):
    """One, four, two, three and one process, an epoch each; as one process all the time."""
    tasks = {"epochs": 5, "anneal_epochs": 5, **TASKS["rich"]}
    for epochs, size in enumerate((1, 4, 2, 3, 1), 1):
        config = tiny(**{**tasks, "epochs": epochs})
        if size == 1:
            fit(config, tmp_path / "runs" / "rich", resume=epochs > 1)
            continue
        (tmp_path / "runs" / "rich.toml").unlink(missing_ok=True)
        folder = tmp_path / "again" / str(epochs)
        write(folder, {"rich": config})
        (tmp_path / "runs" / "rich").rename(folder / "rich")
        torchrun(folder, size)
        (folder / "rich").rename(tmp_path / "runs" / "rich")
        note(request, "changes of the number of ranks", 1)
    fit(tiny(**tasks), tmp_path / "alone")
    assert_close(tmp_path / "runs" / "rich", tmp_path / "alone")


def hosts(folder: Path, *arguments: str | int) -> list[subprocess.Popen[str]]:
    """An agent of torchrun on each of two addresses, with a rank each."""
    with socket.socket() as free:
        free.bind((HOSTS[0], 0))
        endpoint = f"{HOSTS[0]}:{free.getsockname()[1]}"
    common = ["--nnodes", "2", "--nproc-per-node", "1", "--max-restarts", "2", "--rdzv-backend", "c10d"]
    common += ["--rdzv-endpoint", endpoint, "--rdzv-id", "torture"]
    command = [sys.executable, "-m", "torch.distributed.run", *common]
    return [
        subprocess.Popen(
            [*command, "--local-addr", host, str(SCRIPT), str(folder), *map(str, arguments)],
            stderr=subprocess.PIPE,
            text=True,
        )
        for host in HOSTS
    ]


@pytest.mark.parametrize("who", [-1, 0, 1])
def test_two_hosts_are_one_process(who: int, tmp_path: Path, request: pytest.FixtureRequest):
    """Left alone, or with the rank of either host killed."""
    folder = write(tmp_path / "runs", {"rich": tiny(**TASKS["rich"])})
    agents = hosts(folder, who, 6)
    said = [agent.communicate(timeout=600)[1] for agent in agents]
    assert [agent.returncode for agent in agents] == [0, 0], said
    fit(tiny(**TASKS["rich"]), tmp_path / "alone")
    assert_close(folder / "rich", tmp_path / "alone")
    assert len(hashes(folder, "rich", 2)) == 1
    note(request, "runs of two hosts", 1)


def test_sigterm_to_torchrun_saves_and_all_ranks_stop_after_the_same_step(
    tmp_path: Path, request: pytest.FixtureRequest
):
    config = tiny(**{**TASKS["rich"], "epochs": 300, "anneal_epochs": 300})
    folder = write(tmp_path / "runs", {"rich": config})
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "3"]
    with subprocess.Popen([*command, str(SCRIPT), str(folder)], stderr=subprocess.DEVNULL) as agent:
        while agent.poll() is None and not (folder / "rich" / "metrics.jsonl").exists():
            time.sleep(0.05)
        time.sleep(1)
        agent.send_signal(signal.SIGTERM)
    done = len(metrics(folder / "rich"))
    assert 1 <= done < 300
    stop = tiny(**{**TASKS["rich"], "epochs": done + 2, "anneal_epochs": 300})
    fit(stop, folder / "rich", resume=True)
    fit(stop, tmp_path / "alone")
    left, right = metrics(folder / "rich"), metrics(tmp_path / "alone")
    assert [line["step"] for line in left] == [line["step"] for line in right]
    assert left[-1]["learning_rate"] == right[-1]["learning_rate"]
    note(request, "runs of 3 ranks stopped by SIGTERM and continued by one process", 1)
