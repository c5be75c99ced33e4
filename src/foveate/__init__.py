"""Recurrent visual attention: a network that looks at an image through a small window and learns where to look next.

    image -----> glimpse --- feature ---> core --- hidden ---> classifier --- logits
                    ^                                |
                    |                                |
                 location <------ locator <----------+

Each turn of the loop takes one glimpse. What is seen trains by the classification loss; where to look trains by
REINFORCE, since a place on the image has no gradient. The folders `data`, `glimpse`, `policy`, `recurrent`, `reward`,
`speed`, `storage`, `training`, `viewing` and `web` are the stations of that path, in order; each imports only from
those before it.

Mnih, Heess, Graves, Kavukcuoglu, Recurrent Models of Visual Attention, NIPS 2014.
"""

import lazy_loader

from foveate import config as config

__version__ = "0.1.0"

# The public names stand in __init__.pyi. Each is imported when first asked for, so that `--help` is quick.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__all__ = [name for name in __all__ if name != "config"]
