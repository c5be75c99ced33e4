"""Help of `foveate train`: the usual options, all of them on request, and the original's own last."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cyclopts.help import HelpEntry, HelpPanel
    from rich.console import Console, ConsoleOptions

ALL = "--help-all"
LAST_SECTION = "Training"
TORCH7 = {"--init-range", "--stochastic", "--optimizer", "--dampening", "--max-weight-norm"}
RARE = {
    *(
        "--validation",
        "--test",
        "--color",
        "--elastic",
        "--horizontal-flip",
        "--brightness",
        "--contrast",
        "--erasing",
        "--standardize",
        "--dropout",
        "--weight-decay",
        "--baseline",
        "--patience",
        "--ensemble",
        "--unreadable",
        "--cache-gib",
    ),
    *("--held-out", "--split-seed", "--translate", "--epoch-size"),
    *("--what-width", "--where-width", "--join-width", "--locator-width", "--learn-std", "--gaze", "--first-glimpse"),
    *("--policy-gradient-into-core", "--policy-weight", "--label-smoothing", "--answers", "--early-weight"),
    *("--min-learning-rate", "--anneal-epochs", "--std-start", "--max-grad-norm", "--skip-nonfinite"),
    *("--checkpoint-minutes", "--threads", "--evaluate-on"),
}


class TrainHelp:
    """A help formatter that leaves out the rare options, unless `show_all` is set."""

    def __init__(self) -> None:
        self.show_all = False
        self.torch7: list[HelpEntry] = []

    def __call__(self, console: "Console", options: "ConsoleOptions", panel: "HelpPanel") -> None:
        """Print one section, and after the last one a section of the Torch7 original's options."""
        from cyclopts.help import DefaultFormatter

        show = DefaultFormatter()
        self.torch7 += [entry for entry in panel.entries if TORCH7 & set(entry.names)]
        hidden = TORCH7 if self.show_all else TORCH7 | RARE
        show(console, options, panel.copy(entries=[entry for entry in panel.entries if not hidden & set(entry.names)]))
        if panel.title == LAST_SECTION:
            show(console, options, panel.copy(title="Torch7 original", entries=self.torch7))
            self.torch7 = []
            if not self.show_all:
                console.print(f"These are the usual options; `foveate train {ALL}` shows all of them.")
