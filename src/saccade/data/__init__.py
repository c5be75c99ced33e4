"""From a source to batches on the device.

`sources` loads a `Dataset` by name (`digits`, `mnist`) or from a folder of images, and `split` divides it by seed.
`canvas` shows its images in the middle, at random places, or among distractors. `batches` deals them out.
Images are uint8, (n, channels, height, width), everywhere.
"""

from .batches import Batch, batches, num_batches
from .canvas import Canvas, centred, cluttered, fixed, translated
from .digits import load_digits
from .folder import load_folder
from .mnist import load_mnist
from .records import Dataset, Images, InMemory
from .sources import load

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
