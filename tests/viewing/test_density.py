"""Fixations are counted and drawn where they are."""

import numpy as np
import pytest
import torch

from saccade.data.records import InMemory
from saccade.viewing.density import SIDE, count_fixations, density_panel, grid_size, mean_images


def test_counting_is_a_plain_loop() -> None:
    locations = torch.rand(3, 50, 2, generator=torch.Generator().manual_seed(0)) * 2.2 - 1.1
    counts = count_fixations(locations, (4, 6))
    expected = torch.zeros(3, 4, 6, dtype=torch.int64)
    for t in range(3):
        for x, y in locations[t].tolist():
            column, row = int((x + 1) / 2 * 6 // 1), int((y + 1) / 2 * 4 // 1)
            expected[t, min(max(row, 0), 3), min(max(column, 0), 5)] += 1
    assert torch.equal(counts, expected)


@pytest.mark.parametrize(
    ("size", "cells"), [((28, 28), (28, 28)), ((8, 12), (8, 12)), ((100, 50), (28, 14)), ((3, 900), (1, 28))]
)
def test_a_grid_has_square_cells(size: tuple[int, int], cells: tuple[int, int]) -> None:
    assert grid_size(size) == cells


@pytest.mark.parametrize(("x", "y"), [(0.6, -0.6), (-0.6, 0.6), (0.0, 0.0), (-0.9, -0.9)])
def test_a_panel_is_brightest_where_most_glimpses_are(x: float, y: float) -> None:
    counts = count_fixations(torch.tensor([[[x, y]] * 5 + [[0.1, 0.9]]]), (20, 30))[0]
    panel = np.asarray(density_panel(counts, torch.zeros(20, 30))).astype(int).sum(-1)
    assert panel.shape == (round(SIDE * 20 / 30), SIDE)
    rows, columns = np.nonzero(panel > 0.9 * panel.max())
    assert columns.mean() / SIDE == pytest.approx((x + 1) / 2, abs=0.04)
    assert rows.mean() / panel.shape[0] == pytest.approx((y + 1) / 2, abs=0.06)


def test_a_panel_shows_the_image_where_nobody_looks() -> None:
    under = torch.zeros(20, 20)
    under[:, 10:] = 1.0
    panel = np.asarray(density_panel(torch.zeros(20, 20, dtype=torch.int64), under))
    assert panel[:, :40].max() == 0
    assert panel[:, 70:].min() > 100
    assert np.array_equal(panel[..., 0], panel[..., 2])


def test_the_mean_of_each_class() -> None:
    pixels = torch.randint(256, (7, 3, 4, 5), dtype=torch.uint8)
    label = torch.tensor([0, 2, 0, 2, 2, 0, 0])
    means = mean_images(InMemory(pixels, label), 3)
    for c in (0, 2):
        assert torch.allclose(means[c], pixels[label == c].float().mean((0, 1)) / 255, atol=1e-6)
    assert means[1].abs().max() == 0
