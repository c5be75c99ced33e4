"""Fixed policies: locations that do not depend on the hidden state."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from asserts import assert_equal
from foveate.policy.fixed import FIXED_POLICIES, FixedLocator, RasterLocator, UniformLocator, fixed_policy, raster


def hidden(batch: int = 6) -> Tensor:
    return torch.zeros(batch, 5)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_fixed_location_is_repeated_for_every_image_and_rollout():
    """Entry i has the location of image i mod B."""
    assert FixedLocator(torch.tensor([0.5, -0.5]))(hidden(3))[0].tolist() == [[0.5, -0.5]] * 3
    each = torch.tensor([[0.1, 0.2], [0.3, 0.4]])
    location, log_prob = FixedLocator(each)(hidden(6))
    assert_equal(location, each.repeat(3, 1))
    assert_equal(log_prob, torch.zeros(6))


def test_uniform_locations_fill_the_reach_evenly():
    location, log_prob = UniformLocator(torch.tensor([0.25, 1.0]))(hidden(20_000), seeded())
    assert location.amin(0).tolist() == pytest.approx([-0.25, -1], abs=1e-3)
    assert location.amax(0).tolist() == pytest.approx([0.25, 1], abs=1e-3)
    # A uniform distribution on [-1, 1] has the variance 1 / 3.
    assert (location / torch.tensor([0.25, 1.0])).var(0).tolist() == pytest.approx([1 / 3, 1 / 3], rel=0.03)
    assert_equal(log_prob, torch.zeros(20_000))
    assert_equal(UniformLocator()(hidden(), seeded(1))[0], UniformLocator()(hidden(), seeded(1))[0])
    assert not torch.equal(UniformLocator()(hidden(), seeded(1))[0], UniformLocator()(hidden(), seeded(2))[0])


@given(st.integers(1, 60))
def test_a_raster_runs_row_by_row_from_edge_to_edge(count: int):
    places = list(raster(count))
    assert len(set(places)) == count
    assert sorted(places, key=lambda place: (place[1], place[0])) == places
    rows = {y: sorted(x for x, other in places if other == y) for _, y in places}
    widths = [len(row) for row in rows.values()]
    assert max(widths) - min(widths) <= 1
    assert abs(len(rows) - max(widths)) <= 1
    for ends in (sorted(rows), *rows.values()):
        assert (ends[0], ends[-1]) == ((-1.0, 1.0) if len(ends) > 1 else (0.0, 0.0))


@pytest.mark.parametrize("reach", [0.5, torch.tensor([0.5, 0.25], dtype=torch.float64)])
def test_a_raster_depends_only_on_the_step_and_repeats(reach):
    locator = RasterLocator(2, reach)
    seen = [locator.at(step)(hidden(3))[0] for step in (1, 0, 1, 2)]
    assert_equal(seen[0], seen[2])
    assert_equal(seen[1], seen[3])
    assert_equal(seen[0], (torch.tensor([1.0, 0.0]) * reach).expand(3, 2).to(seen[0]))
    assert_equal(seen[1], -seen[0] + 0.0)


@pytest.mark.parametrize("name", FIXED_POLICIES)
def test_a_fixed_policy_has_a_name(name):
    kinds = {"random": UniformLocator, "center": FixedLocator, "raster": RasterLocator}
    assert type(fixed_policy(name, 3, 0.5)) is kinds[name]
