"""A page of records: as many as were asked for, and whether there are more."""

from __future__ import annotations

from typing import Any, Final

from caesura.records.operations import Page
from caesura.storage.records.filters import Conditions
from caesura.storage.records.tables import Table
from caesura.storage.statements import Statements

_ALL: Final = 2**62


def page_of(
    table: Table[Any],
    conditions: Conditions,
    order: str,
    limit: int | None,
    offset: int,
    *,
    select: str | None = None,
) -> Statements:
    """The records that meet ``conditions``, from the ``offset``-th on; no ``limit``: all of them.

    ``select``: reads them from another table with the same columns.
    """
    limit = _ALL if limit is None else limit
    sql = f"{select or table.select}{conditions.where}{order} LIMIT ? OFFSET ?"
    found = yield sql, [*conditions.values, min(limit + 1, _ALL), offset]
    return Page(table.read_all(found[:limit]), len(found) > limit)
