"""Recurrent visual attention: a network that looks at an image through a small window and learns where to look next.

    image -----> glimpse --- feature ---> core --- hidden ---> classifier --- logits
                    ^                                |
                    |                                |
                 location <------ locator <----------+

Each turn of the loop takes one glimpse. What is seen trains by the classification loss; where to look trains by
REINFORCE, since a place on the image has no gradient. The folders `data`, `glimpse`, `policy`, `recurrent`, `reward`,
`training`, `viewing` and `web` are the stations of that path, in order; each imports only from those before it.

Mnih, Heess, Graves, Kavukcuoglu, Recurrent Models of Visual Attention, NIPS 2014.
"""

import importlib
from typing import TYPE_CHECKING

from foveate import config as config

if TYPE_CHECKING:
    from foveate.config import Config as Config
    from foveate.glimpse.network import GlimpseNetwork as GlimpseNetwork
    from foveate.glimpse.sensor import SpatialGlimpse as SpatialGlimpse
    from foveate.policy.entropy import CategoricalEntropy as CategoricalEntropy
    from foveate.policy.locator import Locator as Locator
    from foveate.policy.units import ReinforceBernoulli as ReinforceBernoulli
    from foveate.policy.units import ReinforceCategorical as ReinforceCategorical
    from foveate.policy.units import ReinforceGamma as ReinforceGamma
    from foveate.policy.units import ReinforceNormal as ReinforceNormal
    from foveate.recurrent.attention import RecurrentAttention as RecurrentAttention
    from foveate.recurrent.core import GRUCore as GRUCore
    from foveate.recurrent.core import LSTMCore as LSTMCore
    from foveate.recurrent.core import RectifiedCore as RectifiedCore
    from foveate.recurrent.rollout import Rollout as Rollout
    from foveate.reward.criterion import BinaryClassReward as BinaryClassReward
    from foveate.reward.criterion import HybridLoss as HybridLoss
    from foveate.reward.criterion import Losses as Losses
    from foveate.reward.criterion import VRClassReward as VRClassReward
    from foveate.training.build import build as build
    from foveate.training.evaluate import evaluate as evaluate
    from foveate.training.fit import fit as fit
    from foveate.training.pretrained import from_pretrained as from_pretrained
    from foveate.training.pretrained import save_pretrained as save_pretrained
    from foveate.viewing.look import look as look

__version__ = "0.1.0"

# Where each public name lives: it is imported when first asked for, so that `import foveate` and `--help` are quick.
_HOME = {
    "SpatialGlimpse": "glimpse.sensor",
    "GlimpseNetwork": "glimpse.network",
    "ReinforceNormal": "policy.units",
    "ReinforceBernoulli": "policy.units",
    "ReinforceCategorical": "policy.units",
    "ReinforceGamma": "policy.units",
    "CategoricalEntropy": "policy.entropy",
    "Locator": "policy.locator",
    "RectifiedCore": "recurrent.core",
    "LSTMCore": "recurrent.core",
    "GRUCore": "recurrent.core",
    "RecurrentAttention": "recurrent.attention",
    "Rollout": "recurrent.rollout",
    "VRClassReward": "reward.criterion",
    "BinaryClassReward": "reward.criterion",
    "HybridLoss": "reward.criterion",
    "Losses": "reward.criterion",
    "Config": "config",
    "build": "training.build",
    "save_pretrained": "training.pretrained",
    "from_pretrained": "training.pretrained",
    "fit": "training.fit",
    "evaluate": "training.evaluate",
    "look": "viewing.look",
}

__all__ = list(_HOME)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*globals(), *_HOME]
