"""Write the table of docs/lab-notes.md from results/pilots, short runs that tried settings: part of `make results`."""

import re
from pathlib import Path
from typing import Any

from results import load
from saccade import settings
from saccade.config import Config
from ship import percent

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "lab-notes.md"
BLOCK = re.compile(r"(?<=<!-- pilots -->\n).*?(?=<!-- /pilots -->)", re.DOTALL)
Flat = dict[str, Any]


def pilots() -> dict[str, tuple[Flat, list[Flat]]]:
    """The settings and the lines of each pilot, by the name of its folder."""
    folders = sorted((ROOT / "results" / "pilots").iterdir())
    return {path.name: (flat(load(path / "config.json")), load(path / "metrics.jsonl")) for path in folders}


def flat(config: Config) -> Flat:
    """Every setting by its name."""
    return {name: value for section in settings.to_dict(config).values() for name, value in section.items()}


def table() -> str:
    """A line a pilot, the least validation error last: its settings where they are not the defaults and vary."""
    found, default = pilots(), flat(Config())
    varied = {
        name for name in default if any(values[name] != found["one-rollout"][0][name] for values, _ in found.values())
    }
    head = "| results/pilots | settings | epochs | validation error, least (epoch) | last | training images/s |"
    lines = [head, "|---|---|---|---|---|---|"]
    for name, (values, metrics) in sorted(found.items(), key=lambda item: -item[1][1][-1]["best_validation_error"]):
        chosen = [f"`{key}` {values[key]}" for key in sorted(varied - {"epochs"}) if values[key] != default[key]]
        last, speeds = metrics[-1], sorted(line["images_per_second"] for line in metrics)
        lines.append(
            f"| {name} | {', '.join(chosen)} | {last['epoch']} of {values['epochs']} "
            f"| {percent(last['best_validation_error'])} ({last['best_epoch']}) "
            f"| {percent(last['validation_error'])} | {speeds[len(speeds) // 2]:,.0f} |"
        )
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    PAGE.write_text(BLOCK.sub(lambda _: table(), PAGE.read_text(encoding="utf-8")), encoding="utf-8")
