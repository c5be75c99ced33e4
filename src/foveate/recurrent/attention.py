"""RecurrentAttention: the loop and nothing else."""

from collections.abc import Callable, Iterator
from itertools import chain, repeat
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Shaped
from torch import Generator, Tensor, nn

from foveate.policy.locator import Given, Uniform
from foveate.recurrent.columns import poll
from foveate.recurrent.heads import NoBaseline
from foveate.recurrent.rollout import Rollout

Start = str | Float[Tensor, "*batch 2"]


@runtime_checkable
class Scene(Protocol):
    """What is looked at: `batch_size` images that may change with what the agent has in mind."""

    batch_size: int

    def __call__(self, hidden: Float[Tensor, "batch hidden"]) -> Any:
        """The images now, as the glimpse network takes them, given the hidden state before the next glimpse."""
        ...


class Still:
    """A scene that never changes: a batch of pictures."""

    def __init__(self, image: Any, batch_size: int) -> None:
        self.image, self.batch_size = image, batch_size

    def __call__(self, hidden: Float[Tensor, "batch hidden"]) -> Any:
        """The pictures."""
        return self.image


class RecurrentAttention(nn.Module):
    """The recurrent attention model: l_t ~ locator(h_{t-1}), g_t = glimpse(x, l_t), h_t = core(g_t, h_{t-1}).

    Any parts with the same interfaces will do: `glimpse(image, location) -> feature`, a core with `start(batch)` and
    `core(feature, state) -> state`, `locator(hidden, generator) -> (location, log_prob)`,
    `classifier(hidden) -> logits`, `baseline(hiddens) -> baselines`. Which gradients flow where is the parts' own
    affair: the loop cuts none.

    Convention:
        location is (x, y) in [-1, 1], x right, y down (see `SpatialGlimpse`).

    Args:
        glimpse, core, locator, classifier, baseline: the parts; no baseline means 0.
        num_glimpses: glimpses at each image, if the call says nothing else.
        start: where the first glimpse is taken: "learned" (the locator's answer to h_0 = 0), "centre" or "random".

    Raises:
        ValueError: if `num_glimpses`, `num_rollouts` or `start` is none of the above.

    Example:
        >>> import foveate
        >>> model = foveate.build(foveate.config.Model(image=(1, 28, 28), classes=tuple("0123456789")))
        >>> rollout = model(torch.rand(5, 1, 28, 28))
        >>> rollout.logits.shape, rollout.locations.shape
        (torch.Size([7, 5, 10]), torch.Size([7, 5, 2]))

    Source: Mnih et al. 2014, section 3.1 and figure 1; Torch7 `rnn/RecurrentAttention.lua`.
    """

    core: Any  # a module with `start`, of whatever class

    def __init__(
        self,
        glimpse: nn.Module,
        core: nn.Module,
        locator: nn.Module,
        classifier: nn.Module,
        baseline: nn.Module | None = None,
        num_glimpses: int = 7,
        start: str = "learned",
    ) -> None:
        super().__init__()
        self.glimpse, self.core, self.locator = glimpse, core, locator
        self.classifier, self.baseline = classifier, baseline or NoBaseline()
        self.num_glimpses, self.start = num_glimpses, start
        self.locators(None, num_glimpses)

    def forward(
        self,
        image: Shaped[Tensor, "*images"] | Scene,
        *,
        num_glimpses: int | None = None,
        start: Start | None = None,
        num_rollouts: int = 1,
        every_answer: bool = True,
        generator: Generator | None = None,
    ) -> Rollout:
        """Look `num_glimpses` times at every image, `num_rollouts` times over, and answer.

        Args:
            image: the images, or a `Scene` that changes as it is looked at.
            num_glimpses: more or fewer than the model was built for.
            start: "learned", "centre", "random", or the location (x, y) of the first glimpse, for all or for each.
            num_rollouts: scanpaths for each image; see `Rollout` for their order.
            every_answer: classify after every glimpse rather than only after the last.
            generator: the randomness of the locations.
        """
        if num_rollouts < 1:
            raise ValueError(f"`num_rollouts` should be at least 1. Found `num_rollouts = {num_rollouts}`.")
        if isinstance(image, Tensor) and image.ndim != 4:
            raise ValueError(
                f"`image` should be (batch, channels, height, width). Found {tuple(image.shape)}; "
                "`image.unsqueeze(0)` makes a batch of one."
            )
        num_glimpses = self.num_glimpses if num_glimpses is None else num_glimpses
        scene = self.still(image, num_glimpses * num_rollouts) if isinstance(image, Tensor) else image
        _check_start(start, scene.batch_size, num_rollouts)
        state = self.core.start(scene.batch_size * num_rollouts)
        hiddens, locations, log_probs = [state[0]], [], []
        for locator in self.locators(start, num_glimpses):
            location, log_prob = locator(hiddens[-1], generator)
            feature = self.glimpse(scene(hiddens[-1]), location)
            state = self.core(feature, state)
            hiddens.append(state[0])
            locations.append(location)
            log_probs.append(log_prob)
        before, after = torch.stack(hiddens[:-1]), torch.stack(hiddens[1:])
        logits, votes = poll(self.classifier, after if every_answer else after[-1:])
        return Rollout(
            logits=logits,
            locations=torch.stack(locations),
            log_probs=torch.stack(log_probs),
            baselines=self.baseline(before),
            hiddens=after,
            votes=votes,
        )

    def still(self, image: Shaped[Tensor, "images channels height width"], num_glimpses: int) -> "Still":
        """The images as a scene, prepared by the glimpse network, if it can, for so many glimpses at each."""
        prepare = getattr(self.glimpse, "prepare", None)
        return Still(prepare(image, num_glimpses) if prepare else image, len(image))

    def locators(self, start: Start | None, num_glimpses: int) -> Iterator[Callable[..., tuple[Tensor, Tensor]]]:
        """Who chooses the location of each glimpse: the start, then the locator."""
        if num_glimpses < 1:
            raise ValueError(f"`num_glimpses` should be at least 1. Found `num_glimpses = {num_glimpses}`.")
        start = self.start if start is None else start
        if isinstance(start, Tensor):
            first = Given(start)
        elif start == "learned":
            first = self.locator
        elif start == "centre":
            first = Given(torch.zeros(2))
        elif start == "random":
            first = Uniform(getattr(self.locator, "reach", 1.0))
        else:
            raise ValueError(
                f"`start` should be 'learned', 'centre', 'random' or a location. Found `start = {start!r}`."
            )
        return chain([first], repeat(self.locator, num_glimpses - 1))


def _check_start(start: Start | None, images: int, num_rollouts: int) -> None:
    """Refuse given locations that are neither one for all, nor one an image, nor one a rollout."""
    if isinstance(start, Tensor) and start.shape not in ((2,), (images, 2), (images * num_rollouts, 2)):
        raise ValueError(
            f"`start` should be one location (x, y), or one for each of the {images} images. "
            f"Found the shape {tuple(start.shape)}."
        )
