"""The databases of a server, for the tests of its records."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from tests.contract.records import DATABASES, Database, Open


@pytest.fixture(params=list(DATABASES))
def another(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Opens connections to one database."""
    with ExitStack() as stack:
        open_one = stack.enter_context(DATABASES[request.param](tmp_path))
        yield lambda: stack.enter_context(closing(open_one()))


@pytest.fixture
def database(another: Open) -> Database:
    """A database that keeps a server's records."""
    return another()
