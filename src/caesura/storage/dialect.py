"""What SQL databases differ in, as data. Statements are written with ``?`` for parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_MIGRATIONS: Final = Path(__file__).with_name("migrations")


@dataclass(frozen=True)
class Dialect:
    """One database's way of speaking."""

    name: str
    placeholder: str
    guarded_insert: bool
    """True if an ``INSERT … SELECT … WHERE`` by itself holds the write lock as it reads."""
    lock_thread: str | None = None
    """Statement that takes the thread's lock until the transaction ends; None if ``BEGIN`` does."""

    def sql(self, statement: str) -> str:
        """``statement`` with this database's placeholders."""
        return statement if self.placeholder == "?" else statement.replace("?", self.placeholder)

    def migrations(self, part: str) -> list[Callable[[], str]]:
        """Readers of a part's migration files, in order; the n-th leads to version n."""
        files = (_MIGRATIONS / part).glob(f"{self.name}_*.sql")
        return [path.read_text for path in sorted(files)]


SQLITE: Final = Dialect("sqlite", "?", guarded_insert=True)
POSTGRES: Final = Dialect(
    "postgres",
    "%s",
    guarded_insert=False,
    lock_thread="SELECT pg_advisory_xact_lock(hashtextextended(?, 0))",
)
