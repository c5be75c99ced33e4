"""Pieces of a page: sections, cards, tables; whatever is put in as words is escaped."""

from collections.abc import Sequence
from html import escape


def section(title: str, inside: str, lead: str = "") -> str:
    """A part of a page under its heading, with a sentence about it."""
    said = f'<p class="lead">{escape(lead)}</p>' if lead else ""
    return f"<section><h2>{escape(title)}</h2>{said}{inside}</section>\n"


def cards(*insides: str) -> str:
    """Parts beside each other where there is room, else one below the other."""
    return f'<div class="cards">{"".join(f"<div class=card>{inside}</div>" for inside in insides)}</div>'


def table(name: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table under the id `name`; the first column heads the rows. Without heads it is a list of names and values."""
    top = "".join(f"<th scope=col>{escape(head)}</th>" for head in heads)
    head = f"<thead><tr>{top}</tr></thead>" if heads else ""
    lines = "".join(
        f"<tr><th scope=row>{escape(first)}</th>{''.join(f'<td>{escape(cell)}</td>' for cell in rest)}</tr>"
        for first, *rest in rows
    )
    kind = "" if heads else ' class="list"'
    return (
        f'<div class="scroll" tabindex="0"><table id="{escape(name)}"{kind}>{head}<tbody>{lines}</tbody></table></div>'
    )


def fact(name: str, words: str) -> str:
    """A number that stands out, under the name that it has in the JSON beside the page."""
    return f'<b data-fact="{escape(name)}">{escape(words)}</b>'
