"""Workers: the runs of a sweep as processes, a bounded number side by side; all stop together, and can all go on."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence

from foveate.training.sweep import Run, train_command

PATIENCE = 60.0  # seconds that a worker has to write its checkpoint and go


def work(
    runs: Sequence[Run],
    workers: int,
    *,
    on_end: Callable[[Run, str | None], None] = lambda run, failure: None,
    on_wait: Callable[[Sequence[Run]], None] = lambda running: None,
    command: Callable[[Run], list[str]] = train_command,
) -> dict[str, str]:
    """Train what is not done, `workers` at a time; return why runs failed, which does not keep the others from it.

    A KeyboardInterrupt stops every worker so that it can go on later, and is raised again when all are gone.

    Args:
        runs: of a `plan`.
        workers: processes at a time, of one thread each.
        on_end: is told of every run that ends, with why it failed, if it did.
        on_wait: is told several times a second what is running.
        command: what to run for a run.
    """
    waiting = [run for run in runs if not run.done]
    running: dict[int, tuple[Run, subprocess.Popen[bytes]]] = {}
    failures: dict[str, str] = {}
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                process = _start(waiting[0], command)
                running[process.pid] = waiting.pop(0), process
            for pid, (run, process) in list(running.items()):
                if process.poll() is not None:
                    del running[pid]
                    failure = None if run.done and process.returncode == 0 else _failure(run, process.returncode)
                    if failure:
                        failures[run.name] = failure
                    on_end(run, failure)
            on_wait([run for run, _ in running.values()])
            time.sleep(0.05)
    finally:
        _stop([process for _, process in running.values()])
    return failures


def _start(run: Run, command: Callable[[Run], list[str]]) -> subprocess.Popen[bytes]:
    """A worker in a session of its own: Ctrl-C reaches it once, from here, and not from the terminal too."""
    run.folder.parent.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    words = command(run)
    with run.log.open("ab") as log:
        return subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True
        )


def _stop(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Ask every worker to save and go; those that do not, or a second Ctrl-C, end at once."""
    try:
        for process in processes:
            process.send_signal(signal.SIGINT)
        deadline = time.monotonic() + PATIENCE
        for process in processes:
            process.wait(max(0.0, deadline - time.monotonic()))
    except (KeyboardInterrupt, subprocess.TimeoutExpired):
        pass
    finally:
        for process in processes:
            process.kill()  # does nothing to one that is gone
            process.wait()


def _failure(run: Run, code: int) -> str:
    """Why a run failed: the last thing that it said."""
    lines = [line for line in run.log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    said = lines[-1].strip().removeprefix("foveate: ") if lines else "It said nothing."
    return f"{said} (exit code {code}; {run.log})"
