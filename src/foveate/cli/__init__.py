"""The `foveate` command: `train`, `sweep`, `watch`, `evaluate`, `look`, `recipes`, `bench` and `web`.

Each is parsed here and answered by one library call. What is heavy is imported inside the commands, so that help
is there at once.
"""

import os
import sys
import warnings

from cyclopts import App, CycloptsError, Parameter

from foveate import __version__
from foveate.cli.bench import bench
from foveate.cli.evaluate import evaluate
from foveate.cli.look import look
from foveate.cli.options import fill_in
from foveate.cli.recipes import recipes
from foveate.cli.sweep import sweep
from foveate.cli.train import train
from foveate.cli.watch import watch
from foveate.cli.web import web


def _default(value: object) -> str:
    """A default as it is typed."""
    if isinstance(value, tuple):
        return " ".join(map(str, value))
    return f"{value:.3g}" if isinstance(value, float) else str(value)


app = App(
    name="foveate",
    help="""Recurrent visual attention: a network that learns where to look.

foveate train digits                  # real handwriting, in a minute
foveate sweep digits --seeds 0,1,2    # several runs side by side, in one table
foveate evaluate runs/digits          # its test error, and what it mistakes
foveate look runs/digits picture.png  # where it looks, what it sees and answers
foveate recipes                       # what else can be trained
foveate bench                         # how fast this machine is
foveate web                           # draw, and watch it look
""",
    version=__version__,
    help_format="plaintext",
    default_parameter=Parameter(negative_iterable=(), allow_repeating=True, show_default=_default),
    suppress_keyboard_interrupt=False,
)
app.command(train, config=fill_in, usage="Usage: foveate train [RECIPE] [OPTIONS]")
app.command(sweep, usage="Usage: foveate sweep RECIPE [OPTIONS]")
app.command(watch, usage="Usage: foveate watch RUN... [OPTIONS]")
app.command(evaluate, usage="Usage: foveate evaluate RUN [OPTIONS]")
app.command(look, usage="Usage: foveate look RUN [IMAGE...] [OPTIONS]")
app.command(recipes, usage="Usage: foveate recipes [NAME]")
app.command(bench, usage="Usage: foveate bench [FOLDER] [OPTIONS]")
app.command(web, usage="Usage: foveate web [RUN] [OPTIONS]")


def main(argv: list[str] | None = None) -> int:
    """Run the command line, `sys.argv` by default, and return its exit code: 0, 2 for bad input, 130 for Ctrl-C."""
    arguments = sys.argv[1:] if argv is None else argv
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _Warn()
            return app(arguments, exit_on_error=False, print_error=False, result_action="return_value") or 0
    except KeyboardInterrupt:  # before a run is opened, or after it is done: while it trains, `train` says more
        if arguments[:1] == ["train"]:
            print("\nStopped. A run that was begun goes on with the same command and `--resume`.")
        return 130
    except BrokenPipeError:  # the reader of a pipe, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (CycloptsError, ValueError, OSError) as error:
        print(f"foveate: {_sentence(error)}", file=sys.stderr)
        return 2
    except (MemoryError, RuntimeError) as error:  # PyTorch says it with a RuntimeError
        if isinstance(error, RuntimeError) and "memory" not in str(error):
            raise
        print("foveate: There is not enough memory for that: try smaller sizes or batches.", file=sys.stderr)
        return 2


class _Warn:
    """Says what should be known, once, as a sentence without the place in the code."""

    def __init__(self) -> None:
        self.said: set[str] = set()

    def __call__(self, message: object, *place: object) -> None:
        if str(message) not in self.said:
            print(f"foveate: {message}", file=sys.stderr)
        self.said.add(str(message))


def _sentence(error: Exception) -> str:
    """What is wrong, without the numbers of the operating system."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}." if error.filename else f"{error.strerror}."
    return " ".join(str(error).split())
