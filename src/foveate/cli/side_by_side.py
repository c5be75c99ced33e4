"""What is shown while a sweep works: a bar for each running run on a terminal, a line for each that ends everywhere."""

import time
from collections.abc import Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from foveate.cli.progress import clock
from foveate.training.sweep import Run

LOOK = 0.5  # seconds between two looks at how far the runs are


class SideBySide:
    """Listens to `work`."""

    def __init__(self, runs: Sequence[Run]) -> None:
        self.console = Console(highlight=False)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        self.bar = Progress(*columns, console=self.console, transient=True, disable=not self.console.is_terminal)
        self.tasks: dict[str, TaskID] = {}
        self.total, self.ended = len(runs), sum(run.done for run in runs)
        self.start, self.looked = time.monotonic(), 0.0

    def __enter__(self) -> "SideBySide":
        if self.ended:
            self.console.print(f"{self.ended} of {self.total} runs are done already.")
        self.bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.bar.stop()

    def on_wait(self, running: Sequence[Run]) -> None:
        """Move the bars, once in a while."""
        if self.bar.disable or time.monotonic() - self.looked < LOOK:
            return
        self.looked = time.monotonic()
        for run in running:
            if run.name not in self.tasks:
                self.tasks[run.name] = self.bar.add_task(run.name, total=run.config.training.epochs)
            self.bar.update(self.tasks[run.name], completed=run.epoch())

    def on_end(self, run: Run, failure: str | None) -> None:
        """Print the line of a run that ended."""
        if run.name in self.tasks:
            self.bar.remove_task(self.tasks.pop(run.name))
        self.ended += 1
        said = f"failed: {failure}" if failure else _errors(run)
        spent = clock(time.monotonic() - self.start)
        line = f"[{self.ended}/{self.total}] {run.name}: {said}  {spent}"
        self.console.print(line, soft_wrap=True, markup=False)


def _errors(run: Run) -> str:
    """The errors of a run that is done."""
    result = run.result()
    test = f", test error {result['test_error']:.2%}" if "test_error" in result else ""
    return f"validation error {result['best_validation_error']:.2%}{test}"
