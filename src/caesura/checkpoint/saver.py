"""Savers of ours: two methods that perform operations, and LangGraph's interface on top of them.

A saver of ours has `EngineSaver.execute` and `EngineSaver.aexecute`; everything LangGraph's
interface asks for is written here, once, as generators that yield operations and receive their
results. The sync and the async methods only differ in who performs the operations.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self, TypeGuard, cast

from caesura.checkpoint.base import (
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    PendingWrite,
    RunnableConfig,
    get_checkpoint_metadata,
)
from caesura.checkpoint.history import Reader
from caesura.checkpoint.operations import (
    ANY_HEAD,
    SHAPE,
    Commit,
    CopyThread,
    DeleteRuns,
    DeleteThread,
    FindNamespaces,
    FindRuns,
    FullState,
    History,
    InterruptRow,
    Load,
    Loaded,
    Namespace,
    Prune,
    PutWrites,
)
from caesura.checkpoint.recent import KEEP, Recent
from caesura.checkpoint.rows import Codec, matches
from caesura.checkpoint.serde.base import SerializerProtocol, maybe_add_typed_methods
from caesura.constants import EXTRAS, INTERRUPT, NS_END, NS_SEP, RESUME
from caesura.core.patch import GONE
from caesura.interrupts.lifecycle import as_interrupt, is_within

_OWN_KEYS: Final = frozenset(Checkpoint.__annotations__)

_Steps = Generator[Any, Any, Any]


@dataclass(slots=True)
class ReadOn:
    """Read on in a history → list of `Loaded`; ``reader.exhausted`` tells if it ended."""

    reader: Reader


class EngineSaver(BaseCheckpointSaver[Any]):
    """Base of our savers: whoever performs the operations is a saver.

    A subclass implements `execute` and `aexecute` for every operation of
    `caesura.checkpoint.operations` but `History`, and for `ReadOn`.
    """

    in_loop: ClassVar[bool] = False
    """True if `aexecute` may do its work in the event loop's own thread."""
    at_once: ClassVar[bool] = False
    """True if to store something takes no longer than to have somebody else do so."""

    def __init__(self, *, serde: SerializerProtocol | None = None, keep: int = KEEP) -> None:
        self._recent = Recent(keep)
        self.serde = type(self)._default_serde if serde is None else maybe_add_typed_methods(serde)

    _default_serde: SerializerProtocol = BaseCheckpointSaver.serde

    @property
    def serde(self) -> SerializerProtocol:
        """Turns values into bytes and back. May be replaced by one that reads the same."""
        return self._serde

    @serde.setter
    def serde(self, serde: SerializerProtocol) -> None:
        self._serde = serde
        self.codec = Codec(serde, self._recent)

    # --- performing operations ---

    def execute(self, op: Any) -> Any:
        """Perform one operation. Returns and raises what the operation's docstring says."""
        raise NotImplementedError

    async def aexecute(self, op: Any) -> Any:
        """`execute` for async programs; waits for other processes without blocking the loop."""
        raise NotImplementedError

    def another(self) -> Self:
        """A saver on the same database that is not held up by what takes long here; perhaps this one."""
        return self

    def interrupt(self) -> None:
        """Break off what is going on, where that can be done; from another thread."""

    def close(self) -> None:
        """Close what the saver opened; here nothing."""

    async def aclose(self) -> None:
        """`close`, from async code."""
        self.close()

    def history(self, op: History) -> Iterator[Loaded]:
        """The checkpoints that ``op`` asks for, read as they are asked for."""
        reader = Reader(self.codec, op)
        while not reader.exhausted:
            yield from self.execute(ReadOn(reader))

    async def ahistory(self, op: History) -> AsyncIterator[Loaded]:
        """`history` for async programs."""
        reader = Reader(self.codec, op)
        while not reader.exhausted:
            for loaded in await self.aexecute(ReadOn(reader)):
                yield loaded

    def _run(self, steps: _Steps) -> Any:
        result = None
        while True:
            try:
                op = steps.send(result)
            except StopIteration as done:
                return done.value
            result = self.execute(op)

    async def _arun(self, steps: _Steps) -> Any:
        result = None
        while True:
            try:
                op = steps.send(result)
            except StopIteration as done:
                return done.value
            result = await self.aexecute(op)

    # --- LangGraph's interface, sync ---

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """The checkpoint that ``config`` names, or the newest of its (thread, ns)."""
        return cast("CheckpointTuple | None", self._run(_get_tuple(config)))

    def list(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        """Checkpoints, newest first; read as they are asked for."""
        if _names_one(config):
            yield from self._run(_list_one(config, filter, before, limit))
            return
        for loaded in self.history(_history(config, filter, before, limit)):
            yield as_tuple(loaded)

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Store a checkpoint on the parent that ``config`` names: what changed, no more."""
        return cast(RunnableConfig, self._run(_put(config, checkpoint, metadata, new_versions)))

    def put_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """Store what a task wrote on the checkpoint that ``config`` names."""
        self.execute(_put_writes(config, writes, task_id, task_path))

    def delete_thread(self, thread_id: str) -> None:
        """Delete everything about a thread."""
        self.execute(DeleteThread(str(thread_id)))

    def delete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Delete the checkpoints of these runs; what was built on them stays, stored in full."""
        self._run(_delete_for_runs(run_ids))

    def copy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Copy a thread to a new one. Raises `StorageError` if the target exists."""
        self.execute(CopyThread(str(source_thread_id), str(target_thread_id)))

    def prune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Drop history. Threads that wait go on waiting, and can be resumed.

        Raises:
            TypeError: ``thread_ids`` is a bare string.
            ValueError: the strategy is neither ``"keep_latest"`` nor ``"delete"``.
        """
        self._run(_prune(thread_ids, strategy))

    # --- LangGraph's interface, async ---

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """`get_tuple` for async programs."""
        return cast("CheckpointTuple | None", await self._arun(_get_tuple(config)))

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """`list` for async programs."""
        if _names_one(config):
            for found in await self._arun(_list_one(config, filter, before, limit)):
                yield found
            return
        async for loaded in self.ahistory(_history(config, filter, before, limit)):
            yield as_tuple(loaded)

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """`put` for async programs."""
        made = await self._arun(_put(config, checkpoint, metadata, new_versions))
        return cast(RunnableConfig, made)

    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """`put_writes` for async programs."""
        await self.aexecute(_put_writes(config, writes, task_id, task_path))

    async def adelete_thread(self, thread_id: str) -> None:
        """`delete_thread` for async programs."""
        await self.aexecute(DeleteThread(str(thread_id)))

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        """`delete_for_runs` for async programs."""
        await self._arun(_delete_for_runs(run_ids))

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """`copy_thread` for async programs."""
        await self.aexecute(CopyThread(str(source_thread_id), str(target_thread_id)))

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """`prune` for async programs."""
        await self._arun(_prune(thread_ids, strategy))


# --- the methods, as operations --------------------------------------------------------------


def _address(config: Mapping[str, Any]) -> tuple[str, str, str | None]:
    """(thread_id, ns, checkpoint_id or None)."""
    conf = config["configurable"]
    return str(conf["thread_id"]), str(conf.get("checkpoint_ns") or ""), _checkpoint_id(conf)


def _checkpoint_id(conf: Mapping[str, Any]) -> str | None:
    found = conf.get("checkpoint_id")
    return str(found) if found else None


def _config(thread_id: str, ns: str, checkpoint_id: str) -> RunnableConfig:
    address = {"thread_id": thread_id, "checkpoint_ns": ns, "checkpoint_id": checkpoint_id}
    return {"configurable": address}


def _get_tuple(config: RunnableConfig) -> _Steps:
    found = yield Load(*_address(config))
    return found and as_tuple(found)


def _put_writes(
    config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str
) -> PutWrites:
    thread_id, ns, _ = _address(config)
    checkpoint_id = str(config["configurable"]["checkpoint_id"])
    return PutWrites(thread_id, ns, checkpoint_id, task_id, task_path, writes, early=True)


def _put(
    config: RunnableConfig,
    checkpoint: Checkpoint,
    metadata: CheckpointMetadata,
    new_versions: ChannelVersions,
) -> _Steps:
    thread_id, ns, parent_id = _address(config)
    base: Loaded | None = yield Load(thread_id, ns, parent_id)
    if parent_id == checkpoint["id"]:  # stored again: it cannot be its own parent
        parent_id = None if base is None else base.parent_id
    state, changed = _inherit(checkpoint, new_versions, base)
    chained = base is not None and parent_id == base.checkpoint_id
    if chained and base is not None:
        chained = state.versions.keys() >= base.versions.keys()
        chained = chained and state.seen.keys() >= base.seen.keys()
    yield Commit(
        thread_id=thread_id,
        ns=ns,
        checkpoint_id=checkpoint["id"],
        parent_id=parent_id,
        expected_head=ANY_HEAD,
        ts=checkpoint["ts"],
        metadata=_stored_metadata(config, checkpoint, metadata),
        changes=_changes(state, changed, base),
        versions=_news(state.versions, base.versions if base else {}),
        seen=_news(state.seen, base.seen if base else {}),
        updated=checkpoint.get("updated_channels"),  # type: ignore[arg-type]
        full=lambda: state,
        chain=base.chain if chained and base is not None else None,
    )
    return _config(thread_id, ns, checkpoint["id"])


def _inherit(
    checkpoint: Checkpoint, new_versions: ChannelVersions, base: Loaded | None
) -> tuple[FullState, set[str]]:
    """The whole state that a put means, and which of its channels are not inherited."""
    given, versions = checkpoint["channel_values"], checkpoint["channel_versions"]
    values, changed = {}, set()
    for name in dict.fromkeys([*given, *versions]):
        same = base is not None and name in base.values and name not in new_versions
        if same and base is not None and base.versions.get(name) == versions.get(name):
            values[name] = base.values[name]
        elif name in given:
            values[name] = given[name]
            changed.add(name)
    return FullState(values, versions, checkpoint["versions_seen"]), changed


def _changes(state: FullState, changed: set[str], base: Loaded | None) -> dict[str, Any]:
    made: dict[str, Any] = {name: ("s", state.values[name]) for name in changed}
    if base is not None:
        made.update((name, GONE) for name in base.values if name not in state.values)
    return made


def _news(now: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """The entries of ``now`` that ``before`` does not have."""
    return {k: v for k, v in now.items() if k not in before or before[k] != v}


def _stored_metadata(
    config: RunnableConfig, checkpoint: Checkpoint, metadata: CheckpointMetadata
) -> dict[str, Any]:
    made = cast("dict[str, Any]", get_checkpoint_metadata(config, metadata))
    extras = {k: v for k, v in checkpoint.items() if k not in _OWN_KEYS}
    if checkpoint.get("v", SHAPE) != SHAPE:
        extras["v"] = checkpoint["v"]
    if extras:
        made[EXTRAS] = extras
    return made


def _delete_for_runs(run_ids: Sequence[str]) -> _Steps:
    wanted = [str(r) for r in run_ids]
    for thread_id in (yield FindRuns(wanted)):
        yield DeleteRuns(thread_id, wanted)


def _prune(thread_ids: Sequence[str], strategy: str) -> _Steps:
    if isinstance(thread_ids, str):
        raise TypeError("prune() takes a sequence of thread ids, not one string")
    if strategy not in ("keep_latest", "delete"):
        raise ValueError(f"Unknown prune strategy: {strategy!r}. Use 'keep_latest' or 'delete'.")
    for thread_id in thread_ids:
        name = str(thread_id)
        yield Prune(name) if strategy == "keep_latest" else DeleteThread(name)


# --- listing ---------------------------------------------------------------------------------


def _names_one(config: RunnableConfig | None) -> TypeGuard[RunnableConfig]:
    return config is not None and _checkpoint_id(config["configurable"]) is not None


def _history(
    config: RunnableConfig | None,
    filter: Mapping[str, Any] | None,
    before: RunnableConfig | None,
    limit: int | None,
) -> History:
    conf = (config or {}).get("configurable", {})
    thread_id = None if config is None else str(conf["thread_id"])
    ns = str(conf["checkpoint_ns"] or "") if "checkpoint_ns" in conf else None
    older = _checkpoint_id(before["configurable"]) if before else None
    return History(thread_id, ns, dict(filter or {}), older, limit)


def _list_one(
    config: RunnableConfig,
    filter: Mapping[str, Any] | None,
    before: RunnableConfig | None,
    limit: int | None,
) -> _Steps:
    """Returns the checkpoints of a thread that have this id."""
    conf = config["configurable"]
    thread_id, checkpoint_id = str(conf["thread_id"]), _checkpoint_id(conf)
    older = _checkpoint_id(before["configurable"]) if before else None
    if limit == 0 or (older and checkpoint_id and checkpoint_id >= older):
        return []
    spaces: list[Namespace] = yield FindNamespaces(thread_id)
    made = []
    for space in spaces:
        if "checkpoint_ns" in conf and space.ns != str(conf["checkpoint_ns"] or ""):
            continue
        found = yield Load(thread_id, space.ns, checkpoint_id)
        if found is not None and matches(found.metadata, filter or {}):
            made.append(as_tuple(found))
    return made


# --- what others see -------------------------------------------------------------------------


def as_tuple(loaded: Loaded) -> CheckpointTuple:
    """A loaded checkpoint in LangGraph's form."""
    parent = loaded.parent_id and _config(loaded.thread_id, loaded.ns, loaded.parent_id)
    metadata = dict(loaded.metadata)
    checkpoint = {
        "v": SHAPE,
        "ts": loaded.ts,
        "id": loaded.checkpoint_id,
        "channel_values": loaded.values,
        "channel_versions": loaded.versions,
        "versions_seen": loaded.seen,
        "updated_channels": loaded.updated,
        **metadata.pop(EXTRAS, {}),
    }
    return CheckpointTuple(
        _config(loaded.thread_id, loaded.ns, loaded.checkpoint_id),
        cast(Checkpoint, checkpoint),
        cast(CheckpointMetadata, metadata),
        parent or None,
        pending_writes(loaded),
    )


def pending_writes(loaded: Loaded) -> list[PendingWrite]:
    """The stored writes, and those that stand for its interrupts and their answers.

    Interrupts are rows of their own; as writes, a task that asked shows ``__resume__`` with its
    answers so far and ``__interrupt__`` with what waits, or with its last question if nothing does.
    """
    if not loaded.rows:
        return loaded.writes
    asked = _writes_of_rows(loaded)
    made: list[PendingWrite] = []
    for write in loaded.writes:
        made += asked.pop(write[0], ())
        made.append(write)
    for rest in asked.values():
        made += rest
    return made


def _writes_of_rows(loaded: Loaded) -> dict[str, list[PendingWrite]]:
    """Task id → the writes that stand for its interrupts."""
    by_task: dict[str, list[InterruptRow]] = {}
    for row in loaded.rows:
        task_id = _task_here(loaded, row)
        if task_id is not None and row.status in ("open", "answered"):
            by_task.setdefault(task_id, []).append(row)
    return {task: _writes_of_task(loaded.ns, task, rows) for task, rows in by_task.items()}


def _writes_of_task(ns: str, task_id: str, rows: list[InterruptRow]) -> list[PendingWrite]:
    made: list[PendingWrite] = []
    own = sorted((r for r in rows if r.ns == ns), key=lambda r: r.slot)
    answers = [row.answer for row in own if row.status == "answered"]
    if answers:
        made.append((task_id, RESUME, answers))
    shown = [row for row in rows if row.status == "open"] or own[-1:]
    if shown:
        made.append((task_id, INTERRUPT, [as_interrupt(row) for row in shown]))
    return made


def _task_here(loaded: Loaded, row: InterruptRow) -> str | None:
    """The task of this checkpoint that asked, itself or by way of a nested graph; or None."""
    if row.ns == loaded.ns:
        return row.task_id if row.checkpoint_id == loaded.checkpoint_id else None
    nested = row.status == "open" and loaded.checkpoint_id == loaded.head_id
    if not nested or not is_within(row.ns, loaded.ns):
        return None
    below = row.ns[len(loaded.ns) + 1 :] if loaded.ns else row.ns
    _, _, task_id = below.split(NS_SEP)[0].partition(NS_END)
    return task_id or None
