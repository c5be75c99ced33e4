"""Settings of a run: one frozen dataclass per section, with types and bounds on the fields.

The sentence under a field is its `--help`. Recipes are TOML files with the same sections and names. The defaults are
the recommended recipe, `mnist-quick`.
"""

import dataclasses
import functools
from typing import Annotated, Any, Literal, get_type_hints

from annotated_types import Ge, Gt, Le, Lt

from foveate.fields import check_bounds, convert

Fraction = Annotated[float, Ge(0), Lt(1)]
Share = Annotated[float, Gt(0), Lt(1)]
Count = Annotated[int, Ge(1)]
CountOrZero = Annotated[int, Ge(0)]
Sides = tuple[CountOrZero, CountOrZero]
NotNegative = Annotated[float, Ge(0)]


class Section:
    """A group of settings that checks the type and bounds of each when it is made."""

    def __post_init__(self) -> None:
        for name, hint in _hints(type(self)).items():
            value = convert(name, getattr(self, name), hint)
            check_bounds(name, value, hint)
            object.__setattr__(self, name, value)  # the class is frozen


@functools.cache
def _hints(section: type) -> dict[str, Any]:
    """Annotation of each field, with its bounds."""
    return get_type_hints(section, include_extras=True)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Data(Section):
    """Images: their source, split, canvas and augmentation."""

    source: str = "mnist"
    """`digits` (embedded), `mnist`, or a folder with one subfolder per class."""
    image_size: Sides = (0, 0)
    """Height and width of the images of a folder in pixels; zeros use the median, at most 256, or the one size."""
    resize: Literal["refuse", "pad", "crop", "stretch"] = "refuse"
    """How to fit images of another size."""
    color: Literal["auto", "gray", "rgb"] = "auto"
    """Channels of the images of a folder; `auto` is rgb if any image has color."""
    unreadable: Literal["refuse", "skip"] = "refuse"
    """What to do with files in a folder that cannot be read as images."""
    cache_gib: NotNegative = 4.0
    """Memory for decoded images in GiB; a larger data set is decoded on the fly through a cache of this size."""
    validation: Share = 1 / 6
    """Fraction of the training images held out for validation, if the source has no validation set."""
    test: Share = 0.2
    """Fraction of all images held out for the test, if the source has no test set."""
    held_out: Literal["random", "last", "tail"] = "random"
    """Images to hold out: random ones, the last of each class, or the last of the file."""
    split_seed: int = 0
    """Seed of the split and of the validation and test scenes."""
    canvas: Literal["centered", "translated", "cluttered"] = "centered"
    """Place of an image on the canvas; `cluttered` adds distractors."""
    canvas_size: CountOrZero = 0
    """Side of the square canvas in pixels; 0 uses the size of the images."""
    distractors: CountOrZero = 0
    """Number of 8x8 pieces of other images on a cluttered canvas."""
    degrees: Annotated[float | None, Ge(0), Le(180)] = None
    """Largest random rotation of a training image in degrees; 7 for handwriting, else 0."""
    scale: Annotated[float | None, Ge(0), Le(0.99)] = None
    """Largest random change of its width and height, as a fraction; 0.07 for handwriting, else 0."""
    translate: NotNegative = 0.0
    """Largest random shift of a training image in pixels."""
    elastic: NotNegative = 0.0
    """Largest random shift in pixels of the knots of a 5 x 5 grid that bends a training image."""
    horizontal_flip: Annotated[float, Ge(0), Le(1)] = 0.0
    """Probability of flipping a training image from left to right."""
    brightness: Annotated[float, Ge(0), Le(1)] = 0.0
    """Largest random change of its brightness, as a fraction."""
    contrast: Annotated[float, Ge(0), Le(1)] = 0.0
    """Largest random change of its contrast, as a fraction."""
    erasing: Annotated[float, Ge(0), Le(1)] = 0.0
    """Probability of blackening a rectangle of a training image."""
    standardize: Literal["auto", "on", "off"] = "auto"
    """Subtract the mean of each channel and divide by its standard deviation; `auto` does so unless handwriting."""
    epoch_size: CountOrZero = 0
    """Training images per epoch; 0 uses every training image once."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Model(Section):
    """Network: glimpse, core, locator, classifier and baseline."""

    image: tuple[CountOrZero, CountOrZero, CountOrZero] = (0, 0, 0)
    """Channels, height and width of the images in pixels; zeros are filled in from the data."""
    classes: tuple[str, ...] = ()
    """Names of the classes; filled in from the data if empty."""
    picture_size: Sides = (0, 0)
    """Height and width in pixels that a new picture is fitted to, before the canvas; zeros use the whole image."""
    picture_resize: Literal["pad", "crop", "stretch"] = "pad"
    """How to fit a new picture of another size, as in training."""
    handwriting: Literal["", "mnist", "digits"] = ""
    """Source of the handwriting that is read, bright ink on black; empty for images of anything else."""
    image_mean: tuple[float, ...] = ()
    """Mean of each channel of the training images in [0, 1]; filled in from the data; empty does not standardize."""
    image_std: tuple[float, ...] = ()
    """Standard deviation of each channel, likewise."""
    num_glimpses: Annotated[int, Ge(1), Le(100_000)] = 7
    """Glimpses per image."""
    glimpse_size: Sides = (0, 0)
    """Height and width of a patch in pixels; zeros derive it from the image."""
    depth: Annotated[int, Ge(0), Le(64)] = 0
    """Number of scales, each twice as wide as the one before; 0 derives it from the image."""
    unit_pixels: NotNegative = 0.0
    """Reach of the locator from the center in pixels; 0 derives it from the image."""
    what_width: Count = 128
    """Units that encode the patches."""
    where_width: Count = 128
    """Units that encode the location."""
    join_width: Count = 256
    """Units that join patches and location."""
    core: Literal["rectified", "lstm", "gru"] = "rectified"
    """Recurrent core."""
    hidden_size: Count = 256
    """Units of the core."""
    ensemble: Annotated[int, Ge(1), Le(64)] = 1
    """Networks that read the same glimpses; their probabilities are averaged."""
    dropout: Fraction = 0.1
    """Fraction of hidden units dropped before the classifier."""
    init_range: NotNegative = 0.0
    """Draw initial parameters from [-init_range, init_range]; 0 uses PyTorch's."""
    locator_width: CountOrZero = 128
    """Units of the locator's hidden layer; 0 makes the locator linear."""
    std: Annotated[float, Gt(0)] = 0.1
    """Standard deviation of a sampled location; 1 is `unit_pixels` pixels."""
    learn_std: bool = False
    """Learn the standard deviation, starting from `std`."""
    stochastic: bool = False
    """Sample in evaluation too."""
    gaze: Literal["learned", "random", "raster", "center"] = "learned"
    """Policy: learned, or a fixed one to compare it with: places at random, row by row, or always the center."""
    first_glimpse: Literal["learned", "center", "random"] = "learned"
    """Location of the first glimpse."""
    baseline: Literal["none", "scalar", "value", "batch-mean", "leave-one-out"] = "leave-one-out"
    """Baseline that is subtracted from the reward."""
    policy_gradient_into_core: bool = False
    """Let the policy loss train the core too."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Loss(Section):
    """Loss: reward and weights."""

    reward: Literal["accuracy", "log-probability"] = "accuracy"
    """Reward of a scanpath: 1 for a correct answer, or the log-probability of it."""
    policy_weight: NotNegative = 1.0
    """Weight of the policy (REINFORCE) loss."""
    label_smoothing: Fraction = 0.0
    """Share of the target spread evenly over all classes."""
    answers: Literal["last", "every"] = "last"
    """Learn to classify from the answer after the last glimpse, or from the answer after every one."""
    early_weight: NotNegative = 1.0
    """Weight of each answer before the last with `answers = every`; the last one weighs 1."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Training(Section):
    """Training: optimizer, schedule, length, precision and machine."""

    seed: int = 0
    """Seed of parameters, order, scenes and locations."""
    pretrained: str = ""
    """Model to start from: a run folder, or the name of a model in the package."""
    epochs: CountOrZero = 10
    """Epochs of training; 0 takes about 250,000 images in all, in 10 to 300 epochs."""
    patience: CountOrZero = 0
    """Stop after this many epochs without a better validation error; 0 never stops early."""
    batch_size: Count = 128
    """Images per step."""
    num_rollouts: Count = 4
    """Scanpaths sampled for each image."""
    optimizer: Literal["adamw", "sgd"] = "adamw"
    """Optimizer of all parameters; `sgd` with momentum 0.9."""
    dampening: Fraction = 0.9
    """Dampening of `sgd`: 0.9 averages gradients, 0 sums them."""
    learning_rate: Annotated[float, Gt(0)] = 2e-3
    """Learning rate of the first step."""
    min_learning_rate: NotNegative = 1e-5
    """Final learning rate."""
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    """How the learning rate falls; `linear` changes it at every epoch, as the original does."""
    anneal_epochs: CountOrZero = 0
    """Epochs until the learning rate reaches `min_learning_rate`; 0 uses `epochs`."""
    std_start: NotNegative = 0.0
    """Standard deviation of a location in the first step, annealed to `std` by a cosine; 0 uses `std` throughout."""
    weight_decay: NotNegative = 0.05
    """Weight decay of the matrices (not of biases), decoupled for `adamw`."""
    max_grad_norm: NotNegative = 0.0
    """Clip the gradient of all parameters to this norm; 0 never clips."""
    max_weight_norm: NotNegative = 0.0
    """Bound on each unit's weights."""
    ema_decay: Fraction = 0.999
    """Decay per step of the averaged weights that are kept; it ramps up with the step; 0 is off."""
    skip_nonfinite: bool = False
    """Skip a step whose loss or gradient is not finite, instead of stopping; `metrics.jsonl` counts them."""
    checkpoint_minutes: NotNegative = 1.0
    """Minutes between checkpoints within an epoch; 0 writes one after every step."""
    evaluate_on: Literal["test", "validation"] = "test"
    """Split that the kept model is evaluated on."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Number format of the products; `auto` is bf16 where the machine has units for it."""
    compile: Literal["auto", "on", "off"] = "auto"
    """Compile the steps with `torch.compile`; `auto` does so in runs of 10,000 steps."""
    threads: Count = 1
    """CPU threads; 1 is fastest on a busy machine."""
    device: str = "auto"
    """`cpu`, `cuda`, `cuda:1`, or `auto` for a GPU if there is one."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Every setting of a run."""

    data: Data = Data()
    model: Model = Model()
    loss: Loss = Loss()
    training: Training = Training()

    def __post_init__(self) -> None:
        for name, kind in get_type_hints(Config).items():
            if not isinstance(getattr(self, name), kind):
                found = type(getattr(self, name)).__name__
                raise ValueError(f"`{name}` should be a `{kind.__name__}`. Found a `{found}`.")
