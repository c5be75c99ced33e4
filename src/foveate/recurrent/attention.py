"""RecurrentAttention: the loop of location, glimpse, feature and hidden state."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Shaped
from torch import Generator, Tensor, nn

from foveate.policy.fixed import FixedLocator, UniformLocator
from foveate.recurrent.baselines import NoBaseline
from foveate.recurrent.ensemble import classify
from foveate.recurrent.rollout import Rollout
from foveate.recurrent.stopping import check_stop, rollout_until_sure

Start = str | Float[Tensor, "*batch 2"]
CHECKED = 64  # pixels along a side whose range is checked: no more, to take no time
MOST_STANDARDIZED = 16.0  # brightest value of an image in [0, 1], or standardized by its owner; 0..255 is brighter


@runtime_checkable
class Scene(Protocol):
    """A batch of images that may change with the hidden state of the model."""

    batch_size: int

    def __call__(self, hidden: Float[Tensor, "batch hidden"]) -> Any:
        """Images for the next glimpse, in the form that the glimpse network takes, given the hidden state before it."""
        ...


class StaticScene:
    """A scene that does not change: a batch of images."""

    def __init__(self, image: Any, batch_size: int) -> None:
        self.image, self.batch_size = image, batch_size

    def __call__(self, hidden: Float[Tensor, "batch hidden"]) -> Any:
        """Images."""
        return self.image


class RecurrentAttention(nn.Module):
    """Recurrent attention model: l_t ~ locator(h_{t-1}), g_t = glimpse(x, l_t), h_t = core(g_t, h_{t-1}).

    Its parts can be any modules with these interfaces: `glimpse(image, location) -> feature`, a core with
    `start(batch)` and `core(feature, state) -> state`, `locator(hidden, generator, sample) -> (location, log_prob)`,
    `classifier(hidden) -> logits`, `baseline(hiddens) -> baselines`. The loop detaches nothing: the parts decide which
    gradients flow.

    Convention:
        location is (x, y) in [-1, 1], x right, y down (see `SpatialGlimpse`).

    Args:
        glimpse: encodes what is seen at a location.
        core: the recurrent part.
        locator: draws the next location; a module that learns, or a fixed policy.
        classifier: answers after each glimpse.
        baseline: predicts the reward; without one, b_t = 0.
        num_glimpses: default number of glimpses at each image.
        start: default location of the first glimpse: "learned" (by the locator, from h_0 = 0), "center" or "random".
        channels: number of channels that images must have; None takes any.

    Raises:
        ValueError: if `num_glimpses`, `num_rollouts`, `start` or `stop` is impossible, or `image` is no batch.

    Example:
        >>> import foveate
        >>> model = foveate.build(foveate.config.Model(image=(1, 28, 28), classes=tuple("0123456789")))
        >>> rollout = model(torch.rand(5, 1, 28, 28))
        >>> rollout.logits.shape, rollout.locations.shape
        (torch.Size([7, 5, 10]), torch.Size([7, 5, 2]))

    Source: Mnih et al. 2014, section 3.1 and figure 1; Torch7 `rnn/RecurrentAttention.lua`.
    """

    core: Any  # any module with `start`

    unit_range = False
    """Whether images should be in [0, 1]: floats above 16 are refused then."""

    def __init__(
        self,
        glimpse: nn.Module,
        core: nn.Module,
        locator: Any,
        classifier: nn.Module,
        baseline: nn.Module | None = None,
        num_glimpses: int = 7,
        start: str = "learned",
        channels: int | None = None,
    ) -> None:
        super().__init__()
        self.glimpse, self.core, self.locator = glimpse, core, locator
        self.classifier, self.baseline = classifier, baseline or NoBaseline()
        self.num_glimpses, self.start = num_glimpses, start
        self.channels = channels
        self.locators(None, num_glimpses)

    def forward(
        self,
        image: Shaped[Tensor, "*images"] | Scene,
        *,
        num_glimpses: int | None = None,
        start: Start | None = None,
        num_rollouts: int = 1,
        every_answer: bool = True,
        stop: float | None = None,
        sample: bool | None = None,
        locator: Any = None,
        generator: Generator | None = None,
    ) -> Rollout:
        """Take `num_glimpses` glimpses of every image in each of `num_rollouts` scanpaths, and classify it.

        Args:
            image: images (batch, channels, height, width), `Pyramids` of images too large to load, or a `Scene` that
                changes with the hidden state.
            num_glimpses: may differ from the number that the model was built for.
            start: "learned", "center", "random", or the location (x, y) of the first glimpse, for all or for each.
            num_rollouts: scanpaths of each image; see `Rollout` for their order.
            every_answer: classify after every glimpse, not only after the last.
            stop: probability at which an answer is sure: an image whose largest probability reaches it takes no more
                glimpses and leaves the batch, which saves their time; 1 never stops. With several rollouts the mean of
                their probabilities decides.
            sample: draw the locations (True) or take the mean of the policy (False); None draws in training.
            locator: a policy in place of the model's own, such as a `RasterLocator`; it chooses the first location too
                unless `start` is given. One that depends on the step has `at(step)`, the locator of that step.
            generator: source of the random locations.
        """
        if num_rollouts < 1:
            raise ValueError(f"`num_rollouts` should be at least 1. Found `num_rollouts = {num_rollouts}`.")
        if isinstance(image, Tensor) and image.ndim != 4:
            raise ValueError(
                f"`image` should be (batch, channels, height, width). Found {tuple(image.shape)}; "
                "`image.unsqueeze(0)` makes a batch of one."
            )
        num_glimpses = self.num_glimpses if num_glimpses is None else num_glimpses
        scene = self.static_scene(image) if isinstance(image, Tensor) else image
        self._check_channels(getattr(scene, "channels", self.channels))
        _check_start(start, scene.batch_size, num_rollouts)
        if stop is not None:
            check_stop(stop, image)
            steps = self.locators(start, num_glimpses, locator)
            return rollout_until_sure(
                self, image, stop, steps, num_rollouts=num_rollouts, sample=sample, generator=generator
            )
        state = self.core.start(scene.batch_size * num_rollouts)
        hiddens, locations, log_probs = [state[0]], [], []
        for choose in self.locators(start, num_glimpses, locator):
            location, log_prob = choose(hiddens[-1], generator, sample)
            feature = self.glimpse(scene(hiddens[-1]), location)
            state = self.core(feature, state)
            hiddens.append(state[0])
            locations.append(location)
            log_probs.append(log_prob)
        before, after = torch.stack(hiddens[:-1]), torch.stack(hiddens[1:])
        logits, member_logits = classify(self.classifier, after if every_answer else after[-1:])
        return Rollout(
            logits=logits,
            locations=torch.stack(locations),
            log_probs=torch.stack(log_probs),
            baselines=self.baseline(before),
            hiddens=after,
            member_logits=member_logits,
        )

    def static_scene(self, image: Shaped[Tensor, "images channels height width"]) -> StaticScene:
        """A scene that shows the same images at every step; raises ValueError if they are not the model's kind."""
        self._check_channels(image.shape[1])
        if self.unit_range:
            check_unit_range(image)
        return StaticScene(image, image.shape[0])

    def _check_channels(self, channels: int | None) -> None:
        """Check that images have as many channels as the model."""
        if self.channels is not None and channels != self.channels:
            raise ValueError(f"`image` should have {self.channels} channel(s), as the model has. Found {channels}.")

    def locators(
        self, start: Start | None, num_glimpses: int, locator: Any = None
    ) -> list[Callable[..., tuple[Tensor, Tensor]]]:
        """Locator of each step: `locator` or the model's own, with the first one replaced as `start` says."""
        if num_glimpses < 1:
            raise ValueError(f"`num_glimpses` should be at least 1. Found `num_glimpses = {num_glimpses}`.")
        if start is None:
            start = self.start if locator is None else "learned"
        if locator is None:
            locator = self.locator
        at = getattr(locator, "at", None)
        steps = [locator] * num_glimpses if at is None else [at(step) for step in range(num_glimpses)]
        if isinstance(start, Tensor):
            steps[0] = FixedLocator(start)
        elif start == "center":
            steps[0] = FixedLocator(torch.zeros(2))
        elif start == "random":
            steps[0] = UniformLocator(getattr(self.locator, "reach", 1.0))
        elif start != "learned":
            raise ValueError(
                f"`start` should be 'learned', 'center', 'random' or a location. Found `start = {start!r}`."
            )
        return steps


def _check_start(start: Start | None, images: int, num_rollouts: int) -> None:
    """Check that there is one location for all images, for each image, or for each rollout."""
    if isinstance(start, Tensor) and start.shape not in ((2,), (images, 2), (images * num_rollouts, 2)):
        raise ValueError(
            f"`start` should be one location (x, y), or one for each of the {images} images. "
            f"Found the shape {tuple(start.shape)}."
        )


def check_unit_range(image: Shaped[Tensor, "images channels height width"], wait: bool = False) -> None:
    """Raise ValueError for floats in 0..255.

    Values are read on a CPU only unless `wait`, since that would wait for a GPU, and not while a program is traced.
    """
    has_values = type(image) is Tensor and (wait or image.device.type == "cpu")
    if not image.is_floating_point() or not has_values or torch.compiler.is_compiling():
        return
    step = max(1, image.shape[-1] // CHECKED)
    with suppress(RuntimeError):  # no values, as under `vmap`
        highest = float(image.detach()[..., ::step, ::step].max())
        if highest > MOST_STANDARDIZED:
            raise ValueError(
                f"`image` of {image.dtype} should be in [0, 1]. Found {highest:g}: divide by 255, or give uint8."
            )
