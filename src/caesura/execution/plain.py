"""A third party's saver behind the interface of ours.

A saver that knows only `put`, `put_writes` and `get_tuple` still works: with full values, and with
interrupts and answers kept as writes (``__interrupt__``, ``__resume__``) instead of rows. Accepting an
answer is then no atomic step across processes, so promise 1 holds within one process only
(docs/compatibility.md). Within the process a lock per saver makes it one.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Sequence
from dataclasses import fields
from typing import Any

from caesura.checkpoint.operations import (
    SHAPE,
    Accept,
    Commit,
    FindInterrupts,
    Flush,
    History,
    InterruptRow,
    Load,
    Loaded,
    PutTogether,
    PutWrites,
    Withdraw,
)
from caesura.constants import ERROR, EXTRAS, INTERRUPT, NULL_TASK_ID, RESUME, SCHEDULED
from caesura.core.events import thread_config
from caesura.interrupts import lifecycle
from caesura.types import Interrupt

Calls = Generator[tuple[str, tuple[Any, ...], dict[str, Any]], Any, Any]
_ROW_FIELDS = tuple(f.name for f in fields(InterruptRow))
_locks: dict[int, threading.RLock] = {}


class PlainStore:
    """`execute` and `aexecute` over a `BaseCheckpointSaver`."""

    def __init__(self, saver: Any) -> None:
        self.saver = saver
        self._lock = _locks.setdefault(id(saver), threading.RLock())

    def execute(self, operation: Any) -> Any:
        """Perform an operation with the saver's sync methods."""
        steps = _PERFORM[type(operation)](operation)
        with self._lock:
            value: Any = None
            while True:
                try:
                    name, args, kwargs = steps.send(value)
                except StopIteration as stop:
                    return stop.value
                value = getattr(self.saver, name)(*args, **kwargs)
                if name == "list":
                    value = list(value)

    async def aexecute(self, operation: Any) -> Any:
        """Perform an operation with the saver's async methods."""
        steps = _PERFORM[type(operation)](operation)
        value: Any = None
        while True:
            try:
                name, args, kwargs = steps.send(value)
            except StopIteration as stop:
                return stop.value
            found = getattr(self.saver, f"a{name}")(*args, **kwargs)
            value = [item async for item in found] if name == "list" else await found


def _load(op: Load) -> Calls:
    if op.before is not None:
        config = thread_config(op.thread_id, op.ns, None)
        before = thread_config(op.thread_id, op.ns, op.before)
        found = yield "list", (config,), {"before": before, "limit": 1}
        tuple_ = found[0] if found else None
    else:
        config = thread_config(op.thread_id, op.ns, op.checkpoint_id)
        tuple_ = yield "get_tuple", (config,), {}
    if tuple_ is None:
        return None
    head = tuple_
    if op.checkpoint_id is not None or op.before is not None:
        head = yield "get_tuple", (thread_config(op.thread_id, op.ns, None),), {}
    answers = yield from _root_answers(op, tuple_)
    return _loaded(op.thread_id, op.ns, tuple_, head, answers)


def _root_answers(op: Load, tuple_: Any) -> Calls:
    """Answers are kept on the root's newest checkpoint, whatever graph asked."""
    if op.ns == "":
        return _answers_of(tuple_)
    root = yield "get_tuple", (thread_config(op.thread_id, "", None),), {}
    return _answers_of(root) if root is not None else {}


def _answers_of(tuple_: Any) -> dict[str, Any]:
    for task, channel, value in tuple_.pending_writes or ():
        if task == NULL_TASK_ID and channel == RESUME and isinstance(value, dict):
            return value
    return {}


def _loaded(thread_id: str, ns: str, tuple_: Any, head: Any, answers: dict[str, Any]) -> Loaded:
    checkpoint = tuple_.checkpoint
    parent = (tuple_.parent_config or {}).get("configurable", {}).get("checkpoint_id")
    rows: dict[str, InterruptRow] = {}  # a call's interrupts are stored with its caller too
    writes = []
    for task, channel, value in tuple_.pending_writes or ():
        if channel == INTERRUPT:
            for item in value:
                if getattr(item, "record", None):
                    rows[item.id] = _row_of(item)
        elif not (task == NULL_TASK_ID and channel == RESUME):
            writes.append((task, channel, value))
    finished = {task for task, channel, _ in writes if channel not in (ERROR, SCHEDULED)}
    handed_over = {task for task, channel, _ in writes if channel == SCHEDULED}
    over = finished | handed_over
    return Loaded(
        thread_id=thread_id,
        ns=ns,
        checkpoint_id=checkpoint["id"],
        parent_id=parent,
        ts=checkpoint["ts"],
        metadata=_metadata(tuple_),
        values=dict(checkpoint["channel_values"]),
        versions=dict(checkpoint["channel_versions"]),
        seen={k: dict(v) for k, v in checkpoint["versions_seen"].items()},
        updated=checkpoint.get("updated_channels"),
        writes=[w for w in writes if not (w[1] == ERROR and w[0] in finished)],
        rows=[_answered(row, answers, row.task_id in over) for row in rows.values()],
        head_id=head.checkpoint["id"] if head is not None else checkpoint["id"],
        shape=checkpoint.get("v", SHAPE),
    )


def _metadata(tuple_: Any) -> dict[str, Any]:
    """The metadata; of a checkpoint in an older shape also what tells how to read it."""
    metadata, checkpoint = dict(tuple_.metadata or {}), tuple_.checkpoint
    if checkpoint.get("v", 4) < 4:
        metadata[EXTRAS] = {key: checkpoint.get(key) for key in ("v", "pending_sends")}
    return metadata


def _answered(row: InterruptRow, answers: dict[str, Any], done: bool) -> InterruptRow:
    if row.status == "open" and row.id in answers:
        value, at = answers[row.id]
        row = row.changed(status="answered", answer=value, answered_at=at)
    return row.changed(done=done)


def _row_of(item: Interrupt) -> InterruptRow:
    stored = item.record or {}
    record = {k: v for k, v in stored.items() if k in _ROW_FIELDS}
    record["ancestors"] = tuple(record["ancestors"])
    return InterruptRow(**record, payload=item.value)


def _public(row: InterruptRow) -> Interrupt:
    item = Interrupt(row.payload, row.id, response_schema=row.response_schema, key=row.key,
                     title=row.title, digest=row.digest)  # fmt: skip
    item.record = {
        name: list(value) if isinstance(value := getattr(row, name), tuple) else value
        for name in _ROW_FIELDS
        if name != "payload"
    }
    return item


def _commit(op: Commit) -> Calls:
    for closing in op.closing:
        yield from _put_writes(closing)
    full = op.full()
    checkpoint = {
        "v": SHAPE,
        "ts": op.ts,
        "id": op.checkpoint_id,
        "channel_values": dict(full.values),
        "channel_versions": dict(full.versions),
        "versions_seen": {k: dict(v) for k, v in full.seen.items()},
        "updated_channels": list(op.updated),
    }
    config = thread_config(op.thread_id, op.ns, op.parent_id)
    yield "put", (config, checkpoint, dict(op.metadata), dict(op.versions)), {}
    return None


def _flush(op: Flush) -> Calls:
    """Such a saver stores as it is set up to, always."""
    yield from ()


def _put_writes(op: PutWrites) -> Calls:
    config = thread_config(op.thread_id, op.ns, op.checkpoint_id)
    writes = list(op.writes)
    if op.opened:
        found = yield "get_tuple", (config,), {}
        stored = _stored_interrupts(found, op.task_id)
        gone = {old for old, _, _ in op.superseded}
        fresh = {row.id for row in op.opened}
        kept = [i for i in stored if i.id not in gone and i.id not in fresh]
        writes.append((INTERRUPT, [*kept, *(_public(row) for row in op.opened)]))
    if writes:
        yield "put_writes", (config, writes, op.task_id, op.task_path), {}
    return None


def _put_together(op: PutTogether) -> Calls:
    """Such a saver takes them one by one."""
    for put in op.puts:
        yield from _put_writes(put)


def _stored_interrupts(tuple_: Any, task_id: str) -> list[Interrupt]:
    for task, channel, value in (tuple_.pending_writes or ()) if tuple_ is not None else ():
        if task == task_id and channel == INTERRUPT:
            return list(value)
    return []


def _accept(op: Accept) -> Calls:
    config = thread_config(op.thread_id, op.ns, op.checkpoint_id)
    loaded = yield from _load(Load(op.thread_id, op.ns, op.checkpoint_id))
    rows = lifecycle.accept(loaded.rows, op.answers, op.at)
    found = yield "get_tuple", (config,), {}
    answers = dict(_answers_of(found))
    for row in rows:
        answers[row.id] = [row.answer, op.at]
    yield "put_writes", (config, [(RESUME, answers)], NULL_TASK_ID, ""), {}
    for item in op.writes:
        yield "put_writes", (config, list(item.writes), item.task_id, item.task_path), {}
    return rows


def _history(op: History) -> Calls:
    if op.thread_id is None or op.ns is None:
        raise NotImplementedError("A saver of another package lists one thread and namespace.")
    config = thread_config(op.thread_id, op.ns, None)
    before = thread_config(op.thread_id, op.ns, op.before) if op.before else None
    how = {"filter": dict(op.filter) or None, "before": before, "limit": op.limit}
    found = yield "list", (config,), how
    return [_loaded(op.thread_id, op.ns, item, item, _answers_of(item)) for item in found]


def _find(op: FindInterrupts) -> Calls:
    if op.thread_id is None:
        return []
    loaded = yield from _load(Load(op.thread_id, ""))
    rows: Sequence[InterruptRow] = loaded.rows if loaded is not None else []
    return [row for row in rows if op.status is None or row.status == op.status]


def _withdraw(op: Withdraw) -> Calls:
    """Rows of a foreign saver end with the checkpoint they hang on; there is nothing to close."""
    yield from ()
    return []


_PERFORM: dict[type, Any] = {
    Load: _load,
    Commit: _commit,
    PutWrites: _put_writes,
    PutTogether: _put_together,
    Flush: _flush,
    Accept: _accept,
    History: _history,
    FindInterrupts: _find,
    Withdraw: _withdraw,
}


def store_of(saver: Any) -> Any:
    """``saver`` itself if it is one of ours, else a `PlainStore` over it; None for none."""
    if saver is None or hasattr(saver, "aexecute"):
        return saver
    return PlainStore(saver)
