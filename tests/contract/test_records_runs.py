"""Runs are accepted, claimed, fenced, ended and stopped, each in one transaction."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from tests.contract.records import (
    NOW,
    Database,
    Open,
    accept,
    ask,
    at,
    begin,
    commit,
    dump,
    keep,
    question,
    run,
    stored,
    thread,
)

from caesura.checkpoint.operations import Answer, DeleteRuns, FindInterrupts, Load, PutWrites
from caesura.errors import (
    AlreadyAnsweredError,
    AmbiguousResumeError,
    InterruptClosedError,
    NothingToResumeError,
    SerializationError,
    UnknownInterruptError,
)
from caesura.records.errors import (
    AlreadyExistsError,
    IdempotencyError,
    LostLeaseError,
    ThreadBusyError,
    ThreadWaitingError,
    UnknownRecordError,
)
from caesura.records.operations import (
    AcceptRun,
    AppendEvents,
    Bound,
    CancelRuns,
    ClaimRun,
    CountRuns,
    ExtendLeases,
    Fenced,
    FindLeases,
    FindRuns,
    FinishRun,
    GetRun,
    GetThread,
    NextDue,
    ReadEvents,
    ReleaseRuns,
    RemoveRun,
    RemoveThread,
)
from caesura.records.shapes import Run, Ttl
from caesura.storage.parts import _known

Q1, Q2 = question("1").id, question("2").id


def claim(database: Database, worker: str = "w", now: float = NOW + 100, **where: Any) -> Any:
    return database.execute(ClaimRun(worker, now, at(100), now + 30, **where))


def finish(database: Database, given: Run, **fields: Any) -> Any:
    told = {"at": at(50), "status": "success", "thread_status": "idle", **fields}
    return database.execute(FinishRun(given, **told))


def statuses(database: Database, thread_id: str | None = "t") -> dict[str, str]:
    return {r.run_id: r.status for r in database.execute(FindRuns(thread_id, limit=None))}


def status_of(database: Database, thread_id: str = "t") -> str:
    return str(database.execute(GetThread(thread_id)).status)


# --- accepting ---


def test_an_accepted_run_reads_back_as_it_was_given(database: Database) -> None:
    given = run(
        "r", metadata={"m": [1]}, kwargs={"input": {"x": "ä"}}, multitask_strategy="reject",
        temporary=True, resumable=True, actor="ann", trace={"traceparent": "00-1"},
    )  # fmt: skip
    outcome = accept(database, given)
    assert outcome.run == given
    assert not outcome.started
    assert database.execute(GetRun("r", "t")) == given == database.execute(GetRun("r"))
    assert database.execute(GetRun("r", "other")) is None


def test_a_run_on_an_unknown_thread_is_refused(database: Database) -> None:
    with pytest.raises(UnknownRecordError):
        database.execute(AcceptRun(run("r"), at(), NOW))
    assert database.execute(GetRun("r")) is None


def test_a_thread_that_may_not_be_seen_takes_no_run(database: Database) -> None:
    keep(database, thread(metadata={"owner": "ann"}))
    for new_thread, error in ((None, UnknownRecordError), (thread(), AlreadyExistsError)):
        with pytest.raises(error):
            accept(database, run("r"), new_thread=new_thread, filters={"owner": "bob"})
    assert database.execute(GetRun("r")) is None
    assert accept(database, run("r"), filters={"owner": "ann"}).thread.metadata == {"owner": "ann"}


def test_accepting_a_run_makes_its_thread_busy_and_notes_what_it_is_of(
    database: Database,
) -> None:
    keep(database, thread(metadata={"a": 1, "b": 1}, ttl=Ttl(1)))
    outcome = accept(database, run("r"), thread_metadata={"b": 2}, thread_config={"tags": ["x"]})
    assert outcome.thread == database.execute(GetThread("t"))
    assert outcome.thread.status == "busy"
    assert outcome.thread.updated_at == at(1)
    assert outcome.thread.metadata == {"a": 1, "b": 2}
    assert outcome.thread.config == {"tags": ["x"]}


def test_a_run_is_claimed_at_once_where_nothing_is_in_the_way(database: Database) -> None:
    database.execute(commit("t", "c7"))
    outcome = accept(database, run("r"), claim_for=("w", NOW + 30))
    assert outcome.started
    held = database.execute(GetRun("r"))
    assert held == outcome.run
    assert (held.status, held.attempt, held.worker) == ("running", 1, "w")
    assert (held.lease_until, held.started_at) == (NOW + 30, at(1))
    assert held.start_checkpoint == "c7"


def test_a_run_waits_behind_another_and_for_its_time(database: Database) -> None:
    begin(database, run("r1"))
    assert not accept(database, run("r2"), claim_for=("w", NOW + 30)).started
    later = accept(database, run("r3", "u", not_before=NOW + 60), claim_for=("w", NOW + 30))
    assert not later.started
    assert statuses(database, None) == {"r1": "running", "r2": "pending", "r3": "pending"}


def test_reject_refuses_a_busy_thread_and_stores_nothing(database: Database) -> None:
    accept(database, run("r1"))
    with pytest.raises(ThreadBusyError):
        accept(database, run("r2", multitask_strategy="reject"), thread_metadata={"a": 1})
    assert statuses(database) == {"r1": "pending"}
    assert database.execute(GetThread("t")).metadata == {}


@pytest.mark.parametrize("action", ["interrupt", "rollback"])
def test_interrupt_and_rollback_end_what_waits_and_ask_what_runs_to_stop(
    database: Database, action: Any
) -> None:
    begin(database, run("r1"))
    accept(database, run("r2"))
    database.execute(AppendEvents("t", "r2", [("run", "1-0", "e", b"1")], NOW))
    outcome = accept(database, run("r3", multitask_strategy=action), claim_for=("w", NOW + 30))
    assert not outcome.started  # r1 has not stopped yet
    told = {r.run_id: (r.status, r.cancel) for r in outcome.stopped}
    assert told == {"r1": ("running", action), "r2": ("interrupted", None)}
    gone = action == "rollback"
    assert statuses(database) == {
        "r1": "running",
        **({} if gone else {"r2": "interrupted"}),
        "r3": "pending",
    }
    assert stored(database, "run_events") == (0 if gone else 1)


def test_a_run_is_claimed_at_once_after_ending_those_that_only_waited(
    database: Database,
) -> None:
    accept(database, run("r1"))
    outcome = accept(database, run("r2", multitask_strategy="interrupt"), claim_for=("w", NOW + 30))
    assert outcome.started
    assert [r.run_id for r in outcome.stopped] == ["r1"]


# --- answers ---


def test_answers_are_accepted_with_the_run_that_carries_them(database: Database) -> None:
    keep(database, thread())
    ask(database, question("1"), question("2"))
    outcome = accept(database, run("r"), answers=[Answer(Q2, "no", "ann"), Answer(Q1, "yes")])
    assert outcome.run.accepted == (Q2, Q1)
    assert database.execute(GetRun("r")).accepted == (Q2, Q1)
    rows = {r.id: r for r in database.execute(FindInterrupts("t", status=None))}
    assert (rows[Q2].answer, rows[Q2].answered_by, rows[Q2].answered_at) == ("no", "ann", at(1))
    assert rows[Q1].status == "answered"


def test_a_bare_resume_is_bound_to_the_one_open_interrupt_of_any_namespace(
    database: Database,
) -> None:
    keep(database, thread())
    ask(database, question("1", ns="nested:1"))
    assert accept(database, run("r"), bind=Bound("yes", "ann")).run.accepted == (Q1,)
    (row,) = database.execute(FindInterrupts("t", status=None))
    assert (row.answer, row.answered_by) == ("yes", "ann")


def test_a_resume_map_is_bound_by_id(database: Database) -> None:
    keep(database, thread())
    ask(database, question("1"), question("2"))
    assert accept(database, run("r"), bind=Bound({Q2: "no"})).run.accepted == (Q2,)
    assert [r.id for r in database.execute(FindInterrupts("t"))] == [Q1]


def close_one(database: Database) -> None:
    ask(database, question("1"))
    accept(database, run("first"), answers=[Answer(Q1, "yes")])


def withdraw_one(database: Database) -> None:
    ask(database, question("1"))
    accept(database, run("first"), withdraw="new input")


@pytest.mark.parametrize(
    ("given", "what", "error"),
    [
        (lambda d: None, {"bind": Bound("yes")}, NothingToResumeError),
        (lambda d: ask(d, question("1"), question("2")), {"bind": Bound(1)}, AmbiguousResumeError),
        (close_one, {"bind": Bound({Q1: "again"})}, AlreadyAnsweredError),
        (close_one, {"answers": [Answer(Q1, "again")]}, AlreadyAnsweredError),
        (withdraw_one, {"bind": Bound({Q1: "late"})}, InterruptClosedError),
        (lambda d: None, {"answers": [Answer(Q1, "yes")]}, UnknownInterruptError),
        (lambda d: None, {"bind": Bound(object())}, SerializationError),
    ],
    ids=["nothing", "ambiguous", "bound-twice", "twice", "withdrawn", "unknown", "unstorable"],
)
def test_a_refused_answer_leaves_nothing_behind(
    database: Database, given: Any, what: Any, error: type[Exception]
) -> None:
    keep(database, thread())
    given(database)
    before = dump(database)
    with pytest.raises(error):
        accept(database, run("r", multitask_strategy="rollback"), **what)
    assert dump(database) == before


def test_a_refused_answer_tells_what_was_decided(database: Database) -> None:
    keep(database, thread())
    close_one(database)
    with pytest.raises(AlreadyAnsweredError) as refusal:
        accept(database, run("r"), bind=Bound({Q1: "again"}))
    assert refusal.value.answer == "yes"


def test_new_input_withdraws_what_waits(database: Database) -> None:
    keep(database, thread())
    ask(database, question("1"), question("2", ns="nested:1"))
    assert sorted(accept(database, run("r"), withdraw="new input").withdrawn) == [Q1, Q2]
    rows = database.execute(FindInterrupts("t", status=None))
    assert {(r.status, r.reason, r.closed_at) for r in rows} == {("withdrawn", "new input", at(1))}


def test_new_input_is_refused_by_a_waiting_thread_where_asked(database: Database) -> None:
    keep(database, thread())
    ask(database, question("1"))
    with pytest.raises(ThreadWaitingError) as refusal:
        accept(database, run("r"), withdraw="new input", refuse_waiting=True)
    assert [r.id for r in refusal.value.rows] == [Q1]
    assert [r.status for r in database.execute(FindInterrupts("t", status=None))] == ["open"]
    assert database.execute(GetRun("r")) is None


@pytest.mark.parametrize("when", range(4, 12))
def test_an_error_at_any_statement_of_accepting_leaves_nothing_behind(
    database: Database, when: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(database, thread())
    ask(database, question("1"))
    accept(database, run("r1"))
    before = dump(database)
    performer = _known[AcceptRun]

    def failing(*args: Any) -> Any:
        steps, answer = performer.perform(*args), None
        for _ in range(when):
            answer = yield steps.send(answer)
        raise OSError("power cut")

    monkeypatch.setitem(_known, AcceptRun, performer._replace(perform=failing))
    with pytest.raises(OSError, match="power cut"):
        accept(
            database, run("r2", multitask_strategy="interrupt"), bind=Bound("yes"),
            idempotency=("s", "k", "d"), claim_for=("w", NOW + 30), thread_metadata={"a": 1},
        )  # fmt: skip
    assert dump(database) == before


# --- idempotency ---


def test_a_repeated_request_gets_the_first_run_again(database: Database) -> None:
    first = accept(database, run("r1"), idempotency=("s", "k", "d"))
    again = accept(database, run("r2"), idempotency=("s", "k", "d"))
    assert again.repeated
    assert not first.repeated
    assert again.run == first.run
    assert again.thread == first.thread
    assert statuses(database) == {"r1": "pending"}


def test_a_repeated_request_gets_the_first_run_even_after_its_temporary_thread_is_gone(
    database: Database,
) -> None:
    held = begin(database, run("r1", temporary=True), idempotency=("s", "k", "d"))
    finish(database, held, remove_thread=True)
    again = accept(database, run("r2", "u"), idempotency=("s", "k", "d"))
    assert again.repeated
    assert (again.run.run_id, again.thread.thread_id) == ("r1", "t")
    assert statuses(database, None) == {}


def test_a_key_is_not_used_for_two_requests_but_may_be_in_two_scopes(
    database: Database,
) -> None:
    accept(database, run("r1"), idempotency=("s", "k", "d"))
    with pytest.raises(IdempotencyError):
        accept(database, run("r2"), idempotency=("s", "k", "other"))
    assert not accept(database, run("r3"), idempotency=("s2", "k", "other")).repeated


# --- claiming ---


def test_the_run_that_is_due_longest_is_claimed_first(database: Database) -> None:
    accept(database, run("r1", "a", when=at(20)))
    accept(database, run("r2", "b", when=at(10)))
    accept(database, run("r3", "c", not_before=NOW + 15))
    accept(database, run("r4", "d", not_before=NOW + 500))
    claimed = [claim(database) for _ in range(4)]
    assert [r and r.run_id for r in claimed] == ["r2", "r3", "r1", None]


def test_a_claimed_run_is_held_and_counts_its_attempts(database: Database) -> None:
    database.execute(commit("t", "c1"))
    accept(database, run("r"))
    first = claim(database)
    assert first == database.execute(GetRun("r"))
    assert (first.status, first.attempt, first.worker) == ("running", 1, "w")
    assert (first.lease_until, first.started_at) == (NOW + 130, at(100))
    assert first.start_checkpoint == "c1"
    database.execute(commit("t", "c2"))
    database.execute(ReleaseRuns(["w"]))
    second = database.execute(ClaimRun("v", NOW + 200, at(200), NOW + 230))
    assert (second.attempt, second.worker) == (2, "v")
    assert (second.started_at, second.start_checkpoint) == (at(100), "c1")


def test_a_thread_has_one_running_run_and_its_others_wait_in_order(database: Database) -> None:
    for n in (1, 2, 3):
        accept(database, run(f"r{n}", when=at(n)))
    held = claim(database)
    assert held.run_id == "r1"
    assert claim(database) is None
    finish(database, held)
    assert claim(database).run_id == "r2"


def test_a_run_can_be_claimed_on_one_thread_only(database: Database) -> None:
    accept(database, run("r1", "a", when=at(1)))
    accept(database, run("r2", "b", when=at(2), not_before=NOW + 50))
    assert claim(database, now=NOW + 40, thread_id="b") is None
    assert claim(database, thread_id="b").run_id == "r2"
    assert claim(database, thread_id="b") is None


def test_two_connections_claim_each_run_exactly_once(another: Open) -> None:
    first = another()
    for n in range(60):
        accept(first, run(f"r{n:02}", f"t{n % 20}", when=at(n)))
    claimed: list[str] = []
    ready = threading.Barrier(3)

    def work(name: str) -> None:
        database = another()
        ready.wait()
        while (held := claim(database, name)) is not None or database.execute(CountRuns())[
            "pending"
        ]:
            if held is not None:
                claimed.append(held.run_id)
                assert finish(database, held) is not None

    threads = [threading.Thread(target=work, args=(f"w{n}",)) for n in range(3)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(claimed) == [f"r{n:02}" for n in range(60)]
    assert set(statuses(first, None).values()) == {"success"}


def test_the_next_time_at_which_a_run_is_due_is_known(database: Database) -> None:
    assert database.execute(NextDue(NOW)) is None
    accept(database, run("r0", "a"))
    accept(database, run("r1", "b", not_before=NOW + 60))
    accept(database, run("r2", "c", not_before=NOW + 50))
    assert database.execute(NextDue(NOW)) == NOW + 50
    assert database.execute(NextDue(NOW + 55)) == NOW + 60


# --- leases ---


def test_a_worker_extends_what_it_holds_and_learns_what_shall_stop(database: Database) -> None:
    begin(database, run("r1", "a"))
    begin(database, run("r2", "b"))
    accept(database, run("r3", "c"), claim_for=("other", NOW + 30))
    database.execute(CancelRuns(at(2), "interrupt", run_ids=["r2"]))
    found = database.execute(ExtendLeases("w", NOW + 99, ["r1", "r2", "r3", "r4"]))
    assert sorted(found) == [("r1", None), ("r2", "interrupt")]
    leases = {r.run_id: r.lease_until for r in database.execute(FindRuns())}
    assert leases == {"r1": NOW + 99, "r2": NOW + 99, "r3": NOW + 30}
    assert database.execute(ExtendLeases("w", NOW + 99, [])) == []


def test_runs_of_dead_workers_and_ended_leases_are_released(database: Database) -> None:
    for n, (worker, lease) in enumerate([("w", 10), ("v", 10), ("v", 90), ("u", 90)]):
        accept(database, run(f"r{n}", f"t{n}"), claim_for=(worker, NOW + lease))
    leases = [("u", NOW + 90), ("v", NOW + 10), ("v", NOW + 90), ("w", NOW + 10)]
    assert sorted(database.execute(FindLeases())) == leases
    assert database.execute(ReleaseRuns(["w"])) == ["r0"]
    assert database.execute(ReleaseRuns(["v"], NOW + 10)) == ["r1"]
    assert database.execute(ReleaseRuns(["v"], NOW + 10)) == []
    released = database.execute(GetRun("r1"))
    assert (released.status, released.worker, released.attempt) == ("pending", None, 1)
    assert sorted(database.execute(FindLeases())) == [("u", NOW + 90), ("v", NOW + 90)]


# --- the fence ---


def test_only_the_attempt_that_holds_a_run_may_store(database: Database) -> None:
    held = begin(database, run("r"))
    database.execute(Fenced(commit("t", "c1"), "r", held.attempt))
    assert database.execute(Load("t", "")).checkpoint_id == "c1"
    database.execute(ReleaseRuns(["w"]))
    for attempt in (1, 2):
        with pytest.raises(LostLeaseError):
            database.execute(Fenced(commit("t", "c2"), "r", attempt))
    assert claim(database).attempt == 2
    with pytest.raises(LostLeaseError):
        database.execute(Fenced(commit("t", "c2"), "r", held.attempt))
    database.execute(Fenced(commit("t", "c2"), "r", 2))
    assert database.execute(Load("t", "")).checkpoint_id == "c2"


def test_an_operation_that_begins_by_itself_and_one_with_nothing_to_store_are_fenced_too(
    database: Database,
) -> None:
    held = begin(database, run("r"))
    database.execute(commit("t", "c"))
    opening = PutWrites("t", "", "c", "task", "", [("x", 1)], opened=[question("1")])
    nothing = PutWrites("t", "", "c", "task", "", [])
    for operation in (opening, nothing, DeleteRuns("t", ["other"])):
        with pytest.raises(LostLeaseError):
            database.execute(Fenced(operation, "r", held.attempt + 1))
    assert database.execute(FindInterrupts("t")) == []
    assert database.execute(Fenced(nothing, "r", held.attempt)) is None
    database.execute(Fenced(opening, "r", held.attempt))
    assert [r.id for r in database.execute(FindInterrupts("t"))] == [Q1]
    assert stored(database, "thread_writes") == 1


def test_a_deleted_thread_stays_deleted_though_its_run_goes_on(another: Open) -> None:
    server, worker = another(), another()
    held = begin(server, run("r"))
    worker.execute(Fenced(commit("t", "c1"), "r", held.attempt))
    assert server.execute(RemoveThread("t")) == ["r"]
    with pytest.raises(LostLeaseError):
        worker.execute(Fenced(commit("t", "c2"), "r", held.attempt))
    worker.execute(AppendEvents("t", "r", [("run", "1-0", "e", b"1")], NOW))
    assert finish(worker, held) is None
    for table in ("thread_checkpoints", "runs", "run_events", "event_counts", "threads"):
        assert stored(server, table) == 0


# --- ending ---


def test_a_finished_run_sets_its_thread(database: Database) -> None:
    keep(database, thread(ttl=Ttl(2)))
    held = begin(database, run("r"))
    ended, after = finish(
        database, held, status="error", thread_status="error", error={"error": "E"},
        thread_error={"error": "T"}, trace={"traceparent": "00-1"},
    )  # fmt: skip
    assert ended == database.execute(GetRun("r"))
    assert after == database.execute(GetThread("t"))
    assert (ended.status, ended.error, ended.ended_at) == ("error", {"error": "E"}, at(50))
    assert ended.worker is None
    assert (after.status, after.error, after.touched) == ("error", {"error": "T"}, True)
    assert (after.updated_at, after.state_updated_at) == (at(50), at(50))
    assert after.expires_at == at(50 + 120)
    assert after.trace == {"traceparent": "00-1"}


def test_a_thread_stays_busy_while_other_runs_wait(database: Database) -> None:
    held = begin(database, run("r1"))
    accept(database, run("r2"))
    _, after = finish(database, held, thread_status="interrupted")
    assert after.status == "busy"
    _, after = finish(database, claim(database), thread_status="interrupted")
    assert after.status == "interrupted"


def test_a_stale_attempt_changes_nothing(database: Database) -> None:
    held = begin(database, run("r"))
    database.execute(ReleaseRuns(["w"]))
    before = dump(database)
    assert finish(database, held) is None
    assert dump(database) == before
    again = claim(database)
    assert finish(database, held, remove_thread=True) is None
    assert finish(database, again) is not None
    assert finish(database, again) is None


def test_a_run_that_ended_shows_the_stop_that_was_asked_meanwhile(database: Database) -> None:
    held = begin(database, run("r"))
    database.execute(CancelRuns(at(2), "interrupt", "t"))
    ended, _ = finish(database, held, status="interrupted")
    assert ended.cancel == "interrupt"
    assert ended == database.execute(GetRun("r"))


def test_a_rolled_back_run_is_removed_with_its_events(database: Database) -> None:
    held = begin(database, run("r"))
    database.execute(AppendEvents("t", "r", [("run", "1-0", "e", b"1")], NOW))
    ended, after = finish(database, held, status="interrupted", remove_run=True)
    assert (ended.run_id, ended.status, after.status) == ("r", "interrupted", "idle")
    assert database.execute(GetRun("r")) is None
    assert stored(database, "run_events") == 0


def test_a_temporary_thread_goes_with_its_run(database: Database) -> None:
    held = begin(database, run("r", temporary=True), new_thread=thread(metadata={"a": 1}))
    database.execute(Fenced(commit("t"), "r", held.attempt))
    ended, last = finish(database, held, remove_thread=True)
    assert (ended.status, last.thread_id, last.metadata) == ("success", "t", {"a": 1})
    assert database.execute(GetThread("t")) is None
    assert stored(database, "runs") == stored(database, "thread_checkpoints") == 0


# --- stopping ---


@pytest.mark.parametrize(("waits", "status"), [(False, "idle"), (True, "interrupted")])
def test_cancelling_a_waiting_run_ends_it_and_frees_its_thread(
    database: Database, waits: bool, status: str
) -> None:
    accept(database, run("r"))
    if waits:
        ask(database, question("1"))
    (ended,) = database.execute(CancelRuns(at(5), "interrupt", "t"))
    assert (ended.status, ended.ended_at) == ("interrupted", at(5))
    assert database.execute(GetRun("r")) == ended
    assert status_of(database) == status
    assert database.execute(CancelRuns(at(6), "interrupt", "t")) == []


def test_cancelling_a_running_run_asks_it_to_stop(database: Database) -> None:
    begin(database, run("r1"))
    accept(database, run("r2"))
    found = database.execute(CancelRuns(at(5), "interrupt", "t", ["r1"]))
    assert [(r.run_id, r.status, r.cancel) for r in found] == [("r1", "running", "interrupt")]
    assert database.execute(GetRun("r1")).cancel == "interrupt"
    assert status_of(database) == "busy"
    database.execute(CancelRuns(at(5), "interrupt", "t", ["r2"]))
    assert status_of(database) == "busy"


def test_a_run_that_is_asked_to_roll_back_does_so_whatever_else_is_asked(
    database: Database,
) -> None:
    begin(database, run("r"))
    for action, expected in (
        ("interrupt", "interrupt"), ("rollback", "rollback"), ("interrupt", "rollback"),
    ):  # fmt: skip
        (found,) = database.execute(CancelRuns(at(5), action, "t"))
        assert found.cancel == database.execute(GetRun("r")).cancel == expected


def test_rolling_back_a_waiting_run_deletes_it(database: Database) -> None:
    accept(database, run("r"))
    (ended,) = database.execute(CancelRuns(at(5), "rollback", "t"))
    assert (ended.run_id, ended.status) == ("r", "interrupted")
    assert database.execute(GetRun("r")) is None
    assert status_of(database) == "idle"


@pytest.mark.parametrize(
    ("status", "expected"),
    [("pending", {"r2", "r3"}), ("running", {"r1"}), ("all", {"r1", "r2", "r3"})],
)
def test_runs_of_all_threads_are_cancelled_by_how_they_stand(
    database: Database, status: Any, expected: set[str]
) -> None:
    begin(database, run("r1", "a"))
    accept(database, run("r2", "a"))
    accept(database, run("r3", "b"))
    finish(database, begin(database, run("r4", "c")))
    found = database.execute(CancelRuns(at(5), "interrupt", status=status))
    assert {r.run_id for r in found} == expected


@pytest.mark.parametrize("operation", [CancelRuns(at(5), "interrupt", "t"), RemoveRun("t", "r")])
def test_a_temporary_thread_goes_with_a_run_that_never_began(
    database: Database, operation: Any
) -> None:
    accept(database, run("r", temporary=True))
    assert database.execute(operation)
    assert database.execute(GetThread("t")) is None
    assert database.execute(GetRun("r")) is None


def test_a_removed_run_leaves_its_checkpoints(database: Database) -> None:
    held = begin(database, run("r"))
    database.execute(Fenced(commit("t"), "r", held.attempt))
    database.execute(AppendEvents("t", "r", [("run", "1-0", "e", b"1")], NOW))
    assert database.execute(RemoveRun("t", "r")) == held
    assert database.execute(RemoveRun("t", "r")) is None
    assert database.execute(ReadEvents("t", "run")) == []
    assert database.execute(Load("t", "")) is not None
    assert status_of(database) == "idle"


# --- reading ---


def test_runs_are_found_newest_first(database: Database) -> None:
    for n in range(4):
        accept(database, run(f"r{n}", "ab"[n % 2], when=at(n)))
    held = claim(database)
    finish(database, held)

    def found(**what: Any) -> list[str]:
        return [r.run_id for r in database.execute(FindRuns(**what))]

    assert found() == ["r3", "r2", "r1", "r0"]
    assert found(thread_id="a") == ["r2", "r0"]
    assert found(statuses=["pending"]) == ["r3", "r2", "r1"]
    assert found(statuses=["success", "error"]) == ["r0"]
    assert found(run_ids=["r1", "r9"]) == ["r1"]
    assert found(limit=2, offset=1) == ["r2", "r1"]
    assert found(limit=None) == ["r3", "r2", "r1", "r0"]


def test_runs_in_flight_are_counted(database: Database) -> None:
    assert database.execute(CountRuns()) == {"pending": 0, "running": 0, "oldest_pending": None}
    finish(database, begin(database, run("r0", "z")))
    begin(database, run("r1", "a"))
    accept(database, run("r2", "a", when=at(8)))
    accept(database, run("r3", "a", when=at(7)))
    assert database.execute(CountRuns()) == {
        "pending": 2, "running": 1, "oldest_pending": at(7),
    }  # fmt: skip


async def test_records_are_kept_from_async_code_too(database: Database) -> None:
    moment = AcceptRun(run("r"), at(), NOW, new_thread=thread())
    assert (await database.aexecute(moment)).run.status == "pending"
    assert (await database.aexecute(GetRun("r"))).run_id == "r"
