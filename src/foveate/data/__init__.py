"""Data sets, their splits, and batches of images.

In: the name of a data set or a folder of images, a seed for the splits, a batch size.
Out: batches of uint8 images (n, channels, height, width) with their labels, augmented or placed on a canvas.
Read first: `records.py` (a data set and its splits), then `sources.py` and `batches.py`.
"""

from foveate.data.batches import Batch, batches, num_batches
from foveate.data.canvas import Canvas, centered, cluttered, render_fixed, translated
from foveate.data.digits import load_digits
from foveate.data.folder import load_folder
from foveate.data.mnist import load_mnist
from foveate.data.records import Dataset, Images, InMemory
from foveate.data.sources import load

__all__ = [
    "Batch",
    "Canvas",
    "Dataset",
    "Images",
    "InMemory",
    "batches",
    "centered",
    "cluttered",
    "load",
    "load_digits",
    "load_folder",
    "load_mnist",
    "num_batches",
    "render_fixed",
    "translated",
]
