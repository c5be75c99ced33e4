"""From a source to batches on the device.

`sources` loads a `Dataset` by name (`digits`, `mnist`) or from a folder of images, and `split` divides it by seed.
`canvas` shows its images in the middle, at random places, or among distractors. `batches` deals them out.
Images are uint8, (n, channels, height, width), everywhere.
"""

from foveate.data.batches import Batch, batches, num_batches
from foveate.data.canvas import Canvas, centred, cluttered, fixed, translated
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
    "centred",
    "cluttered",
    "fixed",
    "load",
    "load_digits",
    "load_folder",
    "load_mnist",
    "num_batches",
    "translated",
]
