"""Threads are made, found, changed, copied and removed; filters decide who sees them."""

from __future__ import annotations

from typing import Any

import pytest
from tests.contract.records import (
    NOW,
    Database,
    accept,
    ask,
    at,
    begin,
    commit,
    keep,
    question,
    run,
    stored,
    thread,
)

from caesura.checkpoint.operations import FindInterrupts, Load, PutWrites
from caesura.errors import InvalidFilterError, StorageError
from caesura.records.errors import AlreadyExistsError
from caesura.records.operations import (
    AppendEvents,
    CountThreads,
    CreateThread,
    DuplicateThread,
    FindCrons,
    FindExpired,
    FindRuns,
    FindThreads,
    GetThread,
    MeasureThread,
    NoteState,
    PutCron,
    RemoveThread,
    UpdateThread,
)
from caesura.records.shapes import Cron, Ttl

TABLES = (
    "threads", "runs", "run_events", "event_counts", "crons",
    "thread_checkpoints", "thread_writes", "thread_interrupts",
)  # fmt: skip


def found(database: Database, **what: Any) -> list[str]:
    return [t.thread_id for t in database.execute(FindThreads(**what)).rows]


# --- made ---


def test_a_thread_reads_back_as_it_was_given(database: Database) -> None:
    given = thread(
        metadata={"a": [1, {"b": None}], "ä": "日本"}, config={"tags": ["x"]}, status="error",
        error={"error": "E"}, touched=True, trace={"traceparent": "00-1"},
    )  # fmt: skip
    assert database.execute(CreateThread(given)) == given == database.execute(GetThread("t"))
    assert database.execute(GetThread("other")) is None


def test_a_new_thread_with_a_time_to_live_knows_when_it_expires(database: Database) -> None:
    made = database.execute(CreateThread(thread(ttl=Ttl(1.5, "keep_latest"))))
    assert made.expires_at == at(90)
    assert database.execute(GetThread("t")) == made
    endless = database.execute(CreateThread(thread("u", ttl=Ttl(1e300))))
    assert endless.expires_at is None


def test_an_id_that_is_taken_is_refused_or_gives_what_is_there(database: Database) -> None:
    keep(database, thread(metadata={"owner": "ann"}))
    with pytest.raises(AlreadyExistsError):
        database.execute(CreateThread(thread()))
    again = CreateThread(thread(), if_exists="do_nothing", filters={"owner": "ann"})
    assert database.execute(again).metadata == {"owner": "ann"}
    with pytest.raises(AlreadyExistsError):
        database.execute(CreateThread(thread(), "do_nothing", {"owner": "bob"}))


def test_what_json_cannot_hold_is_refused_and_spoils_no_search(database: Database) -> None:
    keep(database, thread("u", metadata={"a": 1}))
    with pytest.raises(ValueError, match="JSON"):
        database.execute(CreateThread(thread(metadata={"a": float("nan")})))
    assert found(database, metadata={"a": 1}) == ["u"]


# --- changed ---


def test_metadata_is_merged_and_a_time_to_live_starts_anew(database: Database) -> None:
    keep(database, thread(metadata={"a": 1, "b": 1}, ttl=Ttl(1)))
    changed = database.execute(UpdateThread("t", at(10), {"b": 2}))
    assert changed == database.execute(GetThread("t"))
    assert (changed.metadata, changed.updated_at) == ({"a": 1, "b": 2}, at(10))
    changed = database.execute(UpdateThread("t", at(20), ttl=Ttl(2, "keep_latest")))
    assert (changed.ttl, changed.expires_at) == (Ttl(2, "keep_latest"), at(140))
    assert changed.metadata == {"a": 1, "b": 2}
    assert database.execute(UpdateThread("t", at(), {"c": 1}, filters={"a": 2})) is None
    assert database.execute(UpdateThread("other", at())) is None


@pytest.mark.parametrize(("busy", "status"), [(False, "interrupted"), (True, "busy")])
def test_a_state_written_by_hand_is_noted(database: Database, busy: bool, status: str) -> None:
    keep(database, thread(ttl=Ttl(1), metadata={"a": 1}))
    if busy:
        accept(database, run("r"))
    noted = database.execute(NoteState("t", at(10), "interrupted", {"b": 2}))
    assert noted == database.execute(GetThread("t"))
    assert (noted.status, noted.touched, noted.metadata) == (status, True, {"a": 1, "b": 2})
    assert (noted.updated_at, noted.state_updated_at) == (at(10), at(10))
    assert noted.expires_at == at(70)
    assert database.execute(NoteState("other", at(10), "idle")) is None


# --- found ---


def test_threads_are_found_in_pages_and_orders(database: Database) -> None:
    for n, status in enumerate(["idle", "error", "idle", "interrupted"]):
        keep(database, thread(f"t{n}", when=at(n), status=status))
    assert found(database) == ["t3", "t2", "t1", "t0"]
    page = database.execute(FindThreads(limit=2, offset=1))
    assert ([t.thread_id for t in page.rows], page.more) == (["t2", "t1"], True)
    assert not database.execute(FindThreads(limit=2, offset=2)).more
    assert found(database, sort_by="thread_id", order="asc") == ["t0", "t1", "t2", "t3"]
    assert found(database, sort_by="status", order="asc") == ["t1", "t0", "t2", "t3"]
    assert found(database, status="idle") == ["t2", "t0"]
    assert found(database, ids=["t1", "t9"]) == ["t1"]
    assert found(database, ids=[]) == []
    assert database.execute(CountThreads()) == 4
    assert database.execute(CountThreads(status="idle")) == 2


METADATA = {
    "text": "x", "number": 1, "yes": True, "nothing": None, "list": ["a", "b", {"c": 1}],
    "object": {"a": 1, "b": {"c": 2}}, 'odd".[0]key': "odd", "real": 1.5, "empty": {}, "none": [],
}  # fmt: skip


@pytest.mark.parametrize(
    ("wanted", "held"),
    [
        ({}, True),
        ({"text": "x"}, True),
        ({"text": "y"}, False),
        ({"text": ["x"]}, False),
        ({"text": {"x": 1}}, False),
        ({"number": 1}, True),
        ({"number": 1.0}, True),
        ({"number": "1"}, False),
        ({"number": True}, False),
        ({"number": 2**70}, False),
        ({"yes": True}, True),
        ({"yes": 1}, False),
        ({"nothing": None}, True),
        ({"missing": None}, False),
        ({"real": 1.5, "text": "x"}, True),
        ({"real": 1.5, "text": "y"}, False),
        ({"object": {"a": 1}}, True),
        ({"object": {"b": {"c": 2}}}, True),
        ({"object": {"b": {"c": 3}}}, False),
        ({"object": {}}, True),
        ({"list": ["b", "a"]}, True),
        ({"list": [{"c": 1}]}, True),
        ({"list": ["z"]}, False),
        ({"list": "a"}, False),
        ({"list": {"0": "a"}}, False),
        ({"list": []}, True),
        ({'odd".[0]key': "odd"}, True),
    ],
    ids=str,
)
def test_a_search_in_metadata_asks_what_it_contains(
    database: Database, wanted: Any, held: bool
) -> None:
    keep(database, thread(metadata=METADATA), thread("other"))
    assert ("t" in found(database, metadata=wanted)) is held
    assert database.execute(CountThreads(metadata=wanted)) == (2 if not wanted else held)


@pytest.mark.parametrize(
    ("filters", "seen"),
    [
        ({"text": "x"}, True),
        ({"text": {"$eq": "x"}}, True),
        ({"text": {"$eq": "y"}}, False),
        ({"text": "x", "number": 2}, False),
        ({"nothing": None}, True),
        ({"missing": None}, False),
        ({"yes": 1}, False),
        ({"object": {"b": {"c": 2}, "a": 1}}, True),
        ({"object": {"a": 1}}, False),
        ({"object": {}}, False),
        ({"empty": {}}, True),
        ({"none": []}, True),
        ({"none": {}}, False),
        ({"list": {"$eq": ["a", "b", {"c": 1}]}}, True),
        ({"list": {"$eq": ["b", "a", {"c": 1}]}}, False),
        ({"list": {"$eq": ["a"]}}, False),
        ({"list": {"$contains": "a"}}, True),
        ({"list": {"$contains": ["b", "a"]}}, True),
        ({"list": {"$contains": ["a", "z"]}}, False),
        ({"list": {"$contains": []}}, True),
        ({"text": {"$contains": "x"}}, False),
        ({"text": {"$contains": []}}, False),
        ({"missing": {"$contains": []}}, False),
    ],
    ids=str,
)
def test_a_filter_decides_who_sees_a_thread(database: Database, filters: Any, seen: bool) -> None:
    keep(database, thread(metadata=METADATA), thread("other"))
    assert (database.execute(GetThread("t", filters)) is not None) is seen
    assert found(database, filters=filters) == (["t"] if seen else [])
    assert database.execute(CountThreads(filters=filters)) == seen
    assert (database.execute(RemoveThread("t", filters)) is not None) is seen


def test_a_filter_that_is_not_understood_is_refused(database: Database) -> None:
    for rule in ({"$gt": 1}, {"$eq": 1, "$contains": 1}):
        with pytest.raises(InvalidFilterError):
            database.execute(GetThread("t", {"a": rule}))


# --- removed, copied ---


def fill(database: Database) -> None:
    """A thread with something in every table."""
    accept(database, run("r"))
    database.execute(commit("t"))
    database.execute(PutWrites("t", "", "c1", "task", "", [("x", 1)]))
    ask(database, question("1"))
    database.execute(AppendEvents("t", "r", [("run", "1-0", "e", b"1")], NOW))
    database.execute(PutCron(Cron("c", "a", "g", "t", "* * * * *", {}, at(), at())))


def test_a_thread_is_removed_with_everything(database: Database) -> None:
    fill(database)
    keep(database, thread("other"))
    assert all(stored(database, table) for table in TABLES)
    assert database.execute(RemoveThread("t")) == ["r"]
    assert not any(stored(database, table) for table in TABLES)
    assert database.execute(RemoveThread("t")) is None
    assert database.execute(GetThread("other")) is not None


def test_what_a_library_keeps_without_a_record_is_not_removed(database: Database) -> None:
    database.execute(commit("t"))
    assert database.execute(RemoveThread("t")) is None
    assert database.execute(Load("t", "")) is not None


@pytest.mark.parametrize(("waits", "status"), [(False, "idle"), (True, "interrupted")])
def test_a_copy_holds_what_its_source_holds_but_no_runs(
    database: Database, waits: bool, status: str
) -> None:
    keep(database, thread(metadata={"a": 1}, touched=True, ttl=Ttl(1), config={"tags": ["x"]}))
    accept(database, run("r"))
    database.execute(commit("t"))
    if waits:
        ask(database, question("1"))
    copy = database.execute(DuplicateThread("t", "u", at(10), {"b": 2}))
    assert copy == database.execute(GetThread("u"))
    assert (copy.status, copy.metadata, copy.touched) == (status, {"a": 1, "b": 2}, True)
    assert (copy.created_at, copy.updated_at, copy.expires_at) == (at(10), at(10), at(70))
    assert database.execute(FindRuns("u")) == []
    assert database.execute(Load("u", "")).values == {"x": 1}
    assert len(database.execute(FindInterrupts("u"))) == waits


def test_a_copy_needs_a_source_that_may_be_seen_and_a_place_that_is_free(
    database: Database,
) -> None:
    keep(database, thread(metadata={"owner": "ann"}), thread("taken"))
    assert database.execute(DuplicateThread("none", "u", at())) is None
    assert database.execute(DuplicateThread("t", "u", at(), filters={"owner": "bob"})) is None
    with pytest.raises(AlreadyExistsError):
        database.execute(DuplicateThread("t", "taken", at()))
    database.execute(commit("library"))
    with pytest.raises(StorageError):
        database.execute(DuplicateThread("t", "library", at()))
    assert found(database, order="asc", sort_by="thread_id") == ["t", "taken"]


def test_expired_threads_are_those_that_nothing_needs(database: Database) -> None:
    keep(
        database, thread("over", ttl=Ttl(1)), thread("later", ttl=Ttl(9)), thread("for-ever"),
        thread("busy", ttl=Ttl(1)), thread("asks", ttl=Ttl(1)),
        thread("pruned", ttl=Ttl(0.5, "keep_latest")),
    )  # fmt: skip
    begin(database, run("r", "busy"))
    ask(database, question("1", "asks"), question("2", "pruned"))
    expired = database.execute(FindExpired(at(70)))
    assert [t.thread_id for t in expired] == ["pruned", "over"]
    assert [t.thread_id for t in database.execute(FindExpired(at(70), limit=1))] == ["pruned"]
    assert database.execute(FindExpired(at(29))) == []


def test_a_thread_is_removed_as_expired_only_while_it_is(database: Database) -> None:
    for name in ("used", "asks", "busy", "over"):
        database.execute(
            CreateThread(thread(name, ttl=Ttl(1, "delete"), expires_at=at(60), touched=True))
        )
    begin(database, run("r", "busy"))
    ask(database, question("1", "asks"))
    database.execute(UpdateThread("used", at(65), ttl=Ttl(1, "delete")))
    for name in ("used", "asks", "busy"):
        assert database.execute(RemoveThread(name, expired_at=at(70))) is None
        assert database.execute(GetThread(name)) is not None
    assert database.execute(RemoveThread("over", expired_at=at(59))) is None
    assert database.execute(RemoveThread("over", expired_at=at(70))) == []
    assert database.execute(GetThread("over")) is None


def test_a_thread_is_measured_as_it_is_stored(database: Database) -> None:
    nothing = database.execute(MeasureThread("t"))
    assert nothing == {
        "total_bytes": 0, "checkpoints": {"count": 0, "bytes": 0},
        "channel_values": {"count": 0, "bytes": 0, "by_channel": {}},
        "pending_writes": {"count": 0, "bytes": 0},
    }  # fmt: skip
    fill(database)
    measured = database.execute(MeasureThread("t"))
    assert measured["checkpoints"]["count"] == 1
    assert measured["pending_writes"]["count"] == 1
    assert 0 < measured["channel_values"]["bytes"] < measured["checkpoints"]["bytes"]
    parts = measured["checkpoints"]["bytes"] + measured["pending_writes"]["bytes"]
    assert measured["total_bytes"] == parts


def test_crons_of_a_removed_thread_go_with_it(database: Database) -> None:
    fill(database)
    database.execute(PutCron(Cron("other", "a", "g", None, "* * * * *", {}, at(), at())))
    database.execute(RemoveThread("t"))
    assert [c.cron_id for c in database.execute(FindCrons()).rows] == ["other"]
