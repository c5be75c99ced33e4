"""Questions of `make bench`: each question measures a few cases and yields a line for each.

Images are random bytes in memory, since no time depends on their content.
"""

import itertools
import os
import platform
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import torch

from benchmarks.cases import Case, best_of, fused_cases, named, plain_cases, stated, thread_counts
from benchmarks.floor import bare_products, operations
from benchmarks.startup import peak, startup
from benchmarks.timing import Form, Line, allocated, alternate, compare
from benchmarks.workload import (
    CANVASES,
    DTYPES,
    MNIST,
    SCENE60,
    SCENE100,
    Precision,
    as_trained,
    looper,
    random_images,
    seeing,
    trainer,
    using,
)
from foveate.config import Config, Model
from foveate.data.canvas import Canvas
from foveate.speed.compile import can_compile
from foveate.training.build import build

PER_IMAGE = "s an image"
H200 = 989e12  # dense bf16 operations a second, from its data sheet

Question = Callable[[], Iterator[Line]]
Recipes = Mapping[str, Config]


def questions(trained: Recipes, *, quick: bool = False) -> dict[str, Question]:
    """The questions that this machine can answer, by name; `quick` measures one small case of each, once.

    Rollouts are also measured in the settings of the recipes `trained`.
    """
    repeats = 1 if quick else 9
    asked: dict[str, Question] = {"the step against its products": lambda: step_lines(repeats, quick)}
    asked["scenes and glimpses in the step"] = lambda: scene_lines(repeats, quick)
    asked["the step against a plain loop"] = lambda: loop_lines(min(repeats, 3), quick)
    asked["the size of the image"] = lambda: size_lines(repeats, quick)
    asked["rollouts against images"] = lambda: rollout_lines(trained, repeats, quick)
    if torch.cuda.is_available():
        asked["the step on a GPU"] = lambda: gpu_lines(repeats, quick)
    asked["the memory of training"] = lambda: peak(quick, fused=not quick and can_compile(torch.device("cpu")))
    asked["start-up"] = lambda: startup(1 if quick else 5)
    return asked


def machine() -> dict[str, str]:
    """Hardware, load and versions that the numbers of a report depend on."""
    return {
        "processor": platform.processor() or platform.machine(),
        "cores": str(os.cpu_count()),
        "load": " ".join(f"{load:.1f}" for load in os.getloadavg()) if hasattr(os, "getloadavg") else "unknown",
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def step_lines(repeats: int, quick: bool) -> Iterator[Line]:
    """Time of the MNIST model's training step, against its matrix products alone."""
    cases: list[tuple[int, Precision]] = [(8, "bf16")] if quick else [(512, "bf16"), (256, "fp32")]
    for threads, (batch, precision) in itertools.product((1,) if quick else thread_counts(), cases):
        compiled = [False] if quick or not can_compile(torch.device("cpu")) else [False, True]
        with using(threads):
            steps = [trainer(MNIST, batch, precision, compiled=fused) for fused in compiled]
            floor = bare_products(build(MNIST), batch, DTYPES[precision])
            *ours, bare = alternate([*steps, floor], repeats, _span(quick))
        for fused, seconds in zip(compiled, ours, strict=True):
            yield compare(
                *(_each(values, batch) for values in (seconds, bare)),
                topic="step",
                case=f"28 px, 7 glimpses, {stated((batch, precision, fused), threads)}",
                measures="whole training step",
                against="its matrix products alone",
                unit=PER_IMAGE,
                goal=0.6,
                at_least=True,
            )


def scene_lines(repeats: int, quick: bool) -> Iterator[Line]:
    """Time to render scenes and read their glimpses, as a share of the whole step."""
    cases: list[Case] = [(8, "fp32", False)] if quick else [(128, "fp32", False), *fused_cases(128)]
    scenes = CANVASES[:1] if quick else CANVASES
    for (batch, precision, compiled), (model, canvas) in itertools.product(cases, scenes):
        with using(1):
            whole = trainer(model, batch, precision, canvas=canvas, compiled=compiled)
            part, step = alternate([seeing(model, batch, canvas, compiled=compiled), whole], repeats, _span(quick))
        pieces = f", {canvas.distractors} distractors" if canvas.distractors else ""
        yield compare(
            *(_each(seconds, batch) for seconds in (part, step)),
            topic="scenes",
            case=f"{canvas.kind} {canvas.size[0]} px{pieces}, {model.depth} scales, "
            f"{stated((batch, precision, compiled))}",
            measures="rendering scenes and reading 8 glimpses",
            against="the whole step",
            unit=PER_IMAGE,
            goal=0.25,
            at_least=False,
        )


def loop_lines(repeats: int, quick: bool) -> Iterator[Line]:
    """Time of the training step against the plain loop, each at its best of a few batches and precisions."""
    for model, goal in [(MNIST, 20.0)] if quick else [(MNIST, 20.0), (SCENE60, 40.0), (SCENE100, 60.0)]:
        fast: list[Case] = [(8, "fp32", False)] if quick else [*plain_cases(128, 512), *fused_cases(128, 512)]
        slow: list[Case] = [(8, "fp32", False)] if quick else [(32, "fp32", False), *plain_cases(128)]
        with using(1):
            ours = best_of({case: trainer(model, *case[:2], compiled=case[2]) for case in fast})
            loop = best_of({case: looper(model, *case[:2]) for case in slow})
            seconds = alternate([ours[1], loop[1]], repeats, _span(quick))
        yield compare(
            *(_each(values, batch) for values, batch in zip(seconds, (ours[0][0], loop[0][0]), strict=True)),
            topic="loop",
            case=f"{model.image[1]} px, {model.num_glimpses} glimpses of {model.depth} scale(s), 1 thread; "
            f"{named(ours[0])} against {named(loop[0])}",
            measures="whole training step",
            against="a Python loop that pads, cuts and pools each image",
            unit=PER_IMAGE,
            goal=goal,
            at_least=True,
        )


@torch.no_grad()
def size_lines(repeats: int, quick: bool) -> Iterator[Line]:
    """Time and memory of inference on larger and larger images with the same glimpses, against 128 pixels a side."""
    sides, batch = [128, 256] if quick else [128, 256, 512, 1024, 2048, 4096], 8
    model = build(SCENE60).eval()
    images = [random_images(1, (1, side, side)).image.repeat(batch, 1, 1, 1) for side in sides]
    forms = [_no_grad(lambda image=image: model(image)) for image in images]
    with using(1):
        times = [_each(seconds, batch) for seconds in alternate(forms, repeats, _span(quick))]
    memory = [[allocated(form) / batch] for form in forms]
    rows = [("time", PER_IMAGE, times), ("memory allocated", "bytes an image", memory)]
    for (measures, unit, amounts), at in itertools.product(rows, range(1, len(sides))):
        yield compare(
            amounts[at],
            amounts[0],
            topic="size",
            case=f"{sides[at]} px, 8 glimpses of 3 scales, {stated((batch, 'fp32', False))}",
            measures=f"{measures} of inference, image in memory",
            against=f"{sides[0]} px",
            unit=unit,
            goal=1.15,
            at_least=False,
        )


def rollout_lines(trained: Recipes, repeats: int, quick: bool) -> Iterator[Line]:
    """Time of four rollouts of each image, against four times the images."""
    several = 4
    for how, (batch, precision, compiled), model, canvas in _rollout_cases(trained, quick):
        with using(1):
            shared, separate = (
                trainer(model, images, precision, canvas=canvas, num_rollouts=rollouts, compiled=compiled)
                for images, rollouts in ((batch, several), (several * batch, 1))
            )
            ours, theirs = alternate([shared, separate], repeats, _span(quick))
        yield compare(
            *(_each(seconds, several * batch) for seconds in (ours, theirs)),
            topic="rollouts",
            case=f"{model.image[1]} px{how}, {stated((batch, precision, compiled))}",
            measures="step with 4 rollouts of each image",
            against="step with 4 times the images",
            unit="s a rollout",
            goal=0.9,
            at_least=False,
        )


def _rollout_cases(trained: Recipes, quick: bool) -> Iterator[tuple[str, Case, Model, Canvas | None]]:
    """Cases whose rollouts share more and more: nothing, the first glimpse, rendering, a recipe's other work."""
    plain = plain_cases(8 if quick else 64)[0]
    fast = plain if quick or not can_compile(torch.device("cpu")) else fused_cases(128)[0]
    yield "", fast, MNIST, None
    yield " from the center", fast, replace(MNIST, first_glimpse="center"), None
    for scene in CANVASES[1 : 1 if quick else None]:
        yield "", fast, *scene
    for name, config in itertools.islice(trained.items(), 1 if quick else None):
        yield f" as `{name}` trains", fast, *as_trained(config)


def gpu_lines(repeats: int, quick: bool) -> Iterator[Line]:
    """Time of the step on a GPU, against its products at the peak arithmetic of an H200.

    A wait for the GPU inside the step is an error. The goal is 1,000,000 images/s, a small part of the peak.
    """
    roof = operations(build(MNIST)) / H200
    forms = [False, True] if can_compile(torch.device("cuda")) else [False]
    for batch, compiled in itertools.product((64,) if quick else (512, 4096, 16384), forms):
        step = trainer(MNIST, batch, "bf16", device="cuda", compiled=compiled)
        for _ in range(4):  # the first steps make constants, the optimizer's state and the CUDA graph, and may wait
            step()

        def many(step: Form = step) -> None:
            torch.cuda.set_sync_debug_mode("error")
            try:
                for _ in range(10):
                    step()
            finally:
                torch.cuda.set_sync_debug_mode("default")
            torch.cuda.synchronize()

        (seconds,) = alternate([many], repeats, _span(quick))
        yield compare(
            _each(seconds, 10 * batch),
            [roof] * len(seconds),
            topic="gpu",
            case=f"28 px, 7 glimpses, {named((batch, 'bf16', compiled))}",
            measures="whole training step, without a wait inside it",
            against=f"its products at the {H200 / 1e12:.0f} TFLOP/s of an H200",
            unit=PER_IMAGE,
            goal=1e6 * roof,
            at_least=True,
        )


def _no_grad(form: Callable[[], object]) -> Form:
    return torch.no_grad()(form)


def _each(seconds: list[float], images: int) -> list[float]:
    return [value / images for value in seconds]


def _span(quick: bool) -> float:
    """Seconds for which a form is called in each repeat."""
    return 0.001 if quick else 0.1
