"""A full torture (`make torture`) writes down the figures of each file whose tests all held."""

import pytest

from torture.figures import name_of, write

FAILED = pytest.StashKey[set[str]]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo):
    report = yield
    if report.failed:
        item.config.stash.setdefault(FAILED, set()).add(name_of(item))
    return report


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if session.config.option.markexpr == "torture or not torture" and exitstatus in (0, 1):
        write(session.config, session.config.stash.get(FAILED, set()))
