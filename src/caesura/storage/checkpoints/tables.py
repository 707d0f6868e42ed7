"""What several operations say of the tables of checkpoints: columns, conditions, and small questions.

A checkpoint is a row of ``thread_checkpoints``; what tasks wrote on it is in ``thread_writes``, or in the row
after it; what a person is asked is in ``thread_interrupts``. Here is the SQL that more than one file needs, as
fragments, and the helpers that give it its parameters or read its rows.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from functools import cache
from typing import Any, Final, cast

from caesura.checkpoint import rows
from caesura.checkpoint.operations import Commit, InterruptRow, Load, PutWrites
from caesura.checkpoint.rows import INTERRUPT_COLUMNS, Codec
from caesura.constants import NS_SEP
from caesura.storage.statements import Statement

ROW: Final = "checkpoint_id, parent_id, worth, weight, ts, step, run_id, metadata"
HEAD: Final = "SELECT max(checkpoint_id) FROM thread_checkpoints WHERE thread_id = ? AND ns = ?"
EXISTS: Final = (
    "SELECT 1 FROM thread_checkpoints WHERE thread_id = ? AND ns = ? AND checkpoint_id = ?"
)

WITHIN: Final = "(? = '' OR ns = ? OR substr(ns, 1, ?) = ?)"

# What the step left that ends in a checkpoint is found in the row after it (see `committing.commit`).
NEXT_ROW: Final = """
SELECT checkpoint_id, parent_id, closing FROM thread_checkpoints
WHERE thread_id = ? AND ns = ? AND checkpoint_id > ? ORDER BY checkpoint_id LIMIT 1"""

WRITE: Final = "task_id, idx, task_path, channel, value"
COLUMNS: Final = ", ".join(INTERRUPT_COLUMNS)
INTERRUPTS: Final = f"SELECT {COLUMNS} FROM thread_interrupts"
LIVE: Final = "(status = 'open' OR (status = 'answered' AND done = 0))"
OF_ROW: Final = ", ".join("c." + name for name in (*ROW.split(", "), "body"))
TABLES: Final = ("thread_checkpoints", "thread_writes", "thread_interrupts")


@cache
def with_given(sql: str, width: int, count: int) -> str:
    """``sql``, which is about ``count`` things that have ``width`` parameters each."""
    one = "(" + ", ".join("?" * width) + ")"
    return sql % ("VALUES " + ", ".join([one] * count))


def head_of(
    op: Load | Commit | PutWrites, ns: str | None = None
) -> Generator[Statement, Any, str | None]:
    """The newest checkpoint of a namespace: the operation's own, or ``ns``."""
    found = yield HEAD, (op.thread_id, op.ns if ns is None else ns)
    return cast("str | None", found[0][0])


def flat(given: Iterable[Sequence[Any]]) -> list[Any]:
    """The parameters of `with_given`."""
    return [value for each in given for value in each]


def within(ns: str) -> tuple[str, str, int, str]:
    """Parameters of ``WITHIN``."""
    prefix = ns + NS_SEP
    return ns, ns, len(prefix), prefix


def unseal(codec: Codec, found: Iterable[Sequence[Any]]) -> list[InterruptRow]:
    """Rows as `INTERRUPTS` finds them."""
    return [rows.unseal_interrupt(codec, columns) for columns in found]
