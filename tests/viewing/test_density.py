"""Fixations are counted and drawn where they are."""

import numpy as np
import pytest
import torch

from foveate.data.records import InMemory
from foveate.viewing import density
from foveate.viewing.charts import DENSITY_SIDE, plot_densities, plot_density
from foveate.viewing.density import count_fixations, grid_size, mean_images, mean_of_all
from foveate.viewing.style import figure_of


def density_panel(counts: torch.Tensor, under: torch.Tensor) -> np.ndarray:
    """The pixels of a density."""
    return figure_of(plot_density(counts, under)).pixels().astype(int)


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
    panel = density_panel(counts, torch.zeros(20, 30)).astype(int).sum(-1)
    assert panel.shape == (int(DENSITY_SIDE * 20 / 30), DENSITY_SIDE)
    rows, columns = np.nonzero(panel > 0.9 * panel.max())
    assert columns.mean() / DENSITY_SIDE == pytest.approx((x + 1) / 2, abs=0.04)
    assert rows.mean() / panel.shape[0] == pytest.approx((y + 1) / 2, abs=0.06)


def test_a_panel_shows_the_image_where_nobody_looks() -> None:
    under = torch.zeros(20, 20)
    under[:, 10:] = 1.0
    panel = density_panel(torch.zeros(20, 20, dtype=torch.int64), under)
    assert panel[:, :40].max() == 0
    assert abs(panel[:, 70:].astype(int) - 255 * 0.55).max() <= 4  # dimmed, so that a density stands out
    assert np.array_equal(panel[..., 0], panel[..., 2])


def test_the_mean_of_each_class() -> None:
    pixels = torch.randint(256, (7, 3, 4, 5), dtype=torch.uint8)
    label = torch.tensor([0, 2, 0, 2, 2, 0, 0])
    means = mean_images(InMemory(pixels, label), 3)
    for c in (0, 2):
        assert torch.allclose(means[c], pixels[label == c].float().mean((0, 1)) / 255, atol=1e-6)
    assert means[1].abs().max() == 0


def test_a_density_is_smooth_and_from_orange_to_light() -> None:
    """One glimpse spreads evenly over its neighbours: pale in its middle, orange where it fades, then nothing."""
    counts = torch.zeros(28, 28, dtype=torch.int64)
    counts[14, 14] = 9
    panel = density_panel(counts, torch.zeros(28, 28)).astype(int)
    middle, beside, far = panel[58, 58], panel[58, 58 + 7], panel[58, 58 + 16]
    assert middle.tolist() == pytest.approx([255, 236, 150], abs=20)
    assert middle.sum() > beside.sum() > 150 > 30 > far.sum()
    assert beside[0] / beside[2] > 2  # more orange than the middle's 1.7
    assert np.abs(panel - panel.transpose(1, 0, 2)).max() <= 4  # 0 with newer versions
    assert np.abs(panel[42:74] - panel[42:74][::-1]).max() <= 4  # around the middle of the cell, 58


def test_few_glimpses_are_seen_beside_many() -> None:
    """The root of the density is drawn: a tenth as many glimpses are a third as bright."""
    counts = torch.zeros(28, 28, dtype=torch.int64)
    counts[7, 7], counts[21, 21] = 100, 10
    panel = density_panel(counts, torch.zeros(28, 28)).astype(int).sum(-1)
    assert 0.25 < panel[86, 86] / panel[30, 30] < 0.5


def test_the_mean_of_all_is_that_of_every_image() -> None:
    """However many of a class there are."""
    pixels, label = torch.randint(256, (7, 1, 4, 5), dtype=torch.uint8), torch.tensor([0, 2, 0, 2, 2, 0, 0])
    images = InMemory(pixels, label)
    whole = mean_of_all(mean_images(images, 3), images)
    assert torch.allclose(whole, pixels.float().mean((0, 1)) / 255, atol=1e-6)


def test_no_more_images_are_read_than_a_mean_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(density, "MAX_IMAGES", 3)
    pixels = torch.arange(5, dtype=torch.uint8).view(5, 1, 1, 1)
    assert mean_images(InMemory(pixels, torch.zeros(5, dtype=torch.int64)), 1) * 255 == pytest.approx(1.0)


def test_densities_are_a_grid_of_groups_and_glimpses() -> None:
    counts = torch.zeros(3, 4, 8, 8, dtype=torch.int64)
    figure = plot_densities(counts, [torch.zeros(8, 8)] * 3, ["all", "a cat", "$x$"])
    assert len(figure.axes) == 1 + 3 * 4
    assert {text.get_text() for text in figure.axes[0].texts} == {"1", "2", "3", "4", "all", "a cat", "$x$"}
