"""Settings derived from the data: window, number of scales, reach, and augmentation."""

import math
from dataclasses import replace

from foveate.config import Config, Data, Model, Training

HANDWRITING = ("digits", "mnist")
LARGEST_PATCH = 12  # pixels
IMAGES_SEEN = 250_000  # in all epochs of a run whose length is left to the data
MIN_EPOCHS, MAX_EPOCHS = 10, 300
FROM_DATA = ("image", "classes", "picture_size", "picture_resize", "handwriting", "image_mean", "image_std")


def derive(config: Config) -> Config:
    """Fill in what is left to the data: the augmentation, and the glimpse once the image's size is known."""
    return replace(config, data=derive_data(config.data), model=derive_model(config.model))


def derive_as_saved(config: Config, saved: Config) -> Config:
    """Fill in what is left to the data, as a saved run did: equal to it if the settings are."""
    known = {name: getattr(saved.model, name) for name in FROM_DATA}
    return derive(replace(config, model=replace(config.model, **known)))


def derive_data(data: Data) -> Data:
    """Fill in the augmentation where it is None: mild for handwriting, none for anything else.

    >>> derive_data(Data(source="mnist")).degrees, derive_data(Data(source="photos")).degrees
    (7.0, 0.0)
    """
    handwriting = data.source in HANDWRITING
    degrees = data.degrees
    if degrees is None:
        degrees = 7.0 if handwriting else 0.0
    scale = data.scale
    if scale is None:
        scale = 0.07 if handwriting else 0.0
    return replace(data, degrees=degrees, scale=scale)


def derive_training(training: Training, images: int) -> Training:
    """Fill in the number of epochs where it is 0, from the number of images in an epoch.

    >>> [derive_training(Training(epochs=0), images).epochs for images in (500, 1375, 60000)]
    [300, 182, 10]
    """
    if training.epochs:
        return training
    epochs = round(IMAGES_SEEN / images)
    return replace(training, epochs=min(max(epochs, MIN_EPOCHS), MAX_EPOCHS))


def derive_model(model: Model) -> Model:
    """Fill in the window, the number of scales and the reach where they are 0, from the image's larger side s.

    A patch has about 1.5 sqrt(s) pixels, an even number of at most 12; scales double until the widest window would
    cover more than half of the side; the reach is 0.45 s, which ends close to the border.

    >>> model = derive_model(Model(image=(1, 28, 28)))
    >>> model.glimpse_size, model.depth, model.unit_pixels
    ((8, 8), 1, 13.0)
    >>> model = derive_model(Model(image=(3, 96, 128)))
    >>> model.glimpse_size, model.depth, model.unit_pixels
    ((12, 12), 3, 58.0)
    """
    side = max(model.image[1:])
    if not side:
        return model
    size = model.glimpse_size
    if not any(size):
        patch = min(2 * round(0.75 * math.sqrt(side)), LARGEST_PATCH)
        size = (patch, patch)
    depth = model.depth or 1 + max(0, int(math.log2(side / 2 / max(size))))
    reach = model.unit_pixels or max(1.0, float(round(0.45 * side)))
    return replace(model, glimpse_size=size, depth=depth, unit_pixels=reach)
