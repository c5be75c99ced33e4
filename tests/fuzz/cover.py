"""The coverage-guided fuzzer of `make torture`: changes files towards code that no change has reached yet.

`python tests/fuzz/cover.py TARGET SECONDS` prints how many inputs it tried; any that ends in anything but a result or a
sentence is left in the working folder as `crash-...`, and the exit code is not 0. It needs the package `atheris`.
"""

import sys
import tempfile
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parents[1]))
with atheris.instrument_imports(
    include=["foveate.data", "foveate.settings", "foveate.storage", "foveate.training", "PIL", "tomllib", "json"]
):
    from fuzz.targets import TARGETS, said, seeds


def main(name: str, seconds: str) -> None:
    """Fuzz one target for so long."""
    corpus, folder = Path(tempfile.mkdtemp()), Path(tempfile.mkdtemp())
    for number, content in enumerate(seeds(name)):
        (corpus / str(number)).write_bytes(content)
    atheris.Setup(
        [
            sys.argv[0],
            str(corpus),
            f"-max_total_time={seconds}",
            "-rss_limit_mb=4096",
            "-timeout=20",
            "-print_final_stats=1",
        ],
        lambda content: said(TARGETS[name], content, folder) and None,
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
