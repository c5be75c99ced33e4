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

from saccade import config as config

if TYPE_CHECKING:
    from saccade.config import Config as Config
    from saccade.glimpse.network import GlimpseNetwork as GlimpseNetwork
    from saccade.glimpse.sensor import SpatialGlimpse as SpatialGlimpse
    from saccade.policy.entropy import CategoricalEntropy as CategoricalEntropy
    from saccade.policy.locator import Locator as Locator
    from saccade.policy.units import ReinforceBernoulli as ReinforceBernoulli
    from saccade.policy.units import ReinforceCategorical as ReinforceCategorical
    from saccade.policy.units import ReinforceGamma as ReinforceGamma
    from saccade.policy.units import ReinforceNormal as ReinforceNormal
    from saccade.recurrent.attention import RecurrentAttention as RecurrentAttention
    from saccade.recurrent.core import GRUCore as GRUCore
    from saccade.recurrent.core import LSTMCore as LSTMCore
    from saccade.recurrent.core import RectifiedCore as RectifiedCore
    from saccade.recurrent.rollout import Rollout as Rollout
    from saccade.reward.criterion import BinaryClassReward as BinaryClassReward
    from saccade.reward.criterion import HybridLoss as HybridLoss
    from saccade.reward.criterion import Losses as Losses
    from saccade.reward.criterion import VRClassReward as VRClassReward
    from saccade.training.build import build as build
    from saccade.training.evaluate import evaluate as evaluate
    from saccade.training.fit import fit as fit
    from saccade.training.pretrained import from_pretrained as from_pretrained
    from saccade.training.pretrained import save_pretrained as save_pretrained
    from saccade.viewing.look import look as look

__version__ = "0.1.0"

# Where each public name lives: it is imported when first asked for, so that `import saccade` and `--help` are quick.
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
