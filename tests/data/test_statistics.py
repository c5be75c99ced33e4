"""Mean and standard deviation of the channels are those of all pixels."""

import torch

from foveate.data.records import InMemory
from foveate.data.statistics import MIN_STD, channel_statistics


def test_they_equal_the_statistics_of_the_pixels():
    image = torch.randint(0, 256, (250, 3, 5, 4), dtype=torch.uint8)
    image[:, 2] = 51
    mean, std = channel_statistics(InMemory(image, torch.zeros(250, dtype=torch.int64)))
    pixels = image.double().movedim(1, 0).flatten(1) / 255
    torch.testing.assert_close(torch.tensor(mean).double(), pixels.mean(1), rtol=0, atol=5.1e-5)
    torch.testing.assert_close(
        torch.tensor(std).double(), pixels.std(1, correction=0).clamp(min=MIN_STD), rtol=0, atol=5.1e-5
    )
    assert std[2] == round(MIN_STD, 4)


def test_of_many_images_evenly_spaced_ones_are_read(monkeypatch):
    monkeypatch.setattr("foveate.data.statistics.MAX_IMAGES", 3)
    image = torch.arange(9, dtype=torch.uint8).view(9, 1, 1, 1) * 25
    assert channel_statistics(InMemory(image, torch.zeros(9, dtype=torch.int64)))[0] == (round(75 / 255, 4),)
