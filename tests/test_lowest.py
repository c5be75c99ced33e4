"""The lowest versions: each package that is needed names one, and the newest that are tested are not below it."""

import re
from pathlib import Path

from foveate.settings import tomllib
from lowest import PROJECT, lowest

TEXT = PROJECT.read_text(encoding="utf-8")
CONSTRAINTS = Path(__file__).parents[1] / "constraints.txt"


def number(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def test_every_package_that_is_needed_has_a_lowest_version():
    named = [name for name in tomllib.loads(TEXT)["project"]["dependencies"] if "python_version" not in name]
    assert {re.split(r"[>\[]", name)[0] for name in named} <= {line.partition("==")[0] for line in lowest(TEXT)}


def test_the_newest_that_are_tested_are_not_below_the_lowest():
    pins = dict(re.findall(r"^([\w-]+)==([\d.]+)", CONSTRAINTS.read_text(encoding="utf-8"), re.MULTILINE))
    bounds = dict(line.split("==") for line in lowest(TEXT))
    assert bounds.keys() <= pins.keys()
    assert not {name for name, version in bounds.items() if number(pins[name]) < number(version)}


def test_a_bound_is_read_with_an_extra_and_without_its_ceiling():
    text = '"a>=1.2,<3", "b-c[d]>=4", "e"; requires-python = ">=3.10"; "g>=0.5; h > 3", "a>=1.2"'
    assert lowest(text) == ["a==1.2", "b-c==4", "g==0.5"]
