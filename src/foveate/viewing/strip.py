"""A look as figures of a page: the path over the image, and the boxes of each glimpse."""

from foveate.viewing.figure import Box, Dot, Figure, Line, Mark, Pixels, Words
from foveate.viewing.ink import to_picture
from foveate.viewing.look import Look
from foveate.viewing.palette import SCALES
from foveate.viewing.scene import Frame, centres, gathered, roomy_frame

PATH_ROOM, STEP_ROOM = 200, 104  # units: the longer side of the image, with all glimpses and with one


def path_figure(look: Look, image: str) -> Figure:
    """The path over the whole image, its glimpses numbered; `image` names the picture that the page holds."""
    height, wide = look.image.shape[1:]
    frame = Frame((height, wide), (0, 0), PATH_ROOM / max(height, wide))
    badges, path = gathered([frame.place(point) for point in centres(look)])
    marks = [*_ground(look, frame, image), *_trail(path)]
    for (x, y), numbers in badges:
        half = 9 + 3.2 * (len(numbers) - 1)
        x = min(max(x, half + 1), frame.size[0] - half - 1)
        y = min(max(y, 10), frame.size[1] - 10)
        ends = [(x - half + 9, y), (x + half - 9 + 0.01, y)]
        marks += [Line(ends, "white", 20), Line(ends, "black", 17), Words((x, y), numbers, "white", "middle", 11)]
    return Figure(f"path-{image}", _said(look), *frame.size, marks)


def step_figure(look: Look, step: int, image: str) -> Figure:
    """The boxes of one glimpse, of every scale, and the path so far."""
    roomy = roomy_frame([look], STEP_ROOM)
    (height, wide), (x, y) = roomy.image_size, roomy.beyond
    frame = Frame(roomy.image_size, roomy.beyond, STEP_ROOM / max(height + 2 * y, wide + 2 * x))
    marks = _ground(look, frame, image)
    for scale, (x0, y0, x1, y1) in reversed(list(enumerate(look.boxes[step].tolist()))):
        corners = (*frame.place((x0, y0)), *frame.place((x1, y1)))
        marks += [Box(corners, "black", 0.6, 4), Box(corners, scale_tone(scale), 1.0, 1.5 if scale else 2.5)]
    path = [frame.place(point) for point in centres(look)[: step + 1]]
    marks += [*_trail(path), Dot(path[-1], "black", 4), Dot(path[-1], "path", 3)]
    return Figure(f"step-{image}-{step + 1}", f"Glimpse {step + 1} and the path to it.", *frame.size, marks)


def scale_tone(scale: int) -> str:
    """The tone of a scale, 0 the finest."""
    return f"scale{scale % len(SCALES)}"


def _ground(look: Look, frame: Frame, image: str) -> list[Mark]:
    """The image with what lies beyond it."""
    height, wide = frame.image_size
    corners = (*frame.place((0, 0)), *frame.place((wide, height)))
    return [Box((0, 0, *frame.size), "beyond"), Pixels(corners, to_picture(look.image), image)]


def _trail(path: list[tuple[float, float]]) -> list[Mark]:
    """The path, light with a dark rim, so that it shows on any image."""
    return [Line(path, "black", 4), Line(path, "path", 2)] if len(path) > 1 else []


def _said(look: Look) -> str:
    """A path in words."""
    places = ", ".join(f"({x:.0f}, {y:.0f})" for x, y in centres(look))
    return f"Scanpath over an image{f' of {look.label}' if look.label else ''}: pixels {places}."
