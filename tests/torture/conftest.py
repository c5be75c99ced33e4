"""A full torture (`make torture`), if it held, writes its figures down."""

import pytest

from torture.figures import write


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if session.config.option.markexpr == "torture or not torture" and exitstatus == pytest.ExitCode.OK:
        write(session.config)
