"""Progress of a sweep: one line per finished run, and a bar per running one if the output is a terminal."""

import time
from collections.abc import Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from foveate.cli.progress import clock
from foveate.training.sweep import Run

LOOK = 0.5  # seconds between two updates of the bars


class SideBySide:
    """Callbacks of `work` that print the progress."""

    def __init__(self, total: int, done: int) -> None:
        self.console = Console(highlight=False)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        self.bar = Progress(*columns, console=self.console, transient=True, disable=not self.console.is_terminal)
        self.tasks: dict[str, TaskID] = {}
        self.total = total
        self.ended = done
        self.start = time.monotonic()
        self.looked = 0.0

    def __enter__(self) -> "SideBySide":
        if self.ended:
            self.console.print(f"{self.ended} of {self.total} runs are already done.")
        self.bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.bar.stop()

    def on_wait(self, running: Sequence[Run]) -> None:
        """Update the bars from time to time."""
        if self.bar.disable or time.monotonic() - self.looked < LOOK:
            return
        self.looked = time.monotonic()
        for run in running:
            if run.name not in self.tasks:
                self.tasks[run.name] = self.bar.add_task(run.name, total=run.config.training.epochs)
            self.bar.update(self.tasks[run.name], completed=run.epoch())

    def on_end(self, run: Run, failure: str | None) -> None:
        """Print the line of a finished run."""
        if run.name in self.tasks:
            self.bar.remove_task(self.tasks.pop(run.name))
        self.ended += 1
        said = f"failed: {failure}" if failure else _errors(run)
        spent = clock(time.monotonic() - self.start)
        line = f"[{self.ended}/{self.total}] {run.name}: {said}  {spent}"
        self.console.print(line, soft_wrap=True, markup=False)


def _errors(run: Run) -> str:
    """Errors of a finished run."""
    if not run.done:
        return "stopped early"
    result = run.result()
    test = f", test error {result['test_error']:.2%}" if "test_error" in result else ""
    return f"validation error {result['best_validation_error']:.2%}{test}"
