"""What LangGraph's interface promises of savers. Import it from `caesura.testing.savers`."""

from __future__ import annotations

from typing import Any, ClassVar

from caesura.checkpoint.base import RunnableConfig
from caesura.testing.calling import THREAD, Calls, checkpoint, config


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
