"""Calling a saver or cache, sync or async, from one test; and making what savers are given."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Mapping
from typing import Any, cast

from caesura.checkpoint.base import Checkpoint, CheckpointTuple, RunnableConfig, empty_checkpoint
from caesura.checkpoint.ids import uuid6
from caesura.checkpoint.operations import (
    Chain,
    Commit,
    FullState,
    History,
    InterruptRow,
    Load,
    Loaded,
    PutWrites,
)
from caesura.core import patch

AT = "2026-01-02T03:04:05.000000+00:00"
THREAD = "thread-1"


# --- calling, in both colours ----------------------------------------------------------------


class Calls:
    """A saver's methods, sync or async, to be called like sync ones."""

    def __init__(self, saver: Any) -> None:
        self.saver = saver

    def close(self) -> None:
        """Let go of what calling needed; the saver itself stays as it is."""

    def call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """Call the method ``name`` (in its twin for async, ``a`` in front is added)."""
        raise NotImplementedError

    def listed(self, *args: Any, **kwargs: Any) -> list[CheckpointTuple]:
        """All that ``list`` gives."""
        raise NotImplementedError

    def execute(self, op: Any) -> Any:
        """Perform an operation; of a `History` all checkpoints."""
        raise NotImplementedError

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """``get_tuple``."""
        return cast("CheckpointTuple | None", self.call("get_tuple", config))

    def put(self, config: RunnableConfig, *args: Any) -> RunnableConfig:
        """``put``."""
        return cast(RunnableConfig, self.call("put", config, *args))


class SyncCalls(Calls):
    """Calls the sync methods."""

    def call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """Call the sync method ``name``."""
        return getattr(self.saver, name)(*args, **kwargs)

    def listed(self, *args: Any, **kwargs: Any) -> list[CheckpointTuple]:
        """All that ``list`` gives."""
        return list(self.saver.list(*args, **kwargs))

    def execute(self, op: Any) -> Any:
        """``execute``."""
        result = self.saver.execute(op)
        return list(result) if isinstance(op, History) else result


class AsyncCalls(Calls):
    """Calls the async methods, in one event loop of its own."""

    def __init__(self, saver: Any) -> None:
        super().__init__(saver)
        self._runner = asyncio.Runner()

    def close(self) -> None:
        """Close the loop."""
        self._runner.close()

    def _run(self, steps: Coroutine[Any, Any, Any]) -> Any:
        return self._runner.run(steps)

    def call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """Call the async twin of ``name``."""
        return self._run(getattr(self.saver, "a" + name)(*args, **kwargs))

    def listed(self, *args: Any, **kwargs: Any) -> list[CheckpointTuple]:
        """All that ``alist`` gives."""

        async def gather() -> list[CheckpointTuple]:
            return [found async for found in self.saver.alist(*args, **kwargs)]

        return cast("list[CheckpointTuple]", self._run(gather()))

    def execute(self, op: Any) -> Any:
        """``aexecute``."""

        async def perform() -> Any:
            result = await self.saver.aexecute(op)
            return [x async for x in result] if isinstance(op, History) else result

        return self._run(perform())


# --- making things ---------------------------------------------------------------------------


def config(thread: Any = THREAD, ns: str = "", **more: Any) -> RunnableConfig:
    """A config that addresses ``thread`` and ``ns``."""
    return {"configurable": {"thread_id": thread, "checkpoint_ns": ns, **more}}


def checkpoint(values: Mapping[str, Any], versions: Mapping[str, Any]) -> Checkpoint:
    """A checkpoint with a new id."""
    made = empty_checkpoint()
    made["channel_values"] = dict(values)
    made["channel_versions"] = dict(versions)
    return made


def interrupt_row(id: str, checkpoint_id: str, **more: Any) -> InterruptRow:
    """An open interrupt of the root namespace."""
    given: dict[str, Any] = {
        "id": id,
        "thread_id": THREAD,
        "ns": "",
        "checkpoint_id": checkpoint_id,
        "task_id": "task-1",
        "ancestors": (),
        "node": "ask",
        "slot": 0,
        "digest": "0" * 64,
        "payload": {"question": id},
        "asked_at": AT,
        **more,
    }
    return InterruptRow(**given)


class Walker:
    """Commits states one after the other as the engine does: as changes, with their chain."""

    def __init__(self, calls: Calls, thread: str = THREAD, ns: str = "") -> None:
        self.calls, self.thread, self.ns = calls, thread, ns
        self.state: dict[str, Any] = {}
        self.versions: dict[str, Any] = {}
        self.head: str | None = None
        self.chain: Chain | None = None
        self.step = -1

    def commit(self, state: Mapping[str, Any], **more: Any) -> str:
        """Commit ``state`` after the last one. ``more``: further fields of `Commit`."""
        op = self.operation(state, **more)
        self.chain = self.calls.execute(op)
        self.state = {k: patch.shadow(v) for k, v in state.items()}
        self.versions |= op.versions
        self.head, self.step = op.checkpoint_id, self.step + 1
        return op.checkpoint_id

    def operation(self, state: Mapping[str, Any], **more: Any) -> Commit:
        """The `Commit` that `commit` would perform."""
        changes = {k: c for k, v in state.items() if (c := self._change(k, v)) is not None}
        changes |= {k: patch.GONE for k in self.state if k not in state}
        news = dict.fromkeys(changes, self.step + 2)
        versions, seen = {**self.versions, **news}, {"node": news}
        given: dict[str, Any] = {
            "thread_id": self.thread,
            "ns": self.ns,
            "checkpoint_id": str(uuid6()),
            "parent_id": self.head,
            "expected_head": self.head,
            "ts": AT,
            "metadata": {"source": "loop", "step": self.step + 1, "parents": {}},
            "changes": changes,
            "versions": news,
            "seen": seen,
            "updated": list(changes),
            "full": lambda: FullState(state, versions, seen),
            "chain": self.chain,
            **more,
        }
        return Commit(**given)

    def _change(self, name: str, value: Any) -> patch.Patch | None:
        if name not in self.state:
            return ("s", value)
        return patch.diff(self.state[name], value)

    def load(self, checkpoint_id: str | None = None) -> Loaded:
        """Load, and insist that there is something."""
        found = self.calls.execute(Load(self.thread, self.ns, checkpoint_id))
        assert found is not None
        return cast(Loaded, found)

    def ask(self, *ids: str, task: str = "task-1", **more: Any) -> list[InterruptRow]:
        """Open interrupts of one task on the head."""
        assert self.head is not None
        given = {"thread_id": self.thread, "ns": self.ns, "task_id": task, **more}
        rows = [interrupt_row(i, self.head, slot=n, **given) for n, i in enumerate(ids)]
        put = PutWrites(self.thread, self.ns, self.head, task, "p", [], opened=rows)
        self.calls.execute(put)
        return rows


def refusal(kind: type[Exception], calls: Calls, op: Any) -> Any:
    """Perform ``op``, insist that it is refused with ``kind``, and return the error."""
    try:
        calls.execute(op)
    except kind as error:
        return error
    raise AssertionError(f"{op} was not refused with {kind.__name__}")


def ids(found: Iterable[Any]) -> list[str]:
    """Their ids."""
    return [row.id for row in found]
