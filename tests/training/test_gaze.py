"""Gaze: what depends on the image is told from what does not, in pixels."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from foveate import evaluate
from foveate.data.records import InMemory
from foveate.training.build import build
from foveate.training.diagnostics import measure_gaze, policy_metrics
from recurrent.tiny import CLASSES, agent
from training.tiny import tiny_model

LABEL = torch.arange(600) % 3


def places(*spreads: float, shift: float = 0.0, passes: int = 1, noise: float = 0.0) -> torch.Tensor:
    """Locations of 600 images, glimpse by glimpse: normal around (shift, shift) with these deviations."""
    draws = torch.Generator().manual_seed(0)
    mean = torch.randn(len(spreads), 1, len(LABEL), 2, generator=draws) * torch.tensor(spreads).view(-1, 1, 1, 1)
    return mean + shift + noise * torch.randn(len(spreads), passes, len(LABEL), 2, generator=draws)


def test_spread_is_a_plain_loop_in_pixels():
    locations = places(0.1, 0.3)
    gaze = measure_gaze(locations, LABEL, (20, 60))
    for t in range(2):
        points = [
            (30 * float(x), 10 * float(y)) for x, y in locations[t, 0]
        ]  # x by half the width, y by half the height
        middle = [sum(axis) / len(points) for axis in zip(*points, strict=True)]
        distance = math.sqrt(sum(math.dist(point, middle) ** 2 for point in points) / len(points))
        assert gaze.spread[t] == pytest.approx(distance)


def test_random_places_depend_fully_and_equal_ones_not_at_all():
    anywhere = torch.rand(4, 1, len(LABEL), 2, generator=torch.Generator().manual_seed(0)) * 2 - 1
    assert measure_gaze(anywhere, LABEL, (28, 40)).scanpath_dependence == pytest.approx(1, abs=0.02)
    path = torch.tensor([(0.0, 0.0), (0.9, -0.9), (-0.9, 0.5)]).view(3, 1, 1, 2).expand(3, 1, len(LABEL), 2)
    gaze = measure_gaze(path, LABEL, (28, 40))
    assert gaze.scanpath_dependence == pytest.approx(0, abs=1e-6)
    assert gaze.by_class == 0


def test_a_reach_of_few_pixels_shows_whatever_the_locator_does():
    """`unit_pixels` too small: the unit may swing from bound to bound, and yet every image is looked at alike."""
    swinging = torch.randint(2, (4, 1, len(LABEL), 2), generator=torch.Generator().manual_seed(0)) * 2 - 1.0
    small, large = (measure_gaze(swinging * reach, LABEL, (60, 60), reach) for reach in (0.02, 0.8))
    assert small.scanpath_dependence < 0.05 < 1 < large.scanpath_dependence
    assert small.at_border == large.at_border == 1


@given(shift=st.floats(-3, 3), factor=st.floats(0.1, 10), side=st.integers(2, 500))
def test_the_share_knows_no_shift_and_no_size_of_the_image(shift: float, factor: float, side: int):
    one = measure_gaze(places(0.1, 0.2), LABEL, (28, 28))
    other = measure_gaze(places(0.1, 0.2, shift=shift) * factor, LABEL, (side, side))
    assert other.scanpath_dependence == pytest.approx(factor * one.scanpath_dependence, rel=1e-4)
    assert other.by_class == pytest.approx(one.by_class, rel=1e-3)


def test_the_first_glimpse_does_not_count_for_the_whole():
    first, later = (measure_gaze(places(a, b), LABEL, (28, 28)) for a, b in ((0.5, 0.1), (0.0, 0.1)))
    assert first.spread[0] > later.spread[0] == 0
    assert first.scanpath_dependence == pytest.approx(later.scanpath_dependence) == first.dependence[1]
    assert measure_gaze(places(0.5), LABEL, (28, 28)).scanpath_dependence == 0


def test_several_passes_take_chance_off():
    exact = measure_gaze(places(0.1, 0.1), LABEL, (28, 28)).scanpath_dependence
    noisy, several = (measure_gaze(places(0.1, 0.1, passes=m, noise=0.3), LABEL, (28, 28)) for m in (1, 8))
    assert noisy.scanpath_dependence > 2 * exact
    assert several.scanpath_dependence == pytest.approx(exact, rel=0.1)
    alike = measure_gaze(places(0.0, 0.0, passes=8, noise=0.3), LABEL, (28, 28))
    assert alike.scanpath_dependence < 0.03


def test_by_class_tells_classes_from_images():
    one_a_class = torch.tensor([(-0.5, 0.0), (0.0, 0.5), (0.5, 0.0)])[LABEL].view(1, 1, -1, 2).expand(2, 1, -1, 2)
    assert measure_gaze(one_a_class, LABEL, (28, 28)).by_class == pytest.approx(1)
    assert measure_gaze(places(0.0, 0.3), LABEL, (28, 28)).by_class < 0.02
    assert measure_gaze(one_a_class[:, :, LABEL.argsort()], LABEL.sort().values, (28, 28)).by_class == pytest.approx(1)


def test_the_border_is_the_reach_along_either_axis():
    at = torch.tensor([[(0.9, 0.0)] * 4, [(0.8, 0.0), (0.1, -0.4), (-0.8, 0.4), (0.5, 0.3)]]).unsqueeze(1)
    assert measure_gaze(at, LABEL[:4], (28, 14), torch.tensor([0.8, 0.4])).at_border == 0.75
    assert measure_gaze(at, LABEL[:4], (28, 14)).at_border == 0


def test_an_evaluation_measures_its_own_policy_with_the_reach_of_its_locator():
    images = InMemory(torch.randint(256, (53, 1, 7, 9), dtype=torch.uint8), torch.randint(CLASSES, (53,)))
    model = agent()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=3)  # so far out that its mean is often at a bound
    rollout = model.eval()(images.image)
    expected = measure_gaze(rollout.locations.unsqueeze(1), images.label, (7, 9), model.locator.reach)
    gaze = evaluate(model, images, batch_size=20).gaze
    assert gaze is not None
    assert gaze.spread == pytest.approx(expected.spread, rel=1e-4)
    assert 0 < gaze.at_border == pytest.approx(expected.at_border)
    assert gaze.spread[0] == pytest.approx(0, abs=1e-6)
    sampled = evaluate(model, images, policy="sampled").gaze
    assert sampled is not None
    assert sampled.spread[0] > 0.1


def test_a_place_that_is_no_location_has_no_gaze():
    from foveate.training.evaluate import gaze_of

    images = InMemory(torch.zeros(2, 1, 7, 9, dtype=torch.uint8), torch.zeros(2, dtype=torch.int64))
    assert gaze_of(agent(), images, torch.zeros(3, 1, 2, 4)) is None


@pytest.mark.parametrize("std", [0.1, 2.0])
def test_what_an_epoch_says_of_the_policy(std: float):
    model = build(tiny_model(std=std, learn_std=True))
    gaze = measure_gaze(places(0.0, 0.2), LABEL, (28, 28))
    found = policy_metrics(model, gaze)
    entropy = torch.distributions.Normal(torch.zeros(2), torch.tensor(std)).entropy().sum()
    assert found == {
        "scanpath_dependence": gaze.scanpath_dependence,
        "at_border": gaze.at_border,
        "policy_std": pytest.approx(std),
        "policy_entropy": pytest.approx(float(entropy), rel=1e-5),
    }
    assert set(policy_metrics(model, None)) == {"policy_std", "policy_entropy"}
    assert policy_metrics(torch.nn.Linear(2, 2), None) == {}
