"""The public names of `foveate`, each imported when it is first asked for."""

from . import config as config
from .config import Config as Config
from .data.huge import open_pyramid as open_pyramid
from .data.pyramid import ArrayPyramid as ArrayPyramid
from .glimpse.network import GlimpseNetwork as GlimpseNetwork
from .glimpse.pyramids import Pyramids as Pyramids
from .glimpse.sensor import SpatialGlimpse as SpatialGlimpse
from .policy.entropy import CategoricalEntropy as CategoricalEntropy
from .policy.locator import Locator as Locator
from .policy.units import ReinforceBernoulli as ReinforceBernoulli
from .policy.units import ReinforceCategorical as ReinforceCategorical
from .policy.units import ReinforceGamma as ReinforceGamma
from .policy.units import ReinforceNormal as ReinforceNormal
from .recurrent.attention import RecurrentAttention as RecurrentAttention
from .recurrent.core import GRUCore as GRUCore
from .recurrent.core import LSTMCore as LSTMCore
from .recurrent.core import RectifiedCore as RectifiedCore
from .recurrent.rollout import Rollout as Rollout
from .reward.criterion import BinaryClassReward as BinaryClassReward
from .reward.criterion import VRClassReward as VRClassReward
from .reward.loss import HybridLoss as HybridLoss
from .reward.loss import Losses as Losses
from .training.build import build as build
from .training.evaluate import evaluate as evaluate
from .training.export import export as export
from .training.fit import fit as fit
from .training.load import load_run as load_run
from .training.pretrained import from_pretrained as from_pretrained
from .training.pretrained import save_pretrained as save_pretrained
from .training.publish import push_to_hub as push_to_hub
from .viewing.animation import Animation as Animation
from .viewing.animation import save_animation as save_animation
from .viewing.charts import plot_confusion as plot_confusion
from .viewing.charts import plot_density as plot_density
from .viewing.charts import plot_error_by_glimpse as plot_error_by_glimpse
from .viewing.charts import plot_errors as plot_errors
from .viewing.charts import plot_spread as plot_spread
from .viewing.charts import plot_stopping as plot_stopping
from .viewing.charts import plot_stops as plot_stops
from .viewing.look import look as look
from .viewing.scanpath import plot_glimpse as plot_glimpse
from .viewing.scanpath import plot_looks as plot_looks
from .viewing.scanpath import plot_scanpath as plot_scanpath
from .weights import list_models as list_models

__version__: str
__all__: list[str]
