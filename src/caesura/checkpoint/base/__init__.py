"""What every saver is: LangGraph's interface, for savers of ours and of others.

A saver stores checkpoints (`BaseCheckpointSaver.put`), what tasks wrote on them
(`BaseCheckpointSaver.put_writes`), and reads both back (`BaseCheckpointSaver.get_tuple`,
`BaseCheckpointSaver.list`). A class that has these four, and their twins with ``a`` in front if it
is to serve async programs, is a saver. Savers of ours offer the engine more: see
`caesura.checkpoint.operations`.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import (
    Any,
    Final,
    Generic,
    Literal,
    NamedTuple,
    NotRequired,
    Self,
    TypedDict,
    TypeVar,
    cast,
)

from caesura.checkpoint.ids import uuid6
from caesura.checkpoint.serde.base import SerializerProtocol, maybe_add_typed_methods
from caesura.checkpoint.serde.jsonplus import JsonPlusSerializer
from caesura.checkpoint.serde.types import ChannelProtocol
from caesura.constants import ERROR, INTERRUPT, RESUME, SCHEDULED
from caesura.errors import EmptyChannelError

logger = logging.getLogger(__name__)

__all__ = [
    "ERROR",
    "EXCLUDED_METADATA_KEYS",
    "INTERRUPT",
    "LATEST_VERSION",
    "RESUME",
    "SCHEDULED",
    "WRITES_IDX_MAP",
    "BaseCheckpointSaver",
    "ChannelProtocol",
    "ChannelVersions",
    "Checkpoint",
    "CheckpointMetadata",
    "CheckpointTuple",
    "DeltaChannelHistory",
    "EmptyChannelError",
    "JsonPlusSerializer",
    "PendingWrite",
    "RunnableConfig",
    "SerializerProtocol",
    "copy_checkpoint",
    "create_checkpoint",
    "empty_checkpoint",
    "get_checkpoint_id",
    "get_checkpoint_metadata",
    "get_serializable_checkpoint_metadata",
    "maybe_add_typed_methods",
    "uuid6",
    "writes_sort_key",
]

V = TypeVar("V", int, float, str)
RunnableConfig = dict[str, Any]
"""A run's config as a dict; savers look at its ``configurable`` and ``metadata``."""
ChannelVersions = dict[str, str | int | float]
PendingWrite = tuple[str, str, Any]
"""(task id, channel, value)."""

LATEST_VERSION: Final = 2
"""Version of the shape that `empty_checkpoint` makes."""
WRITES_IDX_MAP: Final = {ERROR: -1, SCHEDULED: -2, INTERRUPT: -3, RESUME: -4}
"""Fixed indices of the special channels: written again, they replace what was there."""
EXCLUDED_METADATA_KEYS: Final = {
    "thread_id",
    "checkpoint_id",
    "checkpoint_ns",
    "checkpoint_map",
    "langgraph_step",
    "langgraph_node",
    "langgraph_triggers",
    "langgraph_path",
    "langgraph_checkpoint_ns",
}
"""Keys of a config that never become metadata of a checkpoint."""


class CheckpointMetadata(TypedDict, total=False):
    """What is known about a checkpoint beside its state. Further scalar keys are allowed."""

    source: Literal["input", "loop", "update", "fork"]
    """What made it: an input, a step, ``update_state``, or a run from an older checkpoint."""
    step: int
    """-1 for the first input, 0 for the first step, and so on."""
    parents: dict[str, str]
    """Namespace of each parent graph → its checkpoint id."""
    run_id: str
    counters_since_delta_snapshot: dict[str, tuple[int, int]]


class Checkpoint(TypedDict):
    """The state of one graph at one moment."""

    v: int
    id: str
    """Time-ordered: the text order of ids is the order of making."""
    ts: str
    """ISO-8601, UTC."""
    channel_values: dict[str, Any]
    channel_versions: ChannelVersions
    versions_seen: dict[str, ChannelVersions]
    """Node → the versions that it has been started with."""
    updated_channels: list[str] | None


class CheckpointTuple(NamedTuple):
    """A checkpoint with its address, its parent's address and what tasks wrote on it."""

    config: RunnableConfig
    checkpoint: Checkpoint
    metadata: CheckpointMetadata
    parent_config: RunnableConfig | None = None
    pending_writes: list[PendingWrite] | None = None


class DeltaChannelHistory(TypedDict):
    """What it takes to rebuild one channel whose stored values are changes."""

    writes: list[PendingWrite]
    """Oldest first, after ``seed``."""
    seed: NotRequired[Any]
    """The nearest stored full value among the ancestors, if there is one."""


def empty_checkpoint() -> Checkpoint:
    """A checkpoint of nothing, with a new id and the present time."""
    made = {
        "v": LATEST_VERSION,
        "id": str(uuid6(clock_seq=-2)),
        "ts": datetime.now(UTC).isoformat(),
        "channel_values": {},
        "channel_versions": {},
        "versions_seen": {},
        "pending_sends": [],
        "updated_channels": None,
    }
    return cast(Checkpoint, made)


def copy_checkpoint(checkpoint: Checkpoint) -> Checkpoint:
    """A copy whose dicts can be changed without changing the original; values are shared."""
    made = dict(checkpoint)
    made["channel_values"] = checkpoint["channel_values"].copy()
    made["channel_versions"] = checkpoint["channel_versions"].copy()
    made["versions_seen"] = {k: v.copy() for k, v in checkpoint["versions_seen"].items()}
    if "pending_sends" in made:
        made["pending_sends"] = list(cast(Iterable[Any], made["pending_sends"]))
    return cast(Checkpoint, made)


def create_checkpoint(
    checkpoint: Checkpoint,
    channels: Mapping[str, ChannelProtocol[Any, Any, Any]] | None,
    step: int,
    *,
    id: str | None = None,
) -> Checkpoint:
    """The successor of ``checkpoint``: a new id and time, values taken from ``channels``.

    Channels that have no version or no value are left out; ``channels`` None keeps the values.
    """
    made = dict(copy_checkpoint(checkpoint))
    made["id"] = id or str(uuid6(clock_seq=step))
    made["ts"] = datetime.now(UTC).isoformat()
    if channels is not None:
        made["channel_values"] = _values_of(channels, checkpoint["channel_versions"])
    return cast(Checkpoint, made)


def _values_of(
    channels: Mapping[str, ChannelProtocol[Any, Any, Any]], versions: ChannelVersions
) -> dict[str, Any]:
    values = {}
    for name, channel in channels.items():
        if name not in versions:
            continue
        try:
            values[name] = channel.checkpoint()
        except EmptyChannelError:
            continue
    return values


def get_checkpoint_id(config: Mapping[str, Any]) -> str | None:
    """The checkpoint that ``config`` names, or None."""
    return cast("str | None", config["configurable"].get("checkpoint_id"))


def get_checkpoint_metadata(
    config: Mapping[str, Any], metadata: Mapping[str, Any]
) -> CheckpointMetadata:
    """``metadata`` plus the scalars of the config's ``metadata`` and ``configurable``.

    What ``metadata`` says itself wins; private keys (``__…``) and addresses stay out. NUL
    characters are removed from texts: not every database can hold them.
    """
    made = {k: _storable_text(v) for k, v in metadata.items()}
    for source in (config.get("metadata") or {}, config.get("configurable") or {}):
        for key, value in source.items():
            if key in made or key in EXCLUDED_METADATA_KEYS or key.startswith("__"):
                continue
            if isinstance(value, (str, int, bool, float)):
                made[key] = _storable_text(value)
    return cast(CheckpointMetadata, made)


def get_serializable_checkpoint_metadata(
    config: Mapping[str, Any], metadata: Mapping[str, Any]
) -> CheckpointMetadata:
    """`get_checkpoint_metadata` without the key ``writes`` of old programs."""
    made = dict(get_checkpoint_metadata(config, metadata))
    made.pop("writes", None)
    return cast(CheckpointMetadata, made)


def _storable_text(value: Any) -> Any:
    return value.replace("\0", "") if isinstance(value, str) else value


def writes_sort_key(task_path: str, task_id: str = "", idx: int = 0) -> tuple[str, str, int]:
    """The order of pending writes: by task path, task id, index."""
    return (task_path, task_id, idx)


class BaseCheckpointSaver(Generic[V]):
    """Base of all savers. A saver overrides what it can do; the rest raises
    ``NotImplementedError``.

    Every ``config`` is addressed by its ``configurable``: ``thread_id``, ``checkpoint_ns`` ("" is
    the root graph) and ``checkpoint_id``.
    """

    serde: SerializerProtocol = JsonPlusSerializer()
    """Turns values into bytes and back."""

    def __init__(self, *, serde: SerializerProtocol | None = None) -> None:
        if serde is not None:
            self.serde = maybe_add_typed_methods(serde)

    @property
    def config_specs(self) -> list[Any]:
        """Descriptions of the configurable keys, for those who list them."""
        return []

    # --- reading ---

    def get(self, config: RunnableConfig) -> Checkpoint | None:
        """The checkpoint that ``config`` names, or the newest of its thread, or None."""
        found = self.get_tuple(config)
        return found.checkpoint if found else None

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """As `get`, with metadata, parent and pending writes."""
        raise NotImplementedError

    def list(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        """Checkpoints, newest first.

        Args:
            config: the thread; None means all threads. ``checkpoint_ns`` restricts only if present.
            filter: metadata that must be equal, key by key.
            before: only checkpoints older than the one this config names.
            limit: how many at most, after filtering.
        """
        raise NotImplementedError

    def get_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        """For each channel the nearest full value stored above, and the writes from there on."""
        walk = _DeltaWalk(channels)
        found = self.get_tuple(config)
        while found is not None and walk.visit(found):
            found = self.get_tuple(found.parent_config) if found.parent_config else None
        return walk.result()

    # --- writing ---

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Store a checkpoint; ``config`` names its parent. Returns a config that names the new one.

        Args:
            new_versions: the channels that changed since the parent. Other values are inherited.
        """
        raise NotImplementedError

    def put_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """Store what a task wrote on the checkpoint that ``config`` names.

        Written again, ordinary writes stay as they are; special ones (`WRITES_IDX_MAP`) are
        replaced.
        """
        raise NotImplementedError

    # --- upkeep ---

    def delete_thread(self, thread_id: str) -> None:
        """Delete everything about a thread."""
        raise NotImplementedError

    def delete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Delete the checkpoints that these runs made (metadata ``run_id``)."""
        raise NotImplementedError

    def copy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Copy everything about a thread to another one."""
        raise NotImplementedError

    def prune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Drop history: all but the newest checkpoints, or (``"delete"``) everything."""
        raise NotImplementedError

    # --- the same for async programs ---

    async def aget(self, config: RunnableConfig) -> Checkpoint | None:
        """`get` for async programs."""
        found = await self.aget_tuple(config)
        return found.checkpoint if found else None

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """`get_tuple` for async programs."""
        raise NotImplementedError

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """`list` for async programs."""
        raise NotImplementedError
        yield  # an async generator, so that `async for` reaches the error

    async def aget_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        """`get_delta_channel_history` for async programs."""
        walk = _DeltaWalk(channels)
        found = await self.aget_tuple(config)
        while found is not None and walk.visit(found):
            found = await self.aget_tuple(found.parent_config) if found.parent_config else None
        return walk.result()

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """`put` for async programs."""
        raise NotImplementedError

    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """`put_writes` for async programs."""
        raise NotImplementedError

    async def adelete_thread(self, thread_id: str) -> None:
        """`delete_thread` for async programs."""
        raise NotImplementedError

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        """`delete_for_runs` for async programs."""
        raise NotImplementedError

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """`copy_thread` for async programs."""
        raise NotImplementedError

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """`prune` for async programs."""
        raise NotImplementedError

    # --- versions and types ---

    def get_next_version(self, current: V | None, channel: None) -> V:
        """The version after ``current`` (None: the first); override for other than numbers."""
        known: Any = current
        if isinstance(known, str):
            raise NotImplementedError
        return cast(V, 1 if known is None else known + 1)

    def with_allowlist(self, extra_allowlist: Collection[type | tuple[str, ...]]) -> Self:
        """A twin over the same store that may also build the named classes when reading."""
        widen = getattr(self.serde, "with_msgpack_allowlist", None)
        if widen is None:
            return self
        twin = copy.copy(self)
        twin.serde = widen(extra_allowlist)
        return twin


class _DeltaWalk:
    """Gathers, from a checkpoint upward, the writes to each channel until a full value is met."""

    def __init__(self, channels: Sequence[str]) -> None:
        self._open = set(channels)
        self._found: dict[str, list[list[PendingWrite]]] = {c: [] for c in channels}
        self._seeds: dict[str, Any] = {}
        self._first = True

    def visit(self, found: CheckpointTuple) -> bool:
        """Take in one checkpoint; False once nothing is left to look for."""
        if self._first:  # what hangs on the checkpoint itself is not part of its state yet
            self._first = False
            return bool(self._open)
        for name in self._open:
            self._found[name].append([w for w in found.pending_writes or () if w[1] == name])
        values = found.checkpoint["channel_values"]
        for name in [n for n in self._open if n in values]:
            self._seeds[name] = values[name]
            self._open.discard(name)
        return bool(self._open)

    def result(self) -> dict[str, DeltaChannelHistory]:
        """Channel → its history, writes oldest first."""
        made: dict[str, DeltaChannelHistory] = {}
        for name, steps in self._found.items():
            made[name] = {"writes": [w for step in reversed(steps) for w in step]}
            if name in self._seeds:
                made[name]["seed"] = self._seeds[name]
        return made
