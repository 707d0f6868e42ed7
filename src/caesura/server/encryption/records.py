"""What of a server's records is encrypted, as tables; and the database that does it.

An operation is sealed before it is performed, and its result is opened after: below, in the storage,
nothing is known of it. JSON keeps its keys, so that partial updates merge sealed values as they would
merge plain ones. What is not in these tables is stored as it is: ids, times, statuses, names,
descriptions, schedules, namespaces and keys of the store.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from caesura.checkpoint.operations import History
from caesura.checkpoint.saver import EngineSaver
from caesura.records import operations as ops
from caesura.records.shapes import Assistant, Cron, Delivery, Event, Run, Thread
from caesura.server.encryption.contexts import RUN_KEY, current_context
from caesura.server.encryption.sealing import Json, Sealer
from caesura.storage.store import ItemRow, Scored, StoreBatch
from caesura.store.values import from_text, to_text

FIELDS: Final[Mapping[type, tuple[str, Mapping[str, str]]]] = {
    Assistant: ("assistant", {"config": "config", "context": "context", "metadata": "metadata"}),
    Thread: ("thread", {"metadata": "metadata", "config": "config", "error": "error"}),
    Run: ("run", {"metadata": "metadata", "kwargs": "kwargs", "error": "error"}),
    Delivery: ("run", {"owner": "metadata"}),
    Cron: ("cron", {"payload": "payload", "metadata": "metadata", "owner": "owner"}),
    ops.UpdateAssistant: (
        "assistant",
        {"config": "config", "context": "context", "metadata": "metadata"},
    ),
    ops.UpdateThread: ("thread", {"metadata": "metadata"}),
    ops.NoteState: ("thread", {"metadata": "metadata"}),
    ops.DuplicateThread: ("thread", {"metadata": "metadata"}),
    ops.AcceptRun: ("thread", {"thread_metadata": "metadata", "thread_config": "config"}),
    ops.FinishRun: ("run", {"error": "error", "thread_error": "error"}),
}
"""Record or operation → its model, and which attribute holds which field of it."""
RECORDS: Final[Mapping[type, Sequence[str]]] = {
    ops.PutAssistant: ("assistant",),
    ops.CreateThread: ("thread",),
    ops.AcceptRun: ("run", "new_thread"),
    ops.PutCron: ("cron",),
    ops.FinishRun: ("delivery",),
}
"""Operation → its attributes that hold records."""
SEARCHES: Final[Mapping[type, str]] = {
    **dict.fromkeys((ops.FindAssistants, ops.CountAssistants, ops.FindVersions), "assistant"),
    **dict.fromkeys((ops.FindThreads, ops.CountThreads), "thread"),
    **dict.fromkeys((ops.FindCrons, ops.CountCrons), "cron"),
}
"""Operation → the model whose metadata it searches."""
_ROWS: Final = (ops.Page, ops.Outcome, ops.Question, ops.Changed, Scored)


class Vault:
    """Seals operations and opens results, by what a `Sealer` does to their parts."""

    def __init__(self, sealer: Sealer) -> None:
        self.sealer = sealer

    # --- operations ---

    def sealed(self, op: Any) -> Any:
        """``op`` as the storage may see it. Raises InvalidFilterError for what cannot be searched."""
        kind = type(op)
        if kind is StoreBatch:
            return self._sealed_batch(op)
        if kind is ops.AppendEvents:
            seal = self.sealer.seal_bytes
            return replace(op, events=[(*event[:3], seal(event[3])) for event in op.events])
        if kind is Delivery:
            return replace(op, **self._sealed_fields(op), body=self.sealer.seal_bytes(op.body))
        if kind is Run:
            op = _with_context(op)
        changes = self._sealed_fields(op)
        for name in RECORDS.get(kind, ()):
            record = getattr(op, name)
            changes[name] = None if record is None else self.sealed(record)
        if kind in SEARCHES and op.metadata:
            changes["metadata"] = self.sealer.seal_filter(SEARCHES[kind], op.metadata)
        filters = getattr(op, "filters", None)
        if filters:
            changes["filters"] = {key: self._rule(key, rule) for key, rule in filters.items()}
        return replace(op, **changes) if changes else op

    def _sealed_fields(self, op: Any) -> dict[str, Any]:
        model, fields = FIELDS.get(type(op), ("", {}))
        return {
            name: self.sealer.seal_json(model, field, value)
            for name, field in fields.items()
            if (value := getattr(op, name))
        }

    def _rule(self, key: str, rule: Any) -> Any:
        """An authorisation's rule, asked of sealed metadata."""
        if isinstance(rule, Mapping) and len(rule) == 1:
            ((operator, value),) = rule.items()
            if operator in ("$eq", "$contains"):
                return {operator: self.sealer.seal_filter("thread", {key: value})[key]}
        return self.sealer.seal_filter("thread", {key: rule})[key]

    # --- results ---

    def opened(self, found: Any) -> Any:
        """``found`` as it was stored."""
        kind = type(found)
        if kind is Delivery:
            return replace(self._opened_record(found), body=self.sealer.open_bytes(found.body))
        if kind in FIELDS:
            return self._opened_record(found)
        if kind is Event:
            return replace(found, data=self.sealer.open_bytes(found.data))
        if kind is ItemRow:
            return found._replace(value=to_text(self._opened_item(found.value)))
        if kind in _ROWS:
            return kind._make(map(self.opened, found))
        if kind is list or kind is tuple:
            return kind(map(self.opened, found))
        return found

    def _opened_record(self, record: Any) -> Any:
        model, fields = FIELDS[type(record)]
        changes = {
            name: self.sealer.open_json(model, field, value)
            for name, field in fields.items()
            if (value := getattr(record, name))
        }
        return replace(record, **changes) if changes else record

    # --- the store ---

    def _sealed_batch(self, op: StoreBatch) -> StoreBatch:
        seal = self.sealer.seal_json
        puts = [
            put
            if put.value is None
            else replace(put, value=to_text(seal("store_item", "value", from_text(put.value))))
            for put in op.puts
        ]
        return replace(op, puts=puts, reads=self._opened_item)

    def _opened_item(self, text: str) -> dict[str, Any]:
        return dict(self.sealer.open_json("store_item", "value", from_text(text)))


def _with_context(run: Run) -> Run:
    """The run, with the context that its request had, for what it will store."""
    metadata = current_context()
    if not metadata or RUN_KEY in run.kwargs:
        return run
    kwargs: Json = {**run.kwargs, RUN_KEY: metadata}
    return replace(run, kwargs=kwargs)


class Sealing:
    """Mixed into a saver: seals each operation and opens each result."""

    vault: Vault

    def execute(self, op: Any) -> Any:
        """As the saver's."""
        if type(op) is History:
            return super().execute(op)  # type: ignore[misc]
        return self.vault.opened(super().execute(self.vault.sealed(op)))  # type: ignore[misc]

    async def aexecute(self, op: Any) -> Any:
        """As the saver's. What may block, does so in a thread."""
        if type(op) is History:
            return await super().aexecute(op)  # type: ignore[misc]
        if self.vault.sealer.slow:
            return await asyncio.to_thread(self.execute, op)
        return self.vault.opened(await super().aexecute(self.vault.sealed(op)))  # type: ignore[misc]


def sealing(kind: type[EngineSaver], vault: Vault) -> type[EngineSaver]:
    """A kind of saver for a server whose data is encrypted."""
    return type(f"Sealing{kind.__name__}", (Sealing, kind), {"vault": vault})
