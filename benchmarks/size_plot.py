"""Plot of the cost per image as images grow: time and memory relative to the smallest image."""

from collections.abc import Sequence

from matplotlib.axes import Axes

from benchmarks.timing import Line
from foveate.viewing.charts import COLORS, new_axes
from foveate.viewing.style import styled


@styled
def plot_sizes(lines: Sequence[Line], ax: Axes | None = None) -> Axes:
    """Draw how the cost of an image grows with its size, relative to the smallest, a curve per measured quantity."""
    ax = ax or new_axes(2.7)
    for color, kind in zip(COLORS, dict.fromkeys(line.measures for line in lines), strict=False):
        curve = [line for line in lines if line.measures == kind]
        names = [curve[0].against.split()[0], *(line.case.split()[0] for line in curve)]
        ax.plot(names, [1.0, *(line.value for line in curve)], "o-", color=color, label=kind.split(",")[0])
    ax.set(xlabel="side of the image in pixels", ylabel="ratio to the smallest image")
    ax.set_ylim(0, max(2.0, *(1.1 * line.value for line in lines)))
    ax.grid(axis="y")
    ax.tick_params(length=0)
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), frameon=False, borderaxespad=0.2)
    return ax
