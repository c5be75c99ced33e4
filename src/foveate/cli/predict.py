"""`foveate predict`: answers to many pictures, as a table, CSV or JSON lines, without drawing anything."""

import contextlib
import csv as table_writer
import json as json_lines
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from foveate.cli.look import ALL_FAILED, SOME_FAILED
from foveate.cli.opened import open_run
from foveate.cli.output import check_writable

if TYPE_CHECKING:
    from foveate.viewing.predictions import FilePrediction


def predict(
    run: Path,
    picture: Path,
    /,
    *pictures: Path,
    csv: Annotated[Path | None, Parameter(show_default=False)] = None,
    json: Annotated[Path | None, Parameter(show_default=False)] = None,
    top: int = 3,
    num_glimpses: Annotated[int | None, Parameter(show_default=False)] = None,
    stop: Annotated[float | Literal["auto"] | None, Parameter(show_default=False)] = None,
    ink: Literal["auto", "light", "dark"] = "auto",
    resize: Annotated[
        Literal["pad", "crop", "stretch", "refuse", "native"] | None, Parameter(show_default=False)
    ] = None,
    device: str = "auto",
) -> int:
    """Answer many pictures: files, or all files in folders.

    foveate predict runs/photos pictures/                   # a line for each
    foveate predict runs/photos pictures/ --csv answers.csv
    foveate predict runs/photos a.jpg b.jpg --json answers.jsonl --top 5
    foveate predict runs/photos pictures/ --stop auto       # no more glimpses than each needs

    Pictures that cannot be read are named, and the others are answered; the exit code is then 1, or 2 if none is left.

    Parameters
    ----------
    run
        Folder of a run that `foveate train` made, or the name of a model that comes with foveate, such as `digits`.
    picture
        A picture, or a folder of pictures at any depth.
    pictures
        More of them.
    csv
        File for a table: path, glimpses, error, then class and probability of each answer.
    json
        File for one JSON object a line.
    top
        Answers for each picture, the most probable first.
    num_glimpses
        Glimpses at each picture; as many as trained if absent.
    stop
        Probability at which it is sure and takes no more glimpses; `auto` is the one that `evaluate --stop auto` chose.
    ink
        Handwriting, for models of `mnist` and `digits`: ink is `light` on dark, `dark` on light, or `auto`.
    resize
        Fit pictures otherwise than in training; `native` reads them at their own size, tile by tile.
    device
        `cpu`, `cuda`, `cuda:1`, or `auto` for a GPU where there is one.
    """
    from foveate.viewing.predictions import list_pictures, predict_files

    paths = list_pictures([picture, *pictures])
    for out, name in ((csv, "--csv"), (json, "--json")):
        if out:
            check_writable(out, name)
            if out.resolve() in {path.resolve() for path in paths}:
                raise ValueError(f"`{name}` should be another file than the pictures. Found `{out}`.")
    opened = open_run(run, device)
    if stop == "auto":
        from foveate.training.stopping import read_stop

        stop = read_stop(opened.model_folder).stop
    began = time.perf_counter()
    found = predict_files(opened.model, paths, num_glimpses=num_glimpses, stop=stop, ink=ink, resize=resize, top=top)
    failed = 0
    warned: dict[str, int] = {}
    with _writers(csv, json, min(top, len(opened.model.config.classes))) as write:
        for each in found:
            write(each)
            if each.error:
                failed += 1
                print(f"foveate: {each.error}", file=sys.stderr)
            if each.warning:
                warned[each.warning] = warned.get(each.warning, 0) + 1
    for warning, count in warned.items():
        print(f"Warning, for {count:,} of {len(paths):,} pictures: {warning}", file=sys.stderr)
    rate = len(paths) / (time.perf_counter() - began)
    written = "".join(f" Written: {out}." for out in (csv, json) if out)
    bad = f", {failed:,} unreadable" if failed else ""
    print(f"{len(paths) - failed:,} pictures answered{bad}, {rate:,.0f} pictures/s.{written}", file=sys.stderr)
    if failed == len(paths):
        return ALL_FAILED
    return SOME_FAILED if failed else 0


@contextlib.contextmanager
def _writers(table: Path | None, lines: Path | None, top: int) -> Iterator[Any]:
    """A function that writes an answer to each of the files asked for, or prints it; files appear when all is done."""
    from foveate.storage.files import aside

    with contextlib.ExitStack() as stack:
        to_csv = None
        to_json = None
        if table:
            beside = stack.enter_context(aside(table))
            # Names that are not UTF-8 are escaped as in JSON.
            file = beside.open("w", newline="", encoding="utf-8", errors="backslashreplace")
            to_csv = table_writer.writer(stack.enter_context(file))
            head = ["path", "glimpses", "error"]
            for rank in range(1, top + 1):
                head += [f"class_{rank}", f"probability_{rank}"]
            to_csv.writerow(head)
        if lines:
            beside = stack.enter_context(aside(lines))
            to_json = stack.enter_context(beside.open("w", encoding="utf-8"))

        def write(each: "FilePrediction") -> None:
            answers = list(zip(each.classes, each.probabilities, strict=True))
            if to_csv:
                row: list[object] = [each.path, each.num_glimpses or "", each.error]
                for name, probability in answers:
                    row += [name, f"{probability:.6f}"]
                to_csv.writerow(row)
            if to_json:
                entry: dict[str, object] = {"path": str(each.path)}
                if each.error:
                    entry["error"] = each.error
                else:
                    entry |= {"answers": dict(answers), "num_glimpses": each.num_glimpses}
                to_json.write(json_lines.dumps(entry) + "\n")
            if not (table or lines) and not each.error:
                words = ", ".join(f"{name} {probability:.1%}" for name, probability in answers)
                print(f"{each.path}: {words}")

        yield write
