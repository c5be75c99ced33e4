"""Every setting of a run: one frozen dataclass a section, one sentence a field.

The sentence under a field is its `--help`. Recipes are TOML files with the same sections and names.
"""

import dataclasses
from typing import Literal


@dataclasses.dataclass(frozen=True, kw_only=True)
class Data:
    """What is looked at: images, their split, and the canvas they are shown on."""

    source: str = "mnist"
    """Where the images come from: `digits` (embedded), `mnist`, or the path of a folder with one subfolder a class."""
    canvas: Literal["centred", "translated", "cluttered"] = "centred"
    """How an image is shown: in the middle, at a random place, or at a random place among distractors."""
    canvas_size: int = 0
    """Side of the square canvas in pixels; 0 keeps the size of the source's own images."""
    distractors: int = 0
    """Number of 8x8 pieces of other images on a cluttered canvas."""
    rotation: float = 0.0
    """Degrees by which a training image is turned at most, another way each time it is shown."""
    slant: float = 0.0
    """Degrees by which a training image is slanted at most, to the right as italics are, or to the left."""
    zoom: float = 0.0
    """Fraction by which a training image's width and height are scaled at most, each for itself."""
    shift: float = 0.0
    """Pixels by which a training image is moved at most, down and across."""
    elastic: float = 0.0
    """Pixels by which 5 x 5 points of a training image are moved at most, across and down; the rest bends along."""
    scenes: int = 0
    """Training scenes in one epoch; 0 shows every training image once."""
    validation: float = 1 / 6
    """Fraction of the training images held out for validation, where the source has no validation set of its own."""
    test: float = 0.2
    """Fraction of all images held out for the test, where the source has no test set of its own."""
    train_on: Literal["train", "all"] = "train"
    """Images to learn from; `all` takes those of validation too, once settings are chosen, and keeps the last model."""
    held_out: Literal["random", "last"] = "random"
    """Which images are held out: random ones, or each class's last, where neighbours are of one writer or film."""
    split_seed: int = 0
    """Seed of the split and of the fixed validation and test scenes."""
    resize: Literal["refuse", "pad", "crop", "stretch"] = "refuse"
    """What to do with images of another size than `image_size`: refuse, fit with a border, fill and cut, or stretch."""
    image_size: tuple[int, int] = (0, 0)
    """Height and width in pixels of a folder's images; zeros take the size of the first image."""
    colour: Literal["auto", "grey", "rgb"] = "auto"
    """Channels of a folder's images: grey, rgb, or rgb only if any image has colour."""
    unreadable: Literal["refuse", "skip"] = "refuse"
    """What to do about a folder's files that are no readable image."""
    memory: float = 4.0
    """Gibibytes that decoded images may fill; a larger set is decoded as it is read, through a cache of that size."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Model:
    """The network: glimpse, core, locator, classifier, baseline; the image's size and the classes are the data's."""

    image: tuple[int, int, int] = (0, 0, 0)
    """Channels, height and width of the images in pixels; zeros take the data's."""
    classes: tuple[str, ...] = ()
    """Names of the classes; empty takes the data's."""
    num_glimpses: int = 7
    """Glimpses taken at each image."""
    glimpse_size: tuple[int, int] = (8, 8)
    """Height and width in pixels of each patch of a glimpse."""
    depth: int = 1
    """Number of patches in a glimpse, one per scale."""
    scale: float = 2.0
    """Ratio of the sides of two successive windows."""
    what_width: int = 128
    """Units that encode what is seen."""
    where_width: int = 128
    """Units that encode where it is seen."""
    join_width: int = 256
    """Units that join what and where."""
    core: Literal["rectified", "lstm", "gru"] = "rectified"
    """Kind of the recurrent core."""
    hidden_size: int = 256
    """Units of the recurrent core, of each column's where there are several."""
    columns: int = 1
    """Networks, from glimpse to classifier, that read the same glimpses; their probabilities are averaged."""
    activation: Literal["relu", "tanh", "sigmoid", "elu", "gelu", "silu"] = "relu"
    """Activation function of the glimpse network and of the rectified core."""
    dropout: float = 0.0
    """Fraction of the hidden units dropped before the classifier in training."""
    init: float = 0.0
    """Parameters start uniform in [-init, init]; 0 takes PyTorch's defaults."""
    locator_width: int = 0
    """Units of the locator's own hidden layer; 0 has none."""
    unit_pixels: float = 13.0
    """Pixels from the image's centre that the locator's 1 reaches."""
    std: float = 0.22
    """Standard deviation of a sampled location, in the locator's units (1 is `unit_pixels`)."""
    learn_std: bool = False
    """Learn the standard deviation, starting from `std`."""
    stochastic: bool = False
    """Sample locations in evaluation too, as the original script does on request."""
    start: Literal["learned", "centre", "random"] = "learned"
    """Where the first glimpse is taken."""
    baseline: Literal["none", "scalar", "value", "batch-mean", "leave-one-out"] = "value"
    """Subtracted from the reward: nothing, a learned number, a learned value per step, or a mean of other rewards."""
    policy_gradient_into_core: bool = False
    """Let the policy loss train the core too (the Torch7 original does)."""
    baseline_gradient_into_core: bool = False
    """Let the baseline loss train the core too."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Loss:
    """What is learned: the classification loss, and the weights of the policy loss and the baseline loss beside it."""

    reward: Literal["right", "log-probability"] = "right"
    """What a scanpath earns: 1 for a right answer and 0 for a wrong one, or the log-probability of the right class."""
    reward_scale: float = 1.0
    """What the reward is multiplied with."""
    policy_weight: float = 1.0
    """Weight of the policy (REINFORCE) loss."""
    baseline_weight: float = 1.0
    """Weight of the baseline's mean squared error."""
    label_smoothing: float = 0.0
    """Share of the target spread evenly over all classes, 0 to below 1."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Training:
    """How it is learned: optimizer, schedule, length, precision, machine."""

    seed: int = 0
    """Seed of the parameters, the order of the images, the scenes and the locations."""
    pretrained: str = ""
    """Model to start from, a run folder or a name that comes with the package; empty starts from random parameters."""
    epochs: int = 60
    """Epochs of training at most."""
    patience: int = 0
    """Stop after this many epochs without a better validation error; 0 never stops early."""
    batch_size: int = 128
    """Images in one step."""
    num_rollouts: int = 1
    """Scanpaths sampled for each image of a step."""
    optimizer: Literal["adamw", "sgd"] = "adamw"
    """Optimizer of all parameters."""
    learning_rate: float = 1e-3
    """Learning rate of the first step."""
    min_learning_rate: float = 1e-5
    """Floor of the learning rate."""
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    """How the learning rate falls to its floor."""
    decay_epochs: int = 0
    """Epochs until the learning rate reaches its floor; 0 takes `epochs`."""
    momentum: float = 0.9
    """Momentum of `sgd`."""
    first_std: float = 0.0
    """Standard deviation of a location in the first step, from which it falls to `std` by a cosine; 0 takes `std`."""
    weight_decay: float = 0.0
    """Weight decay of the matrices (not of biases), decoupled for `adamw`."""
    gradient_cut: float = 0.0
    """Greatest norm of the gradient of all parameters together; 0 never cuts."""
    max_norm: float = 0.0
    """Greatest norm of the weights into one unit; 0 never cuts."""
    ema: float = 0.0
    """Decay per step of the averaged weights that are evaluated and kept; 0 keeps the weights themselves."""
    skip_nonfinite: bool = False
    """Leave out a step whose loss or gradient is not finite, instead of stopping; `metrics.jsonl` counts them."""
    checkpoint_minutes: float = 1.0
    """Minutes between two checkpoints inside an epoch, the most that a kill can cost; 0 writes one after every step."""
    evaluate_on: Literal["test", "validation"] = "test"
    """Split that the best model is evaluated on at the end; `validation` leaves the test set to `foveate evaluate`."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """Number format of the matrix products."""
    compile: Literal["auto", "on", "off"] = "auto"
    """Fuse the rectified network's steps by `torch.compile`, a minute at the start; auto: in runs of 10,000 steps."""
    threads: int = 1
    """CPU threads; 1 is fastest on a busy machine."""
    device: str = "auto"
    """`cpu`, `cuda`, `cuda:1`, or `auto` for a GPU where there is one."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Every setting of a run."""

    data: Data = Data()
    model: Model = Model()
    loss: Loss = Loss()
    training: Training = Training()
