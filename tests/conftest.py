"""What every folder of tests may use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.databases import new_database, open_saver

from caesura.checkpoint.memory import InMemorySaver


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def saver(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    """Each of our savers."""
    if request.param == "memory":
        yield InMemorySaver()
        return
    with new_database(request.param, tmp_path) as name, closing(open_saver(name)) as saver:
        yield saver
