"""What the engine asks of savers besides. Import it from `caesura.testing.savers`."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from caesura.checkpoint.base import empty_checkpoint
from caesura.checkpoint.base.id import uuid6
from caesura.checkpoint.operations import (
    ANY_HEAD,
    Accept,
    Answer,
    CopyThread,
    DeleteThread,
    FindCheckpoints,
    FindInterrupts,
    FindNamespaces,
    FindThreads,
    History,
    Load,
    Place,
    Prune,
    PutTogether,
    PutWrites,
    TaskWrites,
    Withdraw,
)
from caesura.errors import (
    AlreadyAnsweredError,
    InterruptClosedError,
    SerializationError,
    StaleThreadError,
    StorageError,
    UnknownInterruptError,
)
from caesura.testing.calling import AT, THREAD, Calls, Walker, config, ids, interrupt_row, refusal
from caesura.testing.saver_contract import SaverContract


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

    def test_what_closed_a_checkpoint_is_found_wherever_it_is_read(self, calls: Calls) -> None:
        walker = Walker(calls)
        made = [walker.commit({"n": 0})]
        for n in range(1, 140):
            closing = PutWrites(THREAD, "", made[-1], f"t{n}", "p", [("n", n), ("m", [n])])
            made.append(walker.commit({"n": n}, closing=[closing]))
        wanted = [[(f"t{n}", "n", n), (f"t{n}", "m", [n])] for n in range(1, 140)] + [[]]
        assert [walker.load(i).writes for i in made] == wanted
        for before, left in ((None, 140), (made[100], 100), (made[64], 64)):
            found = calls.execute(History(THREAD, "", before=before))
            assert [h.writes for h in found] == wanted[left - 1 :: -1]
        odd = calls.execute(History(THREAD, "", filter={"step": 7}))
        assert [h.writes for h in odd] == [wanted[7]]

    def test_what_closed_a_checkpoint_stays_when_another_comes_between(self, calls: Calls) -> None:
        walker = Walker(calls)
        first, between = walker.commit({"a": 1}), str(uuid6())
        closing = PutWrites(THREAD, "", first, "t0", "p", [("a", 2)])
        second = walker.commit({"a": 2}, closing=[closing])
        calls.put(config(checkpoint_id=first), {**empty_checkpoint(), "id": between}, {}, {})
        found = calls.execute(History(THREAD, ""))
        assert [h.checkpoint_id for h in found] == [second, between, first]
        assert [h.writes for h in found] == [[], [], [("t0", "a", 2)]]
        assert walker.load(first).writes == [("t0", "a", 2)]
        assert walker.load(between).writes == []

    def test_what_was_written_first_counts_when_a_step_is_run_again(self, calls: Calls) -> None:
        walker = Walker(calls)
        first = walker.commit({"a": 1})
        calls.execute(PutWrites(THREAD, "", first, "t0", "p", [("a", "first")]))
        again = PutWrites(THREAD, "", first, "t0", "p", [("a", "again"), ("b", 1)])
        walker.commit({"a": 2}, closing=[again])
        assert walker.load(first).writes == [("t0", "a", "first"), ("t0", "b", 1)]

    def test_deleting_a_run_leaves_what_it_wrote_on_the_checkpoints_of_others(
        self, calls: Calls
    ) -> None:
        walker = Walker(calls)
        first = walker.commit({"a": 1}, metadata={"run_id": "one", "step": 0})
        closing = PutWrites(THREAD, "", first, "t0", "p", [("a", 2)])
        second = walker.commit({"a": 2}, closing=[closing], metadata={"run_id": "two", "step": 1})
        third = walker.commit({"a": 3}, metadata={"run_id": "three", "step": 2})
        calls.call("delete_for_runs", ["two"])
        found = calls.execute(History(THREAD, ""))
        assert [(h.checkpoint_id, h.parent_id) for h in found] == [(third, first), (first, None)]
        assert walker.load(first).writes == [("t0", "a", 2)]
        assert walker.load(third).values == {"a": 3}
        assert calls.execute(Load(THREAD, "", second)) is None
        walker.chain = walker.load().chain
        walker.commit({"a": 4})
        assert walker.load().values == {"a": 4}

    def test_what_closed_a_checkpoint_is_copied_with_the_thread(self, calls: Calls) -> None:
        walker = Walker(calls)
        first = walker.commit({"a": 1})
        walker.commit({"a": 2}, closing=[PutWrites(THREAD, "", first, "t0", "p", [("a", 2)])])
        calls.execute(CopyThread(THREAD, "thread-2"))
        calls.execute(DeleteThread(THREAD))
        copied = calls.execute(Load("thread-2", "", first))
        assert copied.writes == [("t0", "a", 2)]

    def test_a_checkpoint_that_is_closed_again_keeps_what_closed_it_first(
        self, calls: Calls
    ) -> None:
        walker = Walker(calls)
        first = walker.commit({"a": 1}, metadata={"run_id": "one", "step": 0})
        closing = PutWrites(THREAD, "", first, "t0", "p", [("a", 2)])
        walker.commit({"a": 2}, closing=[closing], metadata={"run_id": "two", "step": 1})
        calls.call("delete_for_runs", ["two"])
        found = walker.load()
        walker.head, walker.chain, walker.state = first, found.chain, dict(found.values)
        again = [PutWrites(THREAD, "", first, f"t{n}", "p", [("a", 10 + n)]) for n in (0, 1)]
        walker.commit({"a": 3}, closing=again)
        assert walker.load(first).writes == [("t0", "a", 2), ("t1", "a", 11)]

    def test_a_checkpoint_that_is_put_after_it_was_deleted_has_nothing_of_the_first(
        self, calls: Calls
    ) -> None:
        walker = Walker(calls)
        first = walker.commit({"a": 1}, metadata={"run_id": "one", "step": 0})
        closing = PutWrites(THREAD, "", first, "t0", "p", [("a", 2)])
        walker.commit({"a": 2}, closing=[closing], metadata={"run_id": "two", "step": 1})
        calls.call("delete_for_runs", ["one"])
        calls.put(config(), {**empty_checkpoint(), "id": first}, {}, {})
        assert walker.load(first).writes == []

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

    def test_checkpoints_of_all_threads_are_found_and_listed_newest_first(
        self, calls: Calls
    ) -> None:
        walkers = [Walker(calls, name, ns) for name, ns in (("a", ""), ("b", ""), ("a", "n:1"))]
        made: list[Place] = []
        for n in range(300):
            walker = walkers[n % 3]
            head = walker.commit({"n": n}, metadata={"step": n, "rare": n % 90 == 0})
            made.insert(0, Place(head, walker.thread, walker.ns))
        calls.execute(CopyThread("b", "c"))  # under the same ids
        copies = [place._replace(thread_id="c") for place in made if place.thread_id == "b"]
        made = sorted([*made, *copies], reverse=True)

        found: list[Place] = []
        while page := calls.execute(FindCheckpoints(70, before=found[-1] if found else None)):
            found += page
        assert found == made
        of_a = [place for place in made if place.thread_id == "a"]
        assert calls.execute(FindCheckpoints(1000, "a")) == of_a
        assert calls.execute(FindCheckpoints(5, "a", "n:1")) == [p for p in of_a if p.ns][:5]
        rare = calls.execute(FindCheckpoints(2, filter={"rare": True}))
        assert [walkers[0].load(p.checkpoint_id).values["n"] for p in rare] == [270, 180]
        assert calls.execute(FindCheckpoints(2, "nobody")) == []

        def listed(given: Any = None, **how: Any) -> list[Place]:
            return [
                Place(conf["checkpoint_id"], conf["thread_id"], conf["checkpoint_ns"])
                for conf in (each.config["configurable"] for each in calls.listed(given, **how))
            ]

        assert listed() == made
        assert listed(limit=7) == made[:7]
        assert listed({"configurable": {"thread_id": "a"}}, limit=90) == of_a[:90]
        assert listed(filter={"rare": True}, limit=2) == rare
        before = {"configurable": {"checkpoint_id": made[100].checkpoint_id}}
        assert (
            listed(before=before, limit=80)
            == [p for p in made if p.checkpoint_id < made[100].checkpoint_id][:80]
        )

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
        calls.execute(
            PutWrites(THREAD, "", head, "task-1", "p", [("a", 2)], done=True, mended=True)
        )
        found = walker.load()
        assert found.writes == [("task-1", "a", 2), ("task-2", "__error__", "stays")]
        assert [row.done for row in found.rows] == [True]

    def test_many_writes_of_one_task_are_stored(self, calls: Calls) -> None:
        walker = Walker(calls)
        head = walker.commit({"a": 1})
        writes = [("a", n) for n in range(100)]
        calls.execute(PutWrites(THREAD, "", head, "t", "p", writes))
        assert walker.load().writes == [("t", "a", n) for n in range(100)]

    def test_what_several_tasks_left_is_stored_together(self, calls: Calls) -> None:
        walker = Walker(calls)
        head = walker.commit({"a": 1})
        walker.ask("i1")
        calls.execute(PutWrites(THREAD, "", head, "task-1", "p", [("__error__", "boom")]))
        row = interrupt_row("i2", head, task_id="task-2")
        many = [
            PutWrites(THREAD, "", head, f"u{n:03}", "q", [("a", n), ("b", [n])]) for n in range(150)
        ]
        puts = [
            PutWrites(THREAD, "", head, "task-1", "p", [("a", 2)], done=True, mended=True),
            PutWrites(THREAD, "", head, "task-2", "p", [], opened=[row], expected_head=head),
            PutWrites(THREAD, "", head, "task-3", "p", [("__error__", "first"), ("a", "first")]),
            PutWrites(THREAD, "", head, "task-3", "p", [("__error__", "last"), ("a", "last")]),
            *many,
        ]
        calls.execute(PutTogether(puts))
        found = walker.load()
        assert found.writes[:3] == [
            ("task-1", "a", 2),
            ("task-3", "__error__", "last"),
            ("task-3", "a", "first"),
        ]
        assert found.writes[3:] == [(put.task_id, *write) for put in many for write in put.writes]
        assert [(r.id, r.done) for r in found.rows] == [("i1", True), ("i2", False)]

    def test_of_what_is_stored_together_all_is_refused_or_nothing(self, calls: Calls) -> None:
        walker = Walker(calls)
        old = walker.commit({"a": 1})
        head = walker.commit({"a": 2})
        good = PutWrites(THREAD, "", old, "good", "p", [("a", 1)])
        unstorable = PutWrites(THREAD, "", old, "bad", "p", [("a", object())])
        refusal(SerializationError, calls, PutTogether([good, unstorable]))
        row = interrupt_row("i1", old)
        late = PutWrites(THREAD, "", old, "bad", "p", [], opened=[row], expected_head=old)
        error = refusal(StaleThreadError, calls, PutTogether([good, late]))
        assert (error.expected, error.found) == (old, head)
        assert (walker.load(old).writes, walker.load(old).rows) == ([], [])
        gone = [PutWrites(THREAD, "", "gone", f"t{n}", "p", [("a", n)]) for n in range(3)]
        refusal(StaleThreadError, calls, PutTogether(gone))
        assert calls.execute(Load(THREAD, "", "gone")) is None

    def test_a_commit_may_close_many_tasks_with_much_to_say(self, calls: Calls) -> None:
        walker = Walker(calls)
        first = walker.commit({"a": 1})
        sizes = [10, 5 << 20, 20, 5 << 20, 30, 5 << 20, 5 << 20]
        closing = [
            PutWrites(THREAD, "", first, f"t{n}", "p", [("a", "x" * size)])
            for n, size in enumerate(sizes)
        ]
        walker.commit({"a": 2}, closing=closing)
        assert [len(value) for _, _, value in walker.load(first).writes] == sizes
        assert walker.load().values == {"a": 2}

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
    return op._replace(writes=writes)
