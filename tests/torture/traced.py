"""Train a tiny model on a watched disk, and print, as JSON, the calls that changed the folder, as `Disk` saw them.

`strace python tests/torture/traced.py FOLDER`
"""

import json
import os
import sys
from pathlib import Path

from foveate import fit

NAMES = {"open": "openat", "replace": "rename"}  # as the system calls what `os` calls otherwise
CHANGING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def run(folder: Path) -> list[str]:
    """What was called, a run begun and one gone on with, in the system's words."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from torture.disk import Disk
    from training.tiny import tiny

    with Disk(folder) as disk:
        fit(tiny(epochs=1, checkpoint_minutes=0.0), folder)
        fit(tiny(epochs=2, checkpoint_minutes=0.0), folder, resume=True)
    made = [
        call[0] for call in disk.log if call[0] not in ("open", "close") or (call[0] == "open" and call[2] & CHANGING)
    ]
    return [NAMES.get(name, name) for name in made]


if __name__ == "__main__":
    print(json.dumps(run(Path(sys.argv[1]))))
