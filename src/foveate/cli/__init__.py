"""The `foveate` command: `train`, `sweep`, `watch`, `evaluate`, `look`, `predict`, `tile`, `export`, `recipes` and
`web`.

In: the words of a command line, and recipes.
Out: one library call each, and its result as text. Heavy modules are imported inside the commands: help is fast.
Read first: this file, then `train.py` and `options.py`.
"""

import io
import os
import sys
import warnings

from cyclopts import App, CycloptsError, Parameter, ValidationError

from foveate import __version__
from foveate.cli.evaluate import evaluate
from foveate.cli.export import export
from foveate.cli.help import ALL, TrainHelp
from foveate.cli.look import look
from foveate.cli.options import expand_homes, fill_in, square_sizes
from foveate.cli.predict import predict
from foveate.cli.recipes import recipes
from foveate.cli.sweep import sweep
from foveate.cli.tile import tile
from foveate.cli.train import train
from foveate.cli.watch import watch
from foveate.cli.web import web
from foveate.fields import check_bounds


def _default(value: object) -> str:
    """A default value as the user would type it."""
    if value is None:
        return "by source"
    if isinstance(value, tuple):
        return " ".join(map(str, value))
    return f"{value:.3g}" if isinstance(value, float) else str(value)


app = App(
    name="foveate",
    help="""Recurrent visual attention: a network that learns where to look.

foveate train digits                  # real handwriting, about a minute
foveate sweep digits --seeds 0,1,2    # several runs at a time, one table
foveate evaluate runs/digits          # test error and confusions
foveate look runs/digits picture.png  # where it looks and what it answers
foveate predict runs/digits pictures  # answers to many pictures, as a table
foveate tile scan.jpg scan.tif        # for images too large to load
foveate recipes                       # everything that can be trained
foveate web                           # draw in the browser and watch it look
""",
    version=__version__,
    help_format="plaintext",
    default_parameter=Parameter(negative_iterable=(), allow_repeating=True, show_default=_default),
    suppress_keyboard_interrupt=False,
)
train_help = TrainHelp()
app.command(train, config=fill_in, usage="Usage: foveate train [RECIPE] [OPTIONS]", help_formatter=train_help)
app.command(sweep, usage="Usage: foveate sweep RECIPE [OPTIONS]")
app.command(watch, usage="Usage: foveate watch RUN... [OPTIONS]")
app.command(evaluate, usage="Usage: foveate evaluate RUN [OPTIONS]")
app.command(look, usage="Usage: foveate look RUN [IMAGE...] [OPTIONS]")
app.command(export, usage="Usage: foveate export RUN FILE [OPTIONS]")
app.command(predict, usage="Usage: foveate predict RUN PICTURE... [OPTIONS]")
app.command(tile, usage="Usage: foveate tile PICTURE OUT [OPTIONS]")
app.command(recipes, usage="Usage: foveate recipes [NAME]")
app.command(web, usage="Usage: foveate web [RUN] [OPTIONS]")


def main(argv: list[str] | None = None) -> int:
    """Run the command line, `sys.argv` by default, and return its exit code: 0, 2 for bad input, 130 for Ctrl-C."""
    arguments = square_sizes(sys.argv[1:] if argv is None else argv)
    train_help.show_all = ALL in arguments
    arguments = ["--help" if word == ALL else word for word in arguments]
    _replace_unencodable()
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _Warn()
            return (
                app(expand_homes(arguments), exit_on_error=False, print_error=False, result_action="return_value") or 0
            )
    except KeyboardInterrupt:  # before or after training; during training, `train` handles it and says more
        if arguments[:1] == ["train"]:
            print("\nStopped. To continue a started run, repeat the command with `--resume`.")
        return 130
    except BrokenPipeError:  # the reader of a pipe, such as `head`, has closed it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (CycloptsError, ValueError, OSError) as error:
        if isinstance(error, ValidationError):
            error = _out_of_bounds(error)
        if _speaks(error):
            print(f"foveate: {_sentence(error)}", file=sys.stderr)
        return 2
    except (MemoryError, RuntimeError) as error:  # PyTorch raises RuntimeError if memory is short
        if isinstance(error, RuntimeError) and "memory" not in str(error):
            raise
        if _speaks(MemoryError()):
            print("foveate: There is not enough memory for that: try smaller sizes or batches.", file=sys.stderr)
        return 2


def _replace_unencodable() -> None:
    """Print `?` for characters that the terminal's encoding lacks, such as ASCII or a Windows code page."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _speaks(error: Exception) -> bool:
    """Whether this process prints an error; of several that torchrun started, one does."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return True
    from foveate.training.distributed import speaks

    return speaks(error)


def _out_of_bounds(error: ValidationError) -> Exception:
    """Our own sentence about a setting out of its bounds: where pydantic is imported, cyclopts asks it first."""
    argument = error.argument
    if argument is not None:
        try:
            check_bounds(argument.field_info.name, argument.value, argument.field_info.annotation)
        except ValueError as ours:
            return ours
    return error


class _Warn:
    """Prints each warning once, as a sentence without its place in the code."""

    def __init__(self) -> None:
        self.said: set[str] = set()

    def __call__(self, message: object, *place: object) -> None:
        another_speaks = "TORCHELASTIC_RUN_ID" in os.environ and os.environ.get("RANK", "0") != "0"
        if str(message) not in self.said and not another_speaks:
            print(f"foveate: {message}", file=sys.stderr)
        self.said.add(str(message))


def _sentence(error: Exception) -> str:
    """The error as one sentence, without error numbers of the operating system."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}." if error.filename else f"{error.strerror}."
    return " ".join(str(error).split())
