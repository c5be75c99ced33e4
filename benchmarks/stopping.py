"""How much faster images are answered if they stop when sure: `python -m benchmarks.stopping [MODEL]`.

500 validation images in one batch on one thread, all glimpses and `stop=0.9` by turns; the fastest of each, since
other work only adds time.
"""

import sys

import torch

from benchmarks.timing import alternate
from foveate.training.load import load_run

BATCH = 500
STOP = 0.9
REPEATS = 20


@torch.no_grad()
def main(name: str = "translated") -> None:
    """Measure and print."""
    torch.set_num_threads(1)
    opened = load_run(name, "cpu")
    image = opened.images("validation").read(torch.arange(BATCH))
    model = opened.model.eval()
    stopped, whole = alternate(
        [lambda: model(image, stop=STOP, sample=False), lambda: model(image, sample=False)], REPEATS
    )
    glimpses = model(image, stop=STOP, sample=False).num_glimpses.double().mean()
    slow = BATCH / min(whole)
    fast = BATCH / min(stopped)
    print(
        f"{name}: {slow:,.0f} images/s with all {model.num_glimpses} glimpses, {fast:,.0f} with {glimpses:.2f} on "
        f"average at `stop={STOP}`: {fast / slow:.2f} times as many."
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
