"""The databases of a server, for the tests of its records."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from tests.contract.records import DATABASES, Open

from caesura.checkpoint.sqlite import SqliteSaver


@pytest.fixture(params=list(DATABASES))
def another(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Opens connections to one database."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(closing(DATABASES[request.param](tmp_path)))


@pytest.fixture
def database(another: Open) -> SqliteSaver:
    """A database that keeps a server's records."""
    return another()
