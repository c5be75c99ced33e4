"""Looks on a page: the whole path, a card for each glimpse, and a gallery of mistakes."""

from html import escape
from typing import Any

from foveate.viewing.axes import percent
from foveate.viewing.ink import to_picture
from foveate.viewing.look import Look
from foveate.viewing.panels import leading
from foveate.viewing.strip import path_figure, scale_tone, step_figure
from foveate.viewing.svg import data_uri, to_svg

ROWS = 3  # classes whose probabilities are shown


def scanpath(look: Look, name: str) -> str:
    """One look: the path, then a card for each glimpse, which scroll sideways; `name` is the image's on the page."""
    steps = "".join(_step(look, step, name) for step in range(len(look.boxes)))
    return (
        f'<article class="look"><div class="whole">{to_svg(path_figure(look, name))}{_verdict(look)}</div>'
        f'<ol class="strip" tabindex="0" aria-label="Glimpses">{steps}</ol></article>'
    )


def gallery(looks: dict[str, Look], mistakes: list[dict[str, Any]]) -> str:
    """Paths over images that were answered wrongly, with what was thought of them."""
    shown = []
    for (name, look), said in zip(looks.items(), mistakes, strict=True):
        shown.append(
            f'<figure>{to_svg(path_figure(look, name))}<figcaption class="caption{_long(said["answer"])}">'
            f"<b>{escape(said['answer'])}</b> {percent(said['probability'], 1)}<br>"
            f"{_wrong(said['label'])} ({percent(said['probability_of_label'], 1)})<br>"
            f"<small>image {said['index']}</small></figcaption></figure>"
        )
    return f'<div class="gallery">{"".join(shown)}</div>'


def _step(look: Look, step: int, name: str) -> str:
    """One glimpse: its boxes, its patches, what the model then thought."""
    patches = "".join(
        f'<img class="patch" style="border-color:var(--{scale_tone(scale)})" alt="Patch of scale {scale + 1}" '
        f'src="{data_uri(to_picture(patch))}">'
        for scale, patch in enumerate(look.glimpses[step])
    )
    return (
        f'<li><span class="number">{step + 1}</span>{to_svg(step_figure(look, step, name))}'
        f'<div class="patches">{patches}</div>'
        f'<ul class="bars{_long(*look.classes, beyond=3)}">{_bars(look, step)}</ul></li>'
    )


def _bars(look: Look, step: int) -> str:
    """The probabilities of the leading classes after one glimpse."""
    shares = look.probabilities[step].tolist()
    return "".join(
        f"<li{' class=best' if shares[c] == max(shares) else ''}><span>{escape(look.classes[c])}</span>"
        f'<i><i style="width:{100 * shares[c]:.1f}%"></i></i><b>{percent(shares[c], 0)}</b></li>'
        for c in leading(look, ROWS)
    )


def _verdict(look: Look) -> str:
    """The answer, and whether it is right."""
    mark = '<span class="right">✓ right</span>' if look.right else _wrong(str(look.label))
    return (
        f'<p class="verdict{_long(look.answer)}"><b>{escape(look.answer)}</b> {percent(look.probability, 1)} {mark}</p>'
    )


def _long(*names: str, beyond: int = 10) -> str:
    """The class of an element with long names, which are written smaller or on a line of their own."""
    return " long" if max(map(len, names)) > beyond else ""


def _wrong(label: str) -> str:
    return f'<span class="wrong">✗ it is {escape(label)}</span>'
