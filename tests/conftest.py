"""What every folder of tests may use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from caesura.checkpoint.memory import InMemorySaver
from caesura.checkpoint.sqlite import SqliteSaver
from caesura.storage.sqlite import connect


@pytest.fixture(params=["memory", "sqlite"])
def saver(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    """Each of our savers."""
    if request.param == "memory":
        yield InMemorySaver()
        return
    with closing(SqliteSaver(connect(str(tmp_path / "db")))) as saver:
        yield saver
