"""The image with what lies beyond it, the boxes of a glimpse on it, and the path over it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import TYPE_CHECKING

import torch

from foveate.viewing.ink import enlarged, smoothly, to_picture, width, write, zoom_to
from foveate.viewing.look import Look
from foveate.viewing.palette import BEYOND, INK, PAPER, PATH, scale_colour

if TYPE_CHECKING:
    from PIL.Image import Image as Picture
    from PIL.ImageDraw import ImageDraw as Pen

Point = tuple[float, float]
Badge = tuple[Point, str]
BADGE = 24  # pixels: the height of a number on the path
WIDTH = 3  # pixels: of the path
BORDER = 4  # pixels: around a panel, so that lines on its edge are whole


@dataclass(frozen=True)
class Frame:
    """Where an image's pixels are on a panel.

    Convention:
        points are (x, y); the image's pixel (0, 0) covers the square between the points (0, 0) and (1, 1).
    """

    image_size: tuple[int, int]
    """Height and width of the image in pixels."""
    beyond: tuple[int, int]
    """Pixels (x, y) shown beyond the image, on each side."""
    zoom: float
    """Pixels of the panel for one of the image."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the panel."""
        (height, wide), (x, y) = self.image_size, self.beyond
        return round((wide + 2 * x) * self.zoom) + 2 * BORDER, round((height + 2 * y) * self.zoom) + 2 * BORDER

    def place(self, point: Point) -> Point:
        """Where a point of the image is on the panel."""
        (x, y), (right, down) = point, self.beyond
        return (x + right) * self.zoom + BORDER, (y + down) * self.zoom + BORDER


def snug_frame(look: Look, room: int) -> Frame:
    """The image alone, its longer side about `room` pixels."""
    size = look.image.shape[1], look.image.shape[2]
    return Frame(size, (0, 0), zoom_to(size, room))


def roomy_frame(looks: Sequence[Look], room: int) -> Frame:
    """One frame for looks at images of one size, with what their boxes cover beyond it, up to a fifth of a side."""
    height, wide = looks[0].image.shape[1:]
    boxes = torch.cat([look.boxes.flatten(0, 1) for look in looks])
    over = torch.maximum(-boxes[:, :2], boxes[:, 2:] - torch.tensor([wide, height])).amax(0).tolist()
    x, y = (min(max(0, pixels), side // 5) for pixels, side in zip(over, (wide, height), strict=True))
    return Frame((height, wide), (x, y), zoom_to((height + 2 * y, wide + 2 * x), room))


def roomy_frames(looks: Sequence[Look], room: int) -> list[Frame]:
    """The roomy frame of each look, one for all at images of the same size."""
    shapes = [look.image.shape[1:] for look in looks]
    return [roomy_frame([other for other in looks if other.image.shape[1:] == shape], room) for shape in shapes]


def scene(look: Look, frame: Frame) -> "Picture":
    """The image alone on its panel."""
    from PIL import Image

    panel = Image.new("RGB", frame.size, BEYOND)
    x, y = frame.place((0, 0))
    panel.paste(enlarged(to_picture(look.image), frame.zoom), (round(x), round(y)))
    return panel


def draw_boxes(panel: "Picture", look: Look, step: int, frame: Frame) -> None:
    """The window of every scale of one glimpse."""
    draw_windows(panel, look.boxes[step].tolist(), frame)


def draw_windows(panel: "Picture", windows: Sequence[Sequence[float]], frame: Frame) -> None:
    """Boxes (x0, y0, x1, y1), coarse first, each with a dark rim; the finest has the widest line."""
    from PIL import ImageDraw

    pen = ImageDraw.Draw(panel, "RGBA")
    for scale, (x0, y0, x1, y1) in reversed(list(enumerate(windows))):
        (left, top), (right, bottom) = frame.place((x0, y0)), frame.place((x1, y1))
        half = 1 if scale else 2
        corners = (round(left), round(top), round(right) - 1, round(bottom) - 1)
        pen.rectangle(_grown(corners, half + 1), outline=(0, 0, 0, 150), width=2 * half + 2)
        pen.rectangle(_grown(corners, half), outline=scale_colour(scale), width=2 * half)


def draw_path(panel: "Picture", look: Look, steps: int, frame: Frame) -> None:
    """The centres of the first `steps` glimpses, joined: a dot where the last is."""
    draw_trail(panel, centres(look)[:steps], frame)


def draw_trail(panel: "Picture", points: Sequence[Point], frame: Frame) -> None:
    """Points of the image, joined: a dot where the last is."""
    smoothly(panel, partial(_line, points=[frame.place(point) for point in points], dot=3.5))


def draw_numbered_path(panel: "Picture", look: Look, frame: Frame) -> None:
    """The centres of all glimpses, joined and numbered; one badge for those that lie too close together."""
    badges, path = gathered([frame.place(point) for point in centres(look)])
    smoothly(panel, partial(_line, points=path, dot=0.0))
    draw_badges(panel, [(_inside(point, badge_width(numbers), panel.size), numbers) for point, numbers in badges])


def draw_badges(panel: "Picture", badges: list[Badge]) -> None:
    """Numbers in dark pills."""
    smoothly(panel, partial(_pills, badges=badges))
    for point, numbers in badges:
        write(panel, point, numbers, 17, PAPER, "mm")


def badge_width(numbers: str) -> int:
    """Pixels that a badge takes."""
    return max(BADGE, width(numbers, 17) + 12)


def _inside(point: Point, wide: int, size: tuple[int, int]) -> Point:
    """The nearest point where a badge is whole on a panel of `size` (width, height)."""
    (x, y), (right, down) = point, (size[0] - wide / 2, size[1] - BADGE / 2)
    return max(wide / 2, min(x, right)), max(BADGE / 2, min(y, down))


def centres(look: Look) -> list[Point]:
    """The middle of the finest window of each glimpse, in pixels of the image."""
    return [((x0 + x1) / 2, (y0 + y1) / 2) for x0, y0, x1, y1 in look.boxes[:, 0].tolist()]


def _grown(corners: tuple[int, int, int, int], by: int) -> tuple[int, int, int, int]:
    """A rectangle of pixels, `by` pixels larger on each side."""
    left, top, right, bottom = corners
    return left - by, top - by, right + by, bottom + by


def _line(pen: "Pen", times: int, points: list[Point], dot: float) -> None:
    """The path, light with a dark rim, so that it shows on any image."""
    path = [(x * times, y * times) for x, y in points]
    (x, y), radius = path[-1], dot * times
    for colour, rim in (((0, 0, 0, 190), times), ((*PATH, 255), 0)):
        pen.line(path, colour, WIDTH * times + 2 * rim, joint="curve")
        if dot:
            pen.circle((x, y), radius + rim, colour)


def _pills(pen: "Pen", times: int, badges: list[Badge]) -> None:
    """A dark pill with a light rim under each number."""
    for (x, y), numbers in badges:
        half = badge_width(numbers) / 2
        box = [(x - half) * times, (y - BADGE / 2) * times, (x + half) * times, (y + BADGE / 2) * times]
        pen.rounded_rectangle(box, BADGE / 2 * times, fill=(*INK, 255), outline=(255, 255, 255, 255), width=2 * times)


def gathered(points: list[Point]) -> tuple[list[Badge], list[Point]]:
    """One badge in the middle of points whose badges would touch, and the path through the badges."""
    groups = [[number] for number in range(len(points))]
    while pair := _touching([_badge(group, points) for group in groups]):
        first, second = pair
        groups[first] = sorted(groups[first] + groups.pop(second))
    badges = [_badge(group, points) for group in groups]
    path = {number: point for group, (point, _) in zip(groups, badges, strict=True) for number in group}
    return badges, [path[number] for number in sorted(path)]


def _badge(group: list[int], points: list[Point]) -> Badge:
    """The badge of some glimpses."""
    return _mean([points[number] for number in group]), _runs([number + 1 for number in group])


def _touching(badges: list[Badge]) -> tuple[int, int] | None:
    """The first two badges that lie on each other."""
    for (i, ((x, y), one)), (j, ((right, down), other)) in combinations(enumerate(badges), 2):
        straight = (badge_width(one) + badge_width(other)) / 2 - BADGE  # what they are longer than round ones
        if math.hypot(max(0.0, abs(x - right) - straight), y - down) < BADGE:
            return i, j
    return None


def _mean(points: list[Point]) -> Point:
    return sum(x for x, _ in points) / len(points), sum(y for _, y in points) / len(points)


def _runs(numbers: list[int]) -> str:
    """Numbers in short.

    >>> _runs([1, 2, 3, 5, 7, 8])
    '1-3, 5, 7, 8'
    """
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs)
