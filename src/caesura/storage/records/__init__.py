"""The operations of `caesura.records` as generators of statements, one file a kind of record."""

from __future__ import annotations

from typing import Final

from caesura.storage.parts import register
from caesura.storage.records import (
    assistants,
    changes,
    crons,
    deliveries,
    events,
    questions,
    runs,
    threads,
)

PART: Final = "server"

for _room in (assistants, changes, crons, deliveries, events, questions, runs, threads):
    register(PART, _room.PERFORM)
