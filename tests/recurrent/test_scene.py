"""Scenes that change with the hidden state, and sensors with a gradient to the location."""

from typing import Any

import torch
from torch import Tensor, nn

from foveate import GlimpseNetwork, RecurrentAttention
from foveate.recurrent.attention import Scene
from recurrent.tiny import CLASSES, WIDTH, Drift, PlainGlimpse, Sum, agent, trained


class Lamp:
    """Two images whose brightness is the sum of the brightness seen so far, plus 0.25."""

    batch_size = 2

    def __init__(self) -> None:
        self.shown: list[float] = []

    def __call__(self, hidden: Tensor) -> Tensor:
        brightness = hidden[:2, 0] + 0.25
        self.shown.append(brightness[0].item())
        return brightness.view(2, 1, 1, 1).expand(2, 1, 3, 3)


class Bump(nn.Module):
    """A sensor that reads the image through a Gaussian around the location, so that the location has a gradient."""

    def forward(self, image: Tensor, location: Tensor) -> Tensor:
        axes = [torch.linspace(-1, 1, side) for side in (image.shape[3], image.shape[2])]
        across, down = (
            torch.exp(-((axis - place[:, None]) ** 2)) for axis, place in zip(axes, location.T, strict=True)
        )
        image = image.repeat(len(location) // len(image), 1, 1, 1)
        return torch.einsum("bchw,bh,bw->bc", image, down, across)


class Pointer(nn.Module):
    """A deterministic, differentiable locator, as in DRAW."""

    def __init__(self) -> None:
        super().__init__()
        self.mean = nn.Linear(WIDTH, 2)

    def forward(self, hidden: Tensor, generator: Any = None, sample: bool | None = None) -> tuple[Tensor, Tensor]:
        return torch.tanh(self.mean(hidden)), torch.zeros(len(hidden))


def test_a_scene_changes_with_the_hidden_state():
    lamp = Lamp()
    assert isinstance(lamp, Scene)
    rollout = RecurrentAttention(PlainGlimpse(), Sum(), Drift(), nn.Identity(), num_glimpses=4)(lamp)
    assert lamp.shown == [0.25, 0.5, 1.0, 2.0]  # each is the sum of the ones before, plus 0.25
    assert rollout.hiddens[:, 0, 0].tolist() == [0.25, 0.75, 1.75, 3.75]


def test_a_scene_can_have_several_rollouts():
    model = RecurrentAttention(PlainGlimpse(), Sum(), Drift(), nn.Identity(), num_glimpses=4)
    assert model(Lamp(), num_rollouts=3).hiddens[-1, :, 0].tolist() == [3.75] * 6


def test_a_static_scene_equals_its_images():
    class Picture:
        batch_size = 3

        def __call__(self, hidden: Tensor) -> Tensor:
            return image

    model, image = agent().eval(), torch.rand(3, 1, 7, 9)
    assert torch.equal(model(Picture(), start="center").logits, model(image, start="center").logits)


def test_a_differentiable_sensor_trains_a_differentiable_locator():
    join = nn.Sequential(nn.Linear(3, WIDTH), nn.Tanh())
    parts = {
        "glimpse": GlimpseNetwork(Bump(), nn.Flatten(), nn.Identity(), join),
        "locator": Pointer(),
        "baseline": None,
    }
    model, image = agent(**parts), torch.rand(4, 1, 5, 6)
    rollout = model(image)
    loss = nn.functional.cross_entropy(rollout.final_logits, torch.arange(4) % CLASSES)
    assert trained(model, loss) == {"glimpse", "core", "locator", "classifier"}


def test_the_gradient_to_the_location_comes_through_the_sensor():
    """With a constant `where` and an image of one gray value, the location only changes the sensor's glimpse."""

    class Nothing(nn.Module):
        def forward(self, location: Tensor) -> Tensor:
            return torch.zeros(len(location), 1)

    join = nn.Sequential(nn.Linear(2, WIDTH), nn.Tanh())
    model = agent(glimpse=GlimpseNetwork(Bump(), nn.Flatten(), Nothing(), join), locator=Pointer(), baseline=None)
    for image, expected in [(torch.ones(1, 1, 5, 6), True), (torch.zeros(1, 1, 5, 6), False)]:
        assert ("locator" in trained(model, model(image).final_logits.square().sum())) == expected
