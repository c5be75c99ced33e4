"""A raster reads the image as a page."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from foveate.policy.locator import Raster, raster


@given(st.integers(1, 60))
def test_places_are_spread_row_by_row_from_edge_to_edge(count: int):
    places = list(raster(count))
    assert len(set(places)) == count
    assert sorted(places, key=lambda place: (place[1], place[0])) == places
    rows = {y: sorted(x for x, other in places if other == y) for _, y in places}
    widths = [len(row) for row in rows.values()]
    assert max(widths) - min(widths) <= 1
    assert abs(len(rows) - max(widths)) <= 1
    for ends in (sorted(rows), *rows.values()):
        assert (ends[0], ends[-1]) == ((-1.0, 1.0) if len(ends) > 1 else (0.0, 0.0))


def test_the_first_place_follows_the_last():
    locator, hidden = Raster(2, 0.5), torch.zeros(3, 4)
    looks = [locator(hidden)[0][0].tolist() for _ in range(3)]
    assert looks[0] == looks[2] != looks[1]
