"""One thread's state in memory: channel values, versions, what each node has seen, pending writes.

A `ThreadState` is made from a stored checkpoint (`from_loaded`) or empty, changed only by
`core.apply`, and saved as its difference from what was stored last (`changes`). `Task` is one
execution of a node in a step, or one call of an ``@task`` function.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from caesura.channels.base import MISSING, BaseChannel
from caesura.checkpoint.operations import SHAPE, FullState, InterruptRow, Loaded
from caesura.constants import ERROR, EXTRAS, NO_WRITES, NS_END, NS_SEP, PUSH, RETURN
from caesura.core.ids import task_id
from caesura.core.older import additions
from caesura.core.patch import GONE, Patch, diff, shadow
from caesura.core.program import Node, Program, Write
from caesura.errors import NodeError, StorageError

Seed = tuple[str, str, str]
"""What a task's id is made of, beside its step and name: checkpoint id, namespace, and place there."""


class Task:
    """One execution of a node in a step, or one call of an ``@task`` function.

    ``around``: the namespace that its own is below. Of most tasks that nothing is stored of, nobody
    asks for the id, so it is made when somebody does.
    """

    __slots__ = (
        "_around",
        "_id",
        "_ns",
        "_seed",
        "args",
        "cached",
        "error",
        "failed",
        "input",
        "loose",
        "name",
        "node",
        "path",
        "pause",
        "personal",
        "result",
        "rows",
        "step",
        "superseded",
        "triggers",
        "writes",
    )

    def __init__(
        self,
        seed: Seed,
        around: str,
        name: str,
        path: tuple[Any, ...],
        triggers: tuple[str, ...],
        node: Node | None,
        input: Any,
        step: int,
    ) -> None:
        self._seed = seed
        self._around = around
        self._id: str | None = None
        self._ns: str | None = None
        self.name = name
        self.path = path
        self.triggers = triggers
        self.node = node
        self.input = input
        self.step = step
        self.writes: list[Write] | None = None
        """What the task wrote; None until it finished."""
        self.error: BaseException | None = None
        self.pause: tuple[InterruptRow, ...] | None = None
        """The open interrupts that it waits for, its own and those of graphs and tasks inside it."""
        self.superseded: Sequence[tuple[str, str, str]] = ()
        self.rows: Sequence[InterruptRow] = ()
        """Interrupts this very task asked earlier."""
        self.cached = False
        """Its writes come from storage or from the cache: it was not run this time."""
        self.failed = False
        """An earlier attempt failed, and that is stored."""
        self.personal = False
        """It, or something inside it, has asked a person: its result is for nobody else."""
        self.loose: list[Any] | None = None
        """A bare answer for the first question asked, if it is anybody's."""
        self.args: tuple[tuple[Any, ...], dict[str, Any]] | None = None
        self.result: Any = None

    @property
    def id(self) -> str:
        """The same in every process, for the same place in the same history."""
        if self._id is None:
            checkpoint_id, ns, place = self._seed
            self._id = task_id(checkpoint_id, ns, self.step, self.name, place)
        return self._id

    @property
    def ns(self) -> str:
        """The checkpoint namespace of what runs inside this task."""
        if self._ns is None:
            own = f"{self.name}{NS_END}{self.id}"
            self._ns = f"{self._around}{NS_SEP}{own}" if self._around else own
        return self._ns

    def failure(self) -> NodeError | None:
        """What it handles, if it runs an error handler."""
        return None

    def within(self) -> tuple[str, ...]:
        """The task it runs in place of, if any: what it asks counts as asked there."""
        return ()


class HandlerTask(Task):
    """An error handler that runs in place of a task that failed (`core.handling`)."""

    __slots__ = ("_failure", "_source")

    def __init__(self, source: Task, failure: NodeError, *, node: Node, seed: Seed) -> None:
        super().__init__(
            seed,
            around=source.ns,
            name=node.name,
            path=(*source.path, "node_error_handler", False),
            triggers=(PUSH,),
            node=node,
            input=source.input,
            step=source.step,
        )
        self._failure = failure
        self._source = source.id

    def failure(self) -> NodeError:
        return self._failure

    def within(self) -> tuple[str, ...]:
        return (self._source,)


def next_text_version(version: str) -> str:
    """The version after one that LangGraph's savers made: a padded number, a dot, and more."""
    return f"{int(version.partition('.')[0]) + 1:032}.{0:016}"


class ThreadState:
    """See the module. ``shadows`` is None where nothing is stored."""

    __slots__ = (
        "chain",
        "changed",
        "channels",
        "checkpoint_id",
        "head_id",
        "live",
        "max_version",
        "metadata",
        "mine",
        "next_version",
        "notes",
        "ns",
        "parent_id",
        "program",
        "pushing",
        "rows",
        "seen",
        "seen_changed",
        "shadows",
        "step",
        "thread_id",
        "timed",
        "ts",
        "updated",
        "values",
        "versions",
        "writes",
    )

    def __init__(
        self,
        program: Program,
        thread_id: str,
        ns: str,
        *,
        stored: bool,
        next_version: Callable[[Any], Any] | None = None,
    ) -> None:
        self.program = program
        self.thread_id = thread_id
        self.ns = ns
        self.channels: dict[str, BaseChannel[Any, Any, Any]] = {}
        self.versions: dict[str, Any] = {}
        self.seen: dict[str, dict[str, Any]] = {}
        self.step = -2
        self.checkpoint_id: str = ""
        self.parent_id: str | None = None
        self.head_id: str | None = None
        self.ts = ""
        self.metadata: dict[str, Any] = {}
        self.chain: Any = None
        self.shadows: dict[str, Any] | None = {} if stored else None
        self.writes: dict[str, list[Write]] = {}
        self.pushing: dict[str, str] = {}
        """Calls that wrote to channels beside what they return → their paths, as text that sorts."""
        self.rows: list[InterruptRow] = []
        self.changed: set[str] = set()
        self.seen_changed: set[str] = set()
        self.live: set[str] = set()
        self.max_version: Any = None
        self.next_version = next_version
        self.updated: set[str] | None = None
        self.mine: set[str] | None = None
        """Interrupts whose answers this run accepted; None: it may start everything."""
        self.notes: list[str] = []
        """Things to log: writes to channels and nodes that do not exist."""
        self.values: dict[str, Any] | None = None
        """What `read` gives of the whole state, kept from step to step; None if it is to be made."""
        self.timed = program.timed
        """Tasks may have timeouts: a node's, or a `Send`'s."""

    @classmethod
    def empty(cls, program: Program, thread_id: str, ns: str, **how: Any) -> ThreadState:
        """The state of a thread that has no checkpoint."""
        state = cls(program, thread_id, ns, **how)
        for name, spec in program.channels.items():
            state.channels[name] = spec.from_checkpoint(MISSING)
        return state

    @classmethod
    def from_loaded(cls, program: Program, loaded: Loaded, **how: Any) -> ThreadState:
        """The state that a stored checkpoint describes; pending writes are kept apart.

        Raises `StorageError` for a checkpoint of a newer form than this version knows.
        """
        if loaded.shape > SHAPE:
            raise StorageError(
                f"Checkpoint {loaded.checkpoint_id} has the form v={loaded.shape}, and this version "
                f"reads up to v={SHAPE}: something newer wrote it. Upgrade Caesura; nothing was changed."
            )
        state = cls(program, loaded.thread_id, loaded.ns, **how)
        values, shadows = loaded.values, state.shadows
        older = additions(program, loaded) if EXTRAS in loaded.metadata else {}
        unstored = {*older, *loaded.rebuilt}
        if older:
            values = {**values, **{name: value for name, (value, _) in older.items()}}
        for name, spec in program.channels.items():
            if name in values:
                value = values[name]
                channel = spec.from_checkpoint(value)
                if shadows is not None and name not in unstored:
                    shadows[name] = shadow(value)
                if spec.per_step and channel.is_available():
                    state.live.add(name)
            else:
                channel = spec.from_checkpoint(MISSING)
            state.channels[name] = channel
        if shadows is not None:
            for name in values.keys() - program.channels.keys():
                shadows[name] = values[name]
        state.changed.update(loaded.rebuilt)
        state.versions = dict(loaded.versions)
        for name, (_, version) in older.items():
            state.versions[name] = version
        state.seen = {node: dict(seen) for node, seen in loaded.seen.items()}
        state.max_version = max(state.versions.values(), default=None)
        if isinstance(state.max_version, str) and state.next_version is None:
            state.next_version = next_text_version
        state.step = loaded.metadata.get("step", -1)
        state.checkpoint_id, state.parent_id = loaded.checkpoint_id, loaded.parent_id
        state.head_id, state.ts = loaded.head_id, loaded.ts
        state.metadata, state.chain = loaded.metadata, loaded.chain
        state.take_pending(loaded)
        return state

    def take_pending(self, loaded: Loaded) -> None:
        """Take what hangs on a checkpoint: interrupts, and the writes of its tasks."""
        self.rows, self.writes = list(loaded.rows), {}
        returned: set[str] = set()
        for task, channel, value in loaded.writes:
            self.writes.setdefault(task, []).append((channel, value))
            if channel == RETURN:
                returned.add(task)
        for task in returned:
            if self.writes[task][0][0] != RETURN:
                self.pushing.setdefault(task, "")

    def has_failed(self, task_id: str) -> bool:
        """True if an attempt of the task failed and none has finished."""
        return any(channel == ERROR for channel, _ in self.writes.get(task_id, ()))

    def finished_writes(self, task_id: str) -> list[Write] | None:
        """What a task wrote, if it has finished; None if it is still to run."""
        writes = self.writes.get(task_id)
        if not writes or self.has_failed(task_id):
            return None
        return [write for write in writes if write[0] != NO_WRITES]

    def bump(self) -> Any:
        """A version above every version of the thread."""
        if self.next_version is not None:
            return self.next_version(self.max_version)
        return (self.max_version or 0) + 1

    def take_versions(self) -> dict[str, Any]:
        """Versions of the channels that changed since the last save. Call before `take_changes`."""
        return {name: self.versions[name] for name in self.changed if name in self.versions}

    def take_seen(self) -> dict[str, dict[str, Any]]:
        """What nodes have seen anew since the last save."""
        changed, self.seen_changed = self.seen_changed, set()
        return {name: self.seen[name] for name in changed}

    def take_changes(self) -> dict[str, Patch]:
        """What changed since the last save, as patches; takes new shadows."""
        shadows = self.shadows
        assert shadows is not None
        found: dict[str, Patch] = {}
        for name in self.changed:
            value = self.channels[name].checkpoint()
            if value is MISSING:
                if name in shadows:
                    del shadows[name]
                    found[name] = GONE
                continue
            patch = diff(shadows[name], value) if name in shadows else ("s", value)
            if patch is not None:
                shadows[name] = shadow(value)
                found[name] = patch
        self.changed = set()
        return found

    def full(self) -> FullState:
        """Every stored value, version and seen version."""
        values = {}
        for name, channel in self.channels.items():
            value = channel.checkpoint() if name in self.versions else MISSING
            if value is not MISSING:
                values[name] = value
        return FullState(values, self.versions, self.seen)

    def read(self, keys: str | tuple[str, ...]) -> Any:
        """The value of one channel (None if empty), or a dict of those that have one."""
        channels = self.channels
        if isinstance(keys, str):
            channel = channels[keys]
            return channel.get() if channel.is_available() else None
        if keys == self.program.stream_channels and self.program.holding:
            return self._whole().copy()
        return {k: c.get() for k in keys if (c := channels[k]).is_available()}

    def _whole(self) -> dict[str, Any]:
        """The values of all channels of the state that have one, in their order."""
        if self.values is None:
            shown, channels = self.program.stream_channels, self.channels
            self.values = {k: c.get() for k in shown if (c := channels[k]).is_available()}
        return self.values

    def note(self, name: str, channel: BaseChannel[Any, Any, Any], version: Any) -> bool:
        """``channel`` has changed; True if it has a value now."""
        self.versions[name] = self.max_version = version
        self.changed.add(name)
        available = channel.is_available()
        if channel.per_step:
            (self.live.add if available else self.live.discard)(name)
        values = self.values
        if values is not None and name in self.program.shown:
            if available and name in values:
                values[name] = channel.get()
            else:
                self.values = None  # A key comes or goes: the order is worked out anew.
        return available
