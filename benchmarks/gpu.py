"""The training step on a GPU: uncompiled, compiled, and the bare matrix products, with the speed of the card itself.

Run it with `python -m benchmarks.gpu`, which takes two minutes. results/gpu holds what it printed.
"""

import json
import time
from collections.abc import Callable
from typing import Any

import torch

from benchmarks.floor import bare_products, operations
from benchmarks.questions import machine
from benchmarks.workload import CANVASES, DTYPES, MNIST, Precision, trainer
from foveate.training.build import build

PEAK = 989e12  # dense bf16 operations a second of an H200, from its data sheet
COUNT = 65_536  # images in memory


def first_and_median(form: Callable[[], Any], calls: int = 20) -> tuple[float, float]:
    """Seconds of the first call, which compiles, and of a later one: the median of seven means of `calls` calls."""
    start = time.perf_counter()
    form()
    torch.cuda.synchronize()
    first = time.perf_counter() - start
    for _ in range(5):
        form()
    torch.cuda.synchronize()
    means = []
    for _ in range(7):
        start = time.perf_counter()
        for _ in range(calls):
            form()
        torch.cuda.synchronize()
        means.append((time.perf_counter() - start) / calls)
    return first, sorted(means)[3]


def ceilings() -> None:
    """Print the card's own speed: a copy of 1 GiB, and a product of two 8192 x 8192 matrices in bf16."""
    source = torch.empty(2**30, dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    _, seconds = first_and_median(lambda: target.copy_(source))
    print(f"copy {2 * 2**30 / seconds / 1e12:.2f} TB/s")
    one, two = torch.randn(2, 8192, 8192, device="cuda", dtype=torch.bfloat16)
    _, seconds = first_and_median(lambda: one @ two)
    print(f"product {2 * 8192**3 / seconds / 1e12:.0f} TFLOP/s")


def steps(precision: Precision, batch: int) -> None:
    """Print a row for the MNIST model: the products at the card's peak, the bare products, and the two steps."""
    _, bare = first_and_median(bare_products(build(MNIST).cuda(), batch, DTYPES[precision]))
    _, eager = first_and_median(trainer(MNIST, batch, precision, device="cuda", count=COUNT))
    first, compiled = first_and_median(trainer(MNIST, batch, precision, device="cuda", compiled=True, count=COUNT))
    peak = batch * operations(build(MNIST)) / PEAK
    print(
        f"| {precision} | {batch:,} | {peak * 1e6:.0f} | {bare * 1e6:,.0f} | {eager * 1e6:,.0f} | "
        f"{compiled * 1e6:,.0f} | {first:.0f} s | {batch / compiled:,.0f} |",
        flush=True,
    )


def scenes(batch: int) -> None:
    """Print the images/s of steps on scenes that are rendered in the step."""
    for model, canvas in CANVASES[1:]:
        for compiled in (False, True):
            _, seconds = first_and_median(
                trainer(model, batch, "bf16", canvas=canvas, device="cuda", compiled=compiled, count=COUNT)
            )
            form = "compiled" if compiled else "uncompiled"
            print(f"{canvas.kind} {canvas.size[0]} px, {form}: {batch / seconds:,.0f} images/s", flush=True)


if __name__ == "__main__":
    print(json.dumps(machine()))
    ceilings()
    print("| precision | batch | peak, us | bare products, us | step, us | compiled, us | first | images/s |")
    print("|---|---|---|---|---|---|---|---|")
    for precision in DTYPES:
        for batch in (512, 4096, 16_384):
            steps(precision, batch)
    scenes(4096)
