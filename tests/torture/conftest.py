"""A full torture (`make torture`) writes down the figures of each file whose tests all held, and how long it took."""

import time

import pytest

from torture.figures import name_of, note_whole, write

FAILED = pytest.StashKey[set[str]]()
BEGUN = time.monotonic()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo):
    report = yield
    if report.failed:
        item.config.stash.setdefault(FAILED, set()).add(name_of(item))
    return report


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Each process writes the figures of the files that it ran, the one that they answer to those of the whole."""
    config = session.config
    if config.option.markexpr != "torture or not torture" or exitstatus not in (0, 1):
        return
    if exitstatus == 0 and not hasattr(config, "workerinput") and config.args == ["tests/torture"]:
        note_whole(config, time.monotonic() - BEGUN)
    write(config, config.stash.get(FAILED, set()))
