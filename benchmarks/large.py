"""Training on images too large to load, against images in memory: `python -m benchmarks.large FOLDER`."""

import time
from pathlib import Path
from statistics import median

import numpy as np
import torch
from cyclopts import App

from foveate.config import Model
from foveate.data.huge import open_pyramid
from foveate.data.pyramid import ArrayPyramid, TiledPyramid
from foveate.data.tiling import write_pyramid
from foveate.glimpse.pyramids import Pyramids
from foveate.reward.loss import HybridLoss
from foveate.training.build import build

LARGE = 8192  # pixels a side, on disk
SMALL = 1024  # in memory
MODEL = Model(image=(1, SMALL, SMALL), classes=tuple("0123456789"), glimpse_size=(12, 12), depth=5, num_glimpses=6)
app = App(help_format="plaintext")


def write_images(folder: Path, count: int, quality: int | None) -> list[TiledPyramid]:
    """Images of smooth noise, written where they are not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    images = []
    for number in range(count):
        file = folder / f"{'plain' if quality is None else 'jpeg'}-{number}.tif"
        if not file.exists():
            coarse = np.random.default_rng(number).integers(0, 256, (LARGE // 16, LARGE // 16), dtype=np.uint8)
            pixels = np.kron(coarse, np.ones((16, 16), np.uint8))[..., None]
            write_pyramid(ArrayPyramid(pixels, levels=[]), file, quality=quality, compressed=quality is not None)
        images.append(open_pyramid(file))
    return images


@app.default
def large(folder: Path, /, *, images: int = 200, batch: int = 50, repeats: int = 5, jpeg: bool = False) -> None:
    """Write images of 8,192 x 8,192 pixels into a folder, and train on them and on images of 1,024 x 1,024 in turns."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    files = write_images(folder, images, 90 if jpeg else None)
    pixels = torch.randint(0, 256, (images, 1, SMALL, SMALL), dtype=torch.uint8)
    labels = torch.randint(0, 10, (images,))
    model = build(MODEL)
    loss = HybridLoss()
    optimizer = torch.optim.SGD(model.parameters(), 0.01)

    def epoch(on_disk: bool) -> float:
        """Seconds an image of one pass over all images."""
        began = time.perf_counter()
        for index in torch.randperm(images).split(batch):
            chosen = Pyramids([files[i] for i in index.tolist()]) if on_disk else pixels[index]
            optimizer.zero_grad()
            loss(model(chosen), labels[index]).total.backward()
            optimizer.step()
        return (time.perf_counter() - began) / images

    epoch(False)
    ratios = []
    for repeat in range(repeats):
        before = sum(file.num_decoded for file in files)
        seconds = epoch(True)
        tiles = sum(file.num_decoded for file in files) - before
        memory = epoch(False)
        ratios.append(memory / seconds)
        print(
            f"pass {repeat + 1}: {1000 * seconds:.2f} ms an image on disk, {tiles / images:.1f} tiles decoded; "
            f"{1000 * memory:.2f} ms in memory; {ratios[-1]:.2f} times its images/s",
            flush=True,
        )
    print(f"median {median(ratios):.2f} times the images/s of images in memory")


if __name__ == "__main__":
    app()
