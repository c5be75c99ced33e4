"""The images of a run: the source a config names, on the device, and the canvas they are shown on."""

from dataclasses import dataclass, replace

import torch

from foveate.config import Config, Data
from foveate.data.canvas import Canvas, fixed
from foveate.data.distortion import MOST, Distortion
from foveate.data.records import Dataset, Images
from foveate.data.sources import load


@dataclass(frozen=True)
class Scenes:
    """What a run trains and is judged on."""

    source: Dataset
    """The images themselves."""
    canvas: Canvas | None
    """How training images are distorted and placed, afresh in every batch; None shows them as they are."""
    validation: Images
    """Fixed scenes that choose the model, unless they are trained on."""
    test: Images
    """Fixed scenes that are looked at once."""

    @property
    def train(self) -> Images:
        """The training images."""
        return self.source.train

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of a scene in pixels."""
        return self.validation.shape


def load_scenes(data: Data, device: torch.device | str = "cpu") -> Scenes:
    """Load the source and render the fixed scenes.

    Raises:
        ValueError, FileNotFoundError: what is wrong with the settings or the files.
    """
    source = load(
        data.source,
        validation=data.validation,
        test=data.test,
        split_seed=data.split_seed,
        held_out=data.held_out,
        resize=data.resize,
        image_size=data.image_size,
        colour=data.colour,
        unreadable=data.unreadable,
        memory=data.memory,
    ).to(device)
    canvas = _canvas(data, source)
    # Two seeds, so that the validation scenes are no rehearsal of the test's.
    validation, test = (
        fixed(images, canvas, 2 * data.split_seed + offset)
        for images, offset in ((source.validation, 1), (source.test, 0))
    )
    if data.train_on == "all":
        source = replace(source, train=source.train + source.validation)
    canvas = replace(canvas, distortion=distortion(data))
    return Scenes(source, None if canvas.keeps(source.train.shape) else canvas, validation, test)


def resolve(config: Config, scenes: Scenes) -> Config:
    """The config with what only the data knows: the image's shape and the names of the classes.

    Raises:
        ValueError: if the config already says otherwise.
    """
    model, classes = config.model, scenes.source.classes
    if any(model.image) and model.image != scenes.shape:
        raise ValueError(f"`image` should be {scenes.shape}, as the data is. Found `image = {model.image}`.")
    if model.classes and model.classes != classes:
        raise ValueError(f"`classes` should be {classes}, as in the data. Found `classes = {model.classes}`.")
    return replace(config, model=replace(model, image=scenes.shape, classes=classes))


def distortion(data: Data) -> Distortion:
    """How training images are distorted."""
    return Distortion(**{name: getattr(data, name) for name in MOST})


def _canvas(data: Data, source: Dataset) -> Canvas:
    """The canvas of the fixed scenes, which are not distorted."""
    height, width = source.train.shape[1:]
    size = (data.canvas_size, data.canvas_size) if data.canvas_size else (height, width)
    return Canvas(data.canvas, size, data.distractors)
