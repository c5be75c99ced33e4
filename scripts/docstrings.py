"""Extension of griffe that reads the docstrings for the reference: examples are code, and no public name is silent."""

import re
from typing import Any

import griffe

# Examples that have no heading of their own: a paragraph of prompts.
BARE = re.compile(r"(?<=\n\n)>>> .*(?:\n.+)*")


class Docstrings(griffe.Extension):
    """Headings of examples as griffe knows them; an error where a public module, class or function has no docstring."""

    def on_instance(self, *, node: Any, obj: griffe.Object, **kwargs: Any) -> None:
        """Called for each object, with the docstring if it has one."""
        if obj.docstring:
            text = obj.docstring.value.replace("\nExample:\n", "\nExamples:\n")
            obj.docstring.value = BARE.sub(_headed, text)
        elif is_silent(obj):
            raise griffe.GriffeError(f"`{obj.path}` should have a docstring: it is public.")


def is_silent(obj: griffe.Object) -> bool:
    """Whether an object without a docstring should have one: no attribute, and no name that begins with `_`."""
    hidden = any(part.startswith("_") for part in obj.path.split("."))
    return not hidden and not obj.is_attribute and not (obj.is_function and obj.parent and obj.parent.is_function)


def _headed(found: re.Match[str]) -> str:
    """A paragraph of prompts under the heading of examples."""
    return "Examples:\n" + re.sub(r"^", "    ", found[0], flags=re.MULTILINE)
