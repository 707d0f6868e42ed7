"""What every saver must do, as a suite that anybody's saver can run.

`SaverContract` asks for LangGraph's interface only; `EngineContract` also for the operations of
`caesura.checkpoint.operations`. Both are plain classes of tests. With pytest, subclass one and say
how to make the saver::

    class TestMySaver(SaverContract):
        @pytest.fixture(params=[SyncCalls, AsyncCalls])
        def calls(self, request):
            with closing(request.param(MySaver())) as calls:
                yield calls

Without pytest, `check` runs all of it. Every test gets a new, empty saver behind `Calls`, which let
one test serve the sync methods and the async ones.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, cast

from caesura.checkpoint.base import Checkpoint, CheckpointTuple, RunnableConfig, empty_checkpoint
from caesura.checkpoint.base.id import uuid6
from caesura.checkpoint.operations import (
    ANY_HEAD,
    Accept,
    Answer,
    Chain,
    Commit,
    CopyThread,
    FindInterrupts,
    FindNamespaces,
    FindThreads,
    FullState,
    History,
    InterruptRow,
    Load,
    Loaded,
    Prune,
    PutWrites,
    TaskWrites,
    Withdraw,
)
from caesura.core import patch
from caesura.errors import (
    AlreadyAnsweredError,
    InterruptClosedError,
    SerializationError,
    StaleThreadError,
    StorageError,
    UnknownInterruptError,
)

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


def check(
    make: Callable[[], Any],
    contract: type[SaverContract] | None = None,
    colours: Iterable[type[Calls]] = (SyncCalls, AsyncCalls),
) -> None:
    """Run a whole contract, each test on a new saver from ``make``. Raises the first failure.

    Savers that have a ``close`` method are closed after each test.
    """
    suite = (contract or SaverContract)()
    for colour in colours:
        for name in [n for n in dir(suite) if n.startswith("test_")]:
            calls = colour(make())
            try:
                getattr(suite, name)(calls)
            finally:
                calls.close()
                getattr(calls.saver, "close", lambda: None)()


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


# --- LangGraph's interface -------------------------------------------------------------------


class SaverContract:
    """What LangGraph's interface promises. `upkeep` False leaves out what many savers lack."""

    upkeep: ClassVar[bool] = True

    def put_three(self, calls: Calls, thread: Any = THREAD, ns: str = "") -> list[RunnableConfig]:
        """Three checkpoints, each on the one before; steps -1, 0, 1."""
        made, at = [], config(thread, ns)
        for n, source in enumerate(("input", "loop", "loop")):
            point = checkpoint({"a": n, "b": "kept"}, {"a": n + 1, "b": 1})
            news = {"a": n + 1} if n else {"a": 1, "b": 1}
            at = calls.put(at, point, {"source": source, "step": n - 1, "run_id": f"r{n}"}, news)
            made.append(at)
        return made

    def test_an_unknown_thread_has_no_checkpoint(self, calls: Calls) -> None:
        assert calls.get_tuple(config()) is None
        assert calls.call("get", config()) is None
        assert calls.listed(config()) == []

    def test_a_checkpoint_comes_back_as_it_was_put(self, calls: Calls) -> None:
        point = checkpoint({"a": [1, {"x": None}], "b": "text"}, {"a": 3, "b": 1})
        point["versions_seen"] = {"node": {"a": 2}}
        point["updated_channels"] = ["a"]
        at = calls.put(config(), point, {"source": "loop", "step": 4}, {"a": 3, "b": 1})
        assert at == config(checkpoint_id=point["id"])
        found = calls.get_tuple(at)
        assert found is not None
        assert found.checkpoint == point
        assert found.config == at
        assert found.metadata == {"source": "loop", "step": 4}
        assert found.parent_config is None
        assert not found.pending_writes

    def test_without_an_id_the_newest_checkpoint_is_read(self, calls: Calls) -> None:
        made = self.put_three(calls)
        found = calls.get_tuple(config())
        assert found is not None
        assert found.config == made[-1]
        assert found.parent_config == made[-2]

    def test_an_older_checkpoint_can_be_read_by_its_id(self, calls: Calls) -> None:
        made = self.put_three(calls)
        found = calls.get_tuple(made[0])
        assert found is not None
        assert found.checkpoint["channel_values"] == {"a": 0, "b": "kept"}
        assert calls.get_tuple(config(checkpoint_id="00000000")) is None

    def test_values_of_unchanged_versions_are_inherited(self, calls: Calls) -> None:
        first = checkpoint({"a": 1, "b": 2}, {"a": 1, "b": 1})
        at = calls.put(config(), first, {"step": 0}, {"a": 1, "b": 1})
        second = checkpoint({"a": 5}, {"a": 2, "b": 1})
        at = calls.put(at, second, {"step": 1}, {"a": 2})
        found = calls.get_tuple(at)
        assert found is not None
        assert found.checkpoint["channel_values"] == {"a": 5, "b": 2}

    def test_a_channel_named_as_new_is_stored_whatever_its_version(self, calls: Calls) -> None:
        first = checkpoint({"a": 1}, {"a": 1})
        at = calls.put(config(), first, {"step": 0}, {"a": 1})
        found = calls.get_tuple(calls.put(at, checkpoint({"a": 2}, {"a": 1}), {}, {"a": 1}))
        assert found is not None
        assert found.checkpoint["channel_values"] == {"a": 2}

    def test_a_channel_that_lost_its_value_has_none(self, calls: Calls) -> None:
        first = checkpoint({"a": 1, "b": 2}, {"a": 1, "b": 1})
        at = calls.put(config(), first, {"step": 0}, {"a": 1, "b": 1})
        second = checkpoint({"b": 2}, {"a": 2, "b": 1})
        found = calls.get_tuple(calls.put(at, second, {"step": 1}, {"a": 2}))
        assert found is not None
        assert found.checkpoint["channel_values"] == {"b": 2}

    def test_what_a_program_changes_later_is_not_stored(self, calls: Calls) -> None:
        value = {"deep": [1]}
        at = calls.put(config(), checkpoint({"a": value}, {"a": 1}), {"step": 0}, {"a": 1})
        value["deep"].append(2)
        for _ in range(2):
            found = calls.get_tuple(at)
            assert found is not None
            assert found.checkpoint["channel_values"] == {"a": {"deep": [1]}}
            found.checkpoint["channel_values"]["a"]["deep"].append(3)

    def test_namespaces_do_not_mix(self, calls: Calls) -> None:
        outer = self.put_three(calls)
        inner = self.put_three(calls, ns="child:1")
        found = [calls.get_tuple(config()), calls.get_tuple(config(ns="child:1"))]
        assert [f and f.config for f in found] == [outer[-1], inner[-1]]
        assert len(calls.listed(config(ns="child:1"))) == 3
        assert len(calls.listed({"configurable": {"thread_id": THREAD}})) == 6

    def test_thread_ids_of_other_types_are_texts(self, calls: Calls) -> None:
        self.put_three(calls, thread=7)
        assert calls.get_tuple(config("7")) is not None

    def test_listing_is_newest_first(self, calls: Calls) -> None:
        made = self.put_three(calls)
        assert [found.config for found in calls.listed(config())] == made[::-1]
        found = calls.listed(config())
        assert [f.checkpoint["channel_values"]["a"] for f in found] == [2, 1, 0]
        assert [f.parent_config for f in found] == [made[1], made[0], None]

    def test_listing_can_be_restricted(self, calls: Calls) -> None:
        made = self.put_three(calls)

        def steps(**how: Any) -> list[int]:
            return [found.metadata["step"] for found in calls.listed(config(), **how)]

        assert steps(filter={"source": "loop"}) == [1, 0]
        assert steps(filter={"source": "loop", "step": 0}) == [0]
        assert steps(filter={"nothing": 1}) == []
        assert steps(limit=2) == [1, 0]
        assert steps(limit=1, filter={"source": "input"}) == [-1]
        assert steps(before=made[2]) == [0, -1]
        assert steps(before=made[2], limit=1) == [0]
        only_id = {"checkpoint_id": made[2]["configurable"]["checkpoint_id"]}
        assert steps(before={"configurable": only_id}) == [0, -1]
        assert [f.config for f in calls.listed(made[1])] == [made[1]]

    def test_all_threads_can_be_listed(self, calls: Calls) -> None:
        made = self.put_three(calls) + self.put_three(calls, thread="thread-2")
        found = [f.config for f in calls.listed(None)]
        assert sorted(map(str, found)) == sorted(map(str, made))
        assert len(calls.listed(None, limit=4)) == 4

    def test_metadata_takes_in_the_scalars_of_the_config(self, calls: Calls) -> None:
        given = {**config(user="u1", __private="x"), "metadata": {"tag": 3, "step": 99}}
        at = calls.put(given, checkpoint({}, {}), {"source": "input", "step": 0}, {})
        found = calls.get_tuple(at)
        assert found is not None
        assert found.metadata == {"source": "input", "step": 0, "user": "u1", "tag": 3}

    def test_writes_are_kept_as_first_written_and_special_ones_replaced(self, calls: Calls) -> None:
        at = self.put_three(calls)[-1]
        calls.call("put_writes", at, [("a", 1), ("b", 2)], "t1", "p1")
        calls.call("put_writes", at, [("a", 9), ("b", 9), ("c", 3)], "t1", "p1")
        calls.call("put_writes", at, [("__error__", "first")], "t2", "p2")
        calls.call("put_writes", at, [("__error__", "second")], "t2", "p2")
        found = calls.get_tuple(at)
        assert found is not None
        kept = [("t1", "a", 1), ("t1", "b", 2), ("t1", "c", 3)]
        assert [tuple(w) for w in found.pending_writes or ()] == [
            *kept,
            ("t2", "__error__", "second"),
        ]

    def test_writes_are_ordered_by_path_then_task_then_index(self, calls: Calls) -> None:
        at = self.put_three(calls)[-1]
        for path, task in (("z", "t1"), ("b", "t3"), ("b", "t2")):
            calls.call("put_writes", at, [("a", path), ("__scheduled__", 0)], task, path)
        found = calls.get_tuple(at)
        assert found is not None
        order = [(w[0], w[1]) for w in found.pending_writes or ()]
        pair = ("__scheduled__", "a")
        assert order == [(task, channel) for task in ("t2", "t3", "t1") for channel in pair]

    def test_writes_belong_to_their_checkpoint(self, calls: Calls) -> None:
        made = self.put_three(calls)
        calls.call("put_writes", made[1], [("a", 1)], "t1", "p")
        found = [f.pending_writes for f in calls.listed(config())]
        assert [len(w or ()) for w in found] == [0, 1, 0]

    def test_a_deleted_thread_is_gone_and_others_stay(self, calls: Calls) -> None:
        made = self.put_three(calls)
        self.put_three(calls, ns="child:1")
        self.put_three(calls, thread="thread-2")
        calls.call("put_writes", made[2], [("a", 1)], "t1", "p")
        calls.call("delete_thread", THREAD)
        calls.call("delete_thread", "never there")
        assert calls.listed({"configurable": {"thread_id": THREAD}}) == []
        assert len(calls.listed(config("thread-2"))) == 3

    def test_a_copied_thread_equals_its_source_and_lives_by_itself(self, calls: Calls) -> None:
        if not self.upkeep:
            return
        made = self.put_three(calls)
        calls.call("put_writes", made[2], [("a", 1)], "t1", "p")
        calls.call("copy_thread", THREAD, "thread-2")
        calls.call("delete_thread", THREAD)
        found = calls.listed(config("thread-2"))
        assert [f.checkpoint["channel_values"]["a"] for f in found] == [2, 1, 0]
        assert [f.metadata["step"] for f in found] == [1, 0, -1]
        assert [tuple(w) for w in found[0].pending_writes or ()] == [("t1", "a", 1)]

    def test_pruning_keeps_the_newest_of_each_namespace(self, calls: Calls) -> None:
        if not self.upkeep:
            return
        made = self.put_three(calls)
        self.put_three(calls, ns="child:1")
        calls.call("put_writes", made[2], [("a", 1)], "t1", "p")
        calls.call("prune", [THREAD, "never there"])
        (outer,), (inner,) = calls.listed(config()), calls.listed(config(ns="child:1"))
        assert outer.checkpoint["channel_values"] == {"a": 2, "b": "kept"}
        assert inner.checkpoint["channel_values"] == {"a": 2, "b": "kept"}
        assert [tuple(w) for w in outer.pending_writes or ()] == [("t1", "a", 1)]
        calls.call("prune", [THREAD], strategy="delete")
        assert calls.get_tuple(config()) is None

    def test_a_bad_pruning_order_is_refused(self, calls: Calls) -> None:
        if not self.upkeep:
            return
        self.put_three(calls)
        for kind, args in ((ValueError, ([THREAD], "all")), (TypeError, (THREAD, "delete"))):
            try:
                calls.call("prune", args[0], strategy=args[1])
            except kind:
                continue
            raise AssertionError(f"prune{args} was not refused with {kind.__name__}")
        assert len(calls.listed(config())) == 3

    def test_deleting_a_run_leaves_what_was_built_on_it_whole(self, calls: Calls) -> None:
        if not self.upkeep:
            return
        self.put_three(calls)
        calls.call("delete_for_runs", ["r0", "r1", "unknown"])
        (found,) = calls.listed(config())
        assert found.checkpoint["channel_values"] == {"a": 2, "b": "kept"}
        calls.call("delete_for_runs", ["r2"])
        assert calls.listed(config()) == []


# --- the operations --------------------------------------------------------------------------


class EngineContract(SaverContract):
    """What the operations promise, on top of `SaverContract`."""

    # checkpoints

    def test_changes_fold_to_the_state_that_was_committed(self, calls: Calls) -> None:
        walker = Walker(calls)
        messages: list[Any] = []
        states, made = [], []
        for n in range(150):
            messages = [*messages, {"id": n}] if n % 40 else [{"id": "anew"}]
            state: dict[str, Any] = {"messages": messages, "n": n, "d": {"k": n, "same": "x" * 50}}
            if n % 7 == 0:
                state["seldom"] = n
            made.append(walker.commit(state))
            states.append(state)
        assert [walker.load(i).values for i in made] == states
        history = calls.execute(History(THREAD, ""))
        assert [h.checkpoint_id for h in history] == made[::-1]
        assert [h.values for h in history] == states[::-1]
        assert [h.chain for h in history] == [walker.load(i).chain for i in made[::-1]]
        assert walker.load().chain == walker.chain

    def test_a_load_tells_all_about_a_checkpoint(self, calls: Calls) -> None:
        walker = Walker(calls)
        first = walker.commit({"a": 1, "b": 2})
        second = walker.commit({"a": 1})
        found = walker.load(first)
        assert (found.parent_id, found.head_id, found.ts) == (None, second, AT)
        assert found.metadata == {"source": "loop", "step": 0, "parents": {}}
        assert found.versions == {"a": 1, "b": 1}
        assert found.seen == {"node": {"a": 1, "b": 1}}
        found = walker.load()
        assert (found.parent_id, found.updated, found.values) == (first, ["b"], {"a": 1})
        assert found.versions == {"a": 1, "b": 2}
        assert found.seen == {"node": {"b": 2}}
        older = calls.execute(Load(THREAD, "", before=second))
        assert older is not None
        assert older.checkpoint_id == first
        assert calls.execute(Load(THREAD, "", before=first)) is None

    def test_a_commit_on_a_head_that_moved_is_refused_and_stores_nothing(
        self, calls: Calls
    ) -> None:
        walker = Walker(calls)
        first = walker.commit({"a": 1})
        second = walker.commit({"a": 2})
        for expected in (first, None):
            late = walker.operation(
                {"a": 3}, expected_head=expected, writes=[TaskWrites("t", "p", [("a", 1)])]
            )
            error = refusal(StaleThreadError, calls, late)
            assert (error.expected, error.found) == (expected, second)
        other = Walker(calls, thread="thread-2")
        refusal(StaleThreadError, calls, other.operation({"a": 1}, expected_head=second))
        assert len(calls.execute(History(THREAD, ""))) == 2
        assert walker.load().writes == []
        assert calls.execute(Load("thread-2", "")) is None

    def test_a_fork_shares_the_past_and_becomes_the_head(self, calls: Calls) -> None:
        walker = Walker(calls)
        base = [{"text": "x" * 2000}]
        old = walker.commit({"m": base})
        chain, state = walker.chain, walker.state
        left = walker.commit({"m": [*base, 1]})
        walker.head, walker.chain, walker.state = old, chain, state
        right = walker.commit({"m": [*base, 2]}, expected_head=ANY_HEAD)
        assert walker.load().checkpoint_id == right
        assert walker.load(left).values == {"m": [*base, 1]}
        assert walker.load(right).values == {"m": [*base, 2]}
        assert walker.load(right).parent_id == old

    def test_changes_on_a_parent_that_is_gone_are_stored_in_full(self, calls: Calls) -> None:
        walker = Walker(calls)
        big = "x" * 5000
        walker.commit({"a": 1, "big": big})
        calls.call("delete_thread", THREAD)
        walker.commit({"a": 2, "big": big}, expected_head=ANY_HEAD)
        assert walker.load().values == {"a": 2, "big": big}

    def test_a_commit_stores_its_writes_and_closes_its_parent_at_once(self, calls: Calls) -> None:
        walker = Walker(calls)
        first = walker.commit({"a": 1})
        closing = PutWrites(THREAD, "", first, "t0", "p", [("a", 2)])
        tasks = [TaskWrites("t2", "q", [("a", 3)]), TaskWrites("t1", "p", [("a", 4), ("b", 5)])]
        walker.commit({"a": 2}, closing=[closing], writes=tasks)
        assert walker.load(first).writes == [("t0", "a", 2)]
        assert walker.load().writes == [("t1", "a", 4), ("t1", "b", 5), ("t2", "a", 3)]

    def test_what_cannot_be_stored_is_named_by_its_path_and_nothing_is_stored(
        self, calls: Calls
    ) -> None:
        walker = Walker(calls)
        head = walker.commit({"m": [{"ok": 1}], "big": "x" * 2000})
        bad = {"m": [{"ok": 1}, {"k": [0, object()]}], "big": walker.state["big"]}
        error = refusal(SerializationError, calls, walker.operation(bad))
        for part in ("m", "1", "k"):
            assert part in error.path
        refusal(SerializationError, calls, Walker(calls, "thread-2").operation(bad))
        put = PutWrites(THREAD, "", head, "t", "p", [("a", 1), ("b", object())])
        refusal(SerializationError, calls, put)
        assert walker.load().checkpoint_id == head
        assert walker.load().writes == []
        assert calls.execute(FindNamespaces("thread-2")) == []

    def test_history_is_filtered_limited_and_cut(self, calls: Calls) -> None:
        walker = Walker(calls)
        made = [
            walker.commit({"a": n}, metadata={"step": n, "even": n % 2 == 0}) for n in range(200)
        ]

        def found(**how: Any) -> list[str]:
            return [h.checkpoint_id for h in calls.execute(History(THREAD, "", **how))]

        assert found() == made[::-1]
        assert found(limit=70) == made[:129:-1]
        assert found(filter={"even": True}) == made[198::-2]
        assert found(filter={"even": True}, limit=3) == [made[198], made[196], made[194]]
        assert found(before=made[3]) == made[2::-1]
        assert found(limit=0) == []

    # writes

    def test_a_done_task_loses_its_error_and_its_interrupts_are_done(self, calls: Calls) -> None:
        walker = Walker(calls)
        head = walker.commit({"a": 1})
        walker.ask("i1")
        calls.execute(PutWrites(THREAD, "", head, "task-1", "p", [("__error__", "boom")]))
        calls.execute(PutWrites(THREAD, "", head, "task-2", "p", [("__error__", "stays")]))
        calls.execute(Accept(THREAD, [Answer("i1", "yes")], AT))
        calls.execute(PutWrites(THREAD, "", head, "task-1", "p", [("a", 2)], done=True))
        found = walker.load()
        assert found.writes == [("task-1", "a", 2), ("task-2", "__error__", "stays")]
        assert [row.done for row in found.rows] == [True]

    def test_many_writes_of_one_task_are_stored(self, calls: Calls) -> None:
        walker = Walker(calls)
        head = walker.commit({"a": 1})
        writes = [("a", n) for n in range(100)]
        calls.execute(PutWrites(THREAD, "", head, "t", "p", writes))
        assert walker.load().writes == [("t", "a", n) for n in range(100)]

    # interrupts

    def test_an_interrupt_comes_back_as_it_was_asked(self, calls: Calls) -> None:
        walker = Walker(calls)
        head = walker.commit({"a": 1})
        row = interrupt_row(
            "i1",
            head,
            ancestors=("t-outer", "t-inner"),
            slot=2,
            payload=[1, {"x": None}],
            key="k",
            title="Approve?",
            response_schema={"type": "object"},
        )
        calls.execute(PutWrites(THREAD, "", head, "task-1", "p", [], opened=[row]))
        assert walker.load().rows == [row]
        assert calls.execute(FindInterrupts()) == [row]
        again = replace(row, payload="other")
        calls.execute(PutWrites(THREAD, "", head, "task-1", "p", [], opened=[again]))
        assert walker.load().rows == [row]

    def test_interrupts_opened_on_a_head_that_moved_are_refused(self, calls: Calls) -> None:
        walker = Walker(calls)
        first = walker.commit({"a": 1})
        walker.commit({"a": 2})
        opened = [interrupt_row("i1", first)]
        put = PutWrites(THREAD, "", first, "t", "p", [("a", 1)], opened=opened, expected_head=first)
        refusal(StaleThreadError, calls, put)
        assert calls.execute(FindInterrupts(status=None)) == []
        assert walker.load(first).writes == []

    def test_an_answer_is_recorded_with_who_and_when(self, calls: Calls) -> None:
        walker = Walker(calls)
        walker.commit({"a": 1})
        walker.ask("i1", "i2", "i3")
        answers = [Answer("i3", {"ok": True}, "ann"), Answer("i1", None)]
        made = calls.execute(Accept(THREAD, answers, AT))
        assert ids(made) == ["i3", "i1"]
        assert ids(calls.execute(FindInterrupts(THREAD))) == ["i2"]
        stored = {row.id: row for row in walker.load().rows}
        assert stored["i3"] == made[0]
        assert stored["i1"] == made[1]
        assert (made[0].status, made[0].answer) == ("answered", {"ok": True})
        assert (made[0].answered_by, made[0].answered_at) == ("ann", AT)
        assert (made[1].status, made[1].answer, made[1].answered_by) == ("answered", None, None)

    def test_writes_that_come_with_an_answer_are_stored_with_it(self, calls: Calls) -> None:
        walker = Walker(calls)
        head = walker.commit({"a": 1})
        walker.ask("i1")
        tasks = [TaskWrites("t", "p", [("a", 5)])]
        op = Accept(THREAD, [Answer("i1", 1)], AT, checkpoint_id=head, writes=tasks)
        calls.execute(op)
        assert ("t", "a", 5) in walker.load().writes
        lost = replace_writes(op, [TaskWrites("t2", "p", [("a", 6)])])
        refusal(AlreadyAnsweredError, calls, lost)
        assert walker.load().writes == [("t", "a", 5)]

    def test_a_refused_answer_changes_nothing_and_lists_what_waits(self, calls: Calls) -> None:
        walker = Walker(calls)
        walker.commit({"a": 1})
        walker.ask("answered", "withdrawn", "open-1", "open-2")
        calls.execute(Accept(THREAD, [Answer("answered", "first")], AT))
        calls.execute(Withdraw(THREAD, "obsolete", AT, ["withdrawn"]))
        before = calls.execute(FindInterrupts(THREAD, status=None))
        cases: list[tuple[str, type[Any]]] = [
            ("answered", AlreadyAnsweredError),
            ("withdrawn", InterruptClosedError),
            ("unknown", UnknownInterruptError),
            ("open-1", AlreadyAnsweredError),
        ]
        for name, kind in cases:
            op = Accept(THREAD, [Answer("open-1", 1), Answer(name, 2)], AT)
            error = refusal(kind, calls, op)
            assert ids(error.open_interrupts) == ["open-1", "open-2"]
            assert error.open_interrupts[0].value == {"question": "open-1"}
        assert calls.execute(FindInterrupts(THREAD, status=None)) == before

    def test_the_loser_of_two_answers_learns_what_was_decided(self, calls: Calls) -> None:
        walker = Walker(calls)
        walker.commit({"a": 1})
        walker.ask("i1")
        calls.execute(Accept(THREAD, [Answer("i1", "yes", "ann")], AT))
        error = refusal(AlreadyAnsweredError, calls, Accept(THREAD, [Answer("i1", "no")], AT))
        assert (error.interrupt_id, error.answer, error.answered_at) == ("i1", "yes", AT)
        (row,) = calls.execute(FindInterrupts(THREAD, status="answered"))
        assert row.answer == "yes"

    def test_an_answer_to_another_thread_is_unknown_here(self, calls: Calls) -> None:
        walker = Walker(calls)
        walker.commit({"a": 1})
        walker.ask("i1")
        refusal(UnknownInterruptError, calls, Accept("thread-2", [Answer("i1", 1)], AT))
        assert ids(calls.execute(FindInterrupts())) == ["i1"]

    def test_of_many_answers_at_once_exactly_one_is_accepted(self, calls: Calls) -> None:
        walker = Walker(calls)
        walker.commit({"a": 1})
        walker.ask("i1")
        won: list[int] = []
        start = threading.Barrier(4)

        def answer(n: int) -> None:
            start.wait()
            try:
                calls.saver.execute(Accept(THREAD, [Answer("i1", n)], AT))
            except AlreadyAnsweredError:
                return
            won.append(n)

        people = [threading.Thread(target=answer, args=(n,)) for n in range(4)]
        for person in people:
            person.start()
        for person in people:
            person.join()
        (row,) = calls.execute(FindInterrupts(THREAD, status="answered"))
        assert won == [row.answer]

    def test_a_superseded_interrupt_names_its_successor(self, calls: Calls) -> None:
        walker = Walker(calls)
        head = walker.commit({"a": 1})
        walker.ask("old-1", "old-2")
        calls.execute(Accept(THREAD, [Answer("old-2", "kept")], AT))
        put = PutWrites(
            THREAD,
            "",
            head,
            "task-1",
            "p",
            [],
            opened=[interrupt_row("new", head, slot=2, asked_at="2027")],
            superseded=[("old-1", "new", "differs"), ("old-2", "new", "differs")],
        )
        calls.execute(put)
        rows = {row.id: row for row in calls.execute(FindInterrupts(THREAD, status="superseded"))}
        assert set(rows) == {"old-1", "old-2"}
        for row in rows.values():
            assert (row.superseded_by, row.reason, row.closed_at) == ("new", "differs", "2027")
        assert rows["old-2"].answer == "kept"
        refusal(InterruptClosedError, calls, Accept(THREAD, [Answer("old-1", 1)], AT))

    def test_withdrawing_closes_only_what_is_open(self, calls: Calls) -> None:
        walker = Walker(calls)
        walker.commit({"a": 1})
        walker.ask("i1", "i2", "i3")
        calls.execute(Accept(THREAD, [Answer("i1", 1)], AT))
        assert ids(calls.execute(Withdraw(THREAD, "no", AT, ["i1", "i2"]))) == ["i2"]
        (row,) = calls.execute(Withdraw(THREAD, "done", AT))
        assert (row.id, row.status, row.reason, row.closed_at) == ("i3", "withdrawn", "done", AT)
        assert calls.execute(Withdraw(THREAD, "again", AT)) == []
        assert calls.execute(FindInterrupts(THREAD)) == []

    def test_a_commit_withdraws_what_is_open_in_its_namespace_and_below(self, calls: Calls) -> None:
        inner, outer = Walker(calls, ns="sub:1"), Walker(calls)
        other = Walker(calls, ns="sub:10")
        for n, walker in enumerate((outer, inner, other)):
            walker.commit({"a": 1})
            walker.ask(f"i{n}", task=f"task-{n}")
        inner.commit({"a": 2}, withdraw="new input")
        (row,) = calls.execute(FindInterrupts(THREAD, status="withdrawn"))
        assert (row.id, row.reason, row.closed_at) == ("i1", "new input", AT)
        outer.commit({"a": 2}, withdraw="new input")
        assert calls.execute(FindInterrupts(THREAD)) == []

    def test_a_load_shows_its_own_interrupts_and_those_still_needed(self, calls: Calls) -> None:
        outer, inner = Walker(calls), Walker(calls, ns="sub:1")
        first = outer.commit({"a": 1})
        outer.ask("used", task="task-1")
        calls.execute(Accept(THREAD, [Answer("used", 1)], AT))
        calls.execute(PutWrites(THREAD, "", first, "task-1", "p", [], done=True))
        inner.commit({"b": 1})
        inner.ask("nested", task="task-2")
        outer.commit({"a": 2})
        outer.ask("here", task="task-3")
        assert ids(outer.load().rows) == ["nested", "here"]
        assert ids(outer.load(first).rows) == ["used", "nested", "here"]
        assert ids(inner.load().rows) == ["nested"]
        newest, oldest = calls.execute(History(THREAD, ""))
        assert sorted(ids(newest.rows)) == ["here", "nested"]
        assert sorted(ids(oldest.rows)) == ["here", "nested", "used"]

    def test_interrupts_appear_as_the_writes_that_others_expect(self, calls: Calls) -> None:
        walker = Walker(calls)
        walker.commit({"a": 1})
        walker.ask("i1", "i2")
        calls.execute(Accept(THREAD, [Answer("i1", "one")], AT))
        found = calls.get_tuple(config())
        assert found is not None
        resume, waiting = list(found.pending_writes or [])
        assert tuple(resume) == ("task-1", "__resume__", ["one"])
        assert waiting[:2] == ("task-1", "__interrupt__")
        assert [(i.id, i.value) for i in waiting[2]] == [("i2", {"question": "i2"})]
        calls.execute(Accept(THREAD, [Answer("i2", "two")], AT))
        found = calls.get_tuple(config())
        assert found is not None
        resume, shown = list(found.pending_writes or [])
        assert resume[2] == ["one", "two"]
        assert ids(shown[2]) == ["i2"]

    def test_an_interrupt_of_a_nested_graph_appears_at_its_outer_task(self, calls: Calls) -> None:
        outer, inner = Walker(calls), Walker(calls, ns="sub:outer-task")
        outer.commit({"a": 1})
        inner.commit({"b": 1})
        inner.ask("i1", task="inner-task", ancestors=("outer-task",))
        found = calls.get_tuple(config())
        assert found is not None
        (write,) = list(found.pending_writes or [])
        assert write[:2] == ("outer-task", "__interrupt__")
        assert ids(write[2]) == ["i1"]

    # threads

    def test_open_interrupts_are_listed_over_all_threads_oldest_first(self, calls: Calls) -> None:
        for n in (2, 0, 1):
            walker = Walker(calls, thread=f"thread-{n}")
            walker.commit({"a": 1})
            walker.ask(f"i{n}", asked_at=f"2026-01-0{n + 1}")
        assert ids(calls.execute(FindInterrupts())) == ["i0", "i1", "i2"]
        assert ids(calls.execute(FindInterrupts(limit=2))) == ["i0", "i1"]
        assert ids(calls.execute(FindInterrupts(interrupt_id="i1"))) == ["i1"]
        assert ids(calls.execute(FindInterrupts("thread-2"))) == ["i2"]
        assert calls.execute(FindInterrupts("thread-2", interrupt_id="i1")) == []

    def test_threads_are_listed_most_recent_first(self, calls: Calls) -> None:
        one, two = Walker(calls, "one"), Walker(calls, "two")
        one.commit({"a": 1})
        two.commit({"a": 1})
        Walker(calls, "one", ns="sub:1").commit({"a": 1})
        head = one.commit({"a": 2})
        one.ask("i1", "i2")
        first, second = calls.execute(FindThreads())
        assert tuple(first) == ("one", head, AT, 1, 2, 2)
        assert (second.thread_id, second.checkpoints, second.open_interrupts) == ("two", 1, 0)
        assert calls.execute(FindThreads(limit=1)) == [first]
        assert calls.execute(FindThreads(thread_id="two")) == [second]
        assert calls.execute(FindThreads(thread_id="three")) == []

    def test_pruning_never_breaks_a_waiting_thread(self, calls: Calls) -> None:
        walker = Walker(calls)
        messages: list[Any] = []
        for n in range(20):
            messages = [*messages, {"n": n, "text": "x" * 200}]
            walker.commit({"m": messages})
            if n == 9:
                walker.ask("earlier", "used", task="task-0")
        calls.execute(Accept(THREAD, [Answer("used", 1)], AT))
        calls.execute(PutWrites(THREAD, "", walker.head or "", "t0", "p", [("m", "pending")]))
        walker.ask("i1")
        before = walker.load()
        calls.execute(Prune(THREAD))
        after = walker.load()
        assert (after.values, after.versions, after.seen) == (
            before.values,
            before.versions,
            before.seen,
        )
        assert (after.writes, after.rows) == (before.writes, before.rows)
        assert ids(after.rows) == ["earlier", "used", "i1"]
        assert len(calls.execute(History(THREAD, ""))) == 1
        calls.execute(Accept(THREAD, [Answer("i1", 1)], AT))
        walker.commit({"m": [*messages, "more"]})
        assert walker.load().values == {"m": [*messages, "more"]}

    def test_a_copied_thread_waits_by_itself(self, calls: Calls) -> None:
        walker = Walker(calls)
        walker.commit({"a": 1})
        walker.ask("i1")
        calls.execute(CopyThread(THREAD, "thread-2"))
        calls.execute(Accept(THREAD, [Answer("i1", 1)], AT))
        (row,) = calls.execute(FindInterrupts())
        assert (row.id, row.thread_id) == ("i1", "thread-2")
        refusal(StorageError, calls, CopyThread(THREAD, "thread-2"))


def replace_writes(op: Accept, writes: Sequence[TaskWrites]) -> Accept:
    """``op`` with other writes."""
    return replace(op, writes=writes)
