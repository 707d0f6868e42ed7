"""Assistants, crons, events, questions and keys, as a server keeps them."""

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
    keep,
    question,
    run,
    thread,
)

from caesura.checkpoint.operations import Accept, Answer
from caesura.records.errors import AlreadyExistsError, UnknownRecordError
from caesura.records.operations import (
    AdvanceCron,
    AppendEvents,
    CountAssistants,
    CountCrons,
    CountQuestions,
    DeleteAssistant,
    DeleteCron,
    FindAssistants,
    FindCrons,
    FindDueCrons,
    FindEvent,
    FindKeys,
    FindQuestions,
    FindVersions,
    FinishRun,
    GetAssistant,
    GetCron,
    NoteKeyUse,
    PutAssistant,
    PutCron,
    PutKey,
    ReadEvents,
    RevokeKey,
    SetLatestVersion,
    SweepEvents,
    UpdateAssistant,
)
from caesura.records.shapes import ApiKey, Assistant, Cron, Thread


def assistant(id: str = "a", **fields: Any) -> Assistant:
    when = fields.pop("when", at())
    return Assistant(id, fields.pop("graph_id", "g"), fields.pop("name", "A"), when, when, **fields)


def cron(id: str, thread_id: str | None = None, **fields: Any) -> Cron:
    when = fields.pop("when", at())
    assistant_id = fields.pop("assistant_id", "a")
    return Cron(id, assistant_id, "g", thread_id, "* * * * *", {"input": 1}, when, when, **fields)


# --- assistants ---


def test_an_assistant_reads_back_as_it_was_given(database: Database) -> None:
    given = assistant(config={"tags": ["x"]}, context={"a": 1}, metadata={"m": 1}, description="d")
    assert database.execute(PutAssistant(given)) == given == database.execute(GetAssistant("a"))
    assert database.execute(GetAssistant("a", {"m": 1})) == given
    assert database.execute(GetAssistant("a", {"m": 2})) is None
    assert database.execute(GetAssistant("b")) is None
    assert database.execute(FindVersions("a")).rows == [given]


def test_an_assistant_id_that_is_taken_is_refused_or_gives_what_is_there(
    database: Database,
) -> None:
    first = database.execute(PutAssistant(assistant(metadata={"owner": "ann"})))
    second = assistant(name="B")
    with pytest.raises(AlreadyExistsError):
        database.execute(PutAssistant(second))
    assert database.execute(PutAssistant(second, "do_nothing", {"owner": "ann"})) == first
    with pytest.raises(AlreadyExistsError):
        database.execute(PutAssistant(second, "do_nothing", {"owner": "bob"}))
    replaced = database.execute(PutAssistant(assistant(name="B", graph_id="h"), "replace"))
    assert (replaced.graph_id, replaced.name, replaced.version) == ("h", "B", 1)
    assert replaced.metadata == {"owner": "ann"}
    assert database.execute(GetAssistant("a")) == replaced


def test_every_change_makes_a_version_and_an_older_one_can_return(database: Database) -> None:
    first = database.execute(PutAssistant(assistant(metadata={"a": 1}, context={"c": 1})))
    second = database.execute(UpdateAssistant("a", at(1), name="B", metadata={"b": 2}))
    assert (second.version, second.name, second.metadata) == (2, "B", {"a": 1, "b": 2})
    assert (second.context, second.created_at, second.updated_at) == ({"c": 1}, at(), at(1))
    back = database.execute(SetLatestVersion("a", 1, at(2)))
    assert (back.name, back.metadata, back.version) == (first.name, first.metadata, 1)
    assert database.execute(GetAssistant("a")) == back
    assert database.execute(UpdateAssistant("a", at(3), description="d")).version == 3
    page = database.execute(FindVersions("a", limit=2))
    assert ([v.version for v in page.rows], page.more) == ([3, 2], True)
    assert [v.name for v in database.execute(FindVersions("a", {"b": 2})).rows] == ["B"]
    assert database.execute(FindVersions("a", filters={"a": 2})).rows == []


def test_what_does_not_exist_or_may_not_be_seen_is_not_changed(database: Database) -> None:
    before = database.execute(PutAssistant(assistant(metadata={"owner": "ann"})))
    hidden = {"owner": "bob"}
    for operation in (
        UpdateAssistant("b", at()), UpdateAssistant("a", at(), name="X", filters=hidden),
        SetLatestVersion("b", 1, at()), SetLatestVersion("a", 7, at()),
        SetLatestVersion("a", 1, at(), hidden),
    ):  # fmt: skip
        assert database.execute(operation) is None
    assert database.execute(DeleteAssistant("a", hidden)) is False
    assert database.execute(GetAssistant("a")) == before


def test_assistants_are_found_and_counted(database: Database) -> None:
    for n, name in enumerate(["Alpha", "beta", "ALPHABET"]):
        kind = "even" if n % 2 == 0 else "odd"
        given = assistant(f"a{n}", name=name, graph_id=kind, metadata={"n": n}, when=at(n))
        database.execute(PutAssistant(given))

    def found(**what: Any) -> list[str]:
        return [a.assistant_id for a in database.execute(FindAssistants(**what)).rows]

    assert found() == ["a2", "a1", "a0"]
    assert found(name="alpha") == ["a2", "a0"]
    assert found(graph_id="odd") == ["a1"]
    assert found(metadata={"n": 1}) == found(filters={"n": 1}) == ["a1"]
    assert found(sort_by="name", order="asc") == ["a2", "a0", "a1"]
    assert database.execute(FindAssistants(limit=2)).more
    assert found(limit=2, offset=2) == ["a0"]
    assert database.execute(CountAssistants(name="alpha")) == 2


def test_a_deleted_assistant_takes_its_versions_and_crons_along(database: Database) -> None:
    database.execute(PutAssistant(assistant()))
    database.execute(PutCron(cron("c1")))
    database.execute(PutCron(cron("c2", assistant_id="b")))
    assert database.execute(DeleteAssistant("a")) is True
    assert database.execute(DeleteAssistant("a")) is False
    assert database.execute(FindVersions("a")).rows == []
    assert [c.cron_id for c in database.execute(FindCrons()).rows] == ["c2"]
    assert database.execute(PutAssistant(assistant())).version == 1


# --- crons ---


def test_a_cron_reads_back_as_it_was_given_and_changed(database: Database) -> None:
    keep(database, thread())
    given = cron(
        "c", "t", user_id="u", timezone="Europe/Berlin", end_time=at(9), next_run_date=at(1),
        metadata={"m": 1}, on_run_completed="keep", enabled=False, owner={"identity": "ann"},
    )  # fmt: skip
    assert database.execute(PutCron(given)) == given == database.execute(GetCron("c"))
    changed = cron("c", user_id="v")
    assert database.execute(PutCron(changed)) == changed == database.execute(GetCron("c"))
    assert database.execute(GetCron("c", {"m": 1})) is None
    with pytest.raises(UnknownRecordError):
        database.execute(PutCron(cron("d", "none")))
    assert database.execute(CountCrons()) == 1


def test_crons_are_found_counted_and_deleted(database: Database) -> None:
    keep(database, thread())
    database.execute(PutCron(cron("c1", "t", metadata={"a": 1}, when=at(1))))
    database.execute(PutCron(cron("c2", assistant_id="b", enabled=False, when=at(2))))
    database.execute(PutCron(cron("c3", when=at(3), next_run_date=at(7))))

    def found(**what: Any) -> list[str]:
        return [c.cron_id for c in database.execute(FindCrons(**what)).rows]

    assert found() == ["c3", "c2", "c1"] == found(limit=None)
    assert found(assistant_id="b") == ["c2"]
    assert found(thread_id="t") == found(metadata={"a": 1}) == found(filters={"a": 1}) == ["c1"]
    assert found(enabled=True, order="asc") == ["c1", "c3"]
    assert found(enabled=False) == ["c2"]
    assert found(sort_by="next_run_date")[0] == "c3"
    assert database.execute(FindCrons(limit=2)).more
    assert database.execute(CountCrons(assistant_id="a")) == 2
    assert database.execute(DeleteCron("c1", {"a": 2})) is False
    assert database.execute(DeleteCron("c1")) is True
    assert database.execute(DeleteCron("c1")) is False


def test_a_due_cron_is_advanced_by_one_caller_only(database: Database) -> None:
    database.execute(PutCron(cron("c1", next_run_date=at(5))))
    database.execute(PutCron(cron("c2", next_run_date=at(5), enabled=False)))
    database.execute(PutCron(cron("c3", next_run_date=at(50))))
    database.execute(PutCron(cron("c4")))
    assert [c.cron_id for c in database.execute(FindDueCrons(at(5)))] == ["c1"]
    assert database.execute(AdvanceCron("c1", at(5), at(60))) is True
    assert database.execute(AdvanceCron("c1", at(5), at(60))) is False
    assert database.execute(FindDueCrons(at(5))) == []
    assert database.execute(AdvanceCron("c1", at(60), None)) is True
    over = database.execute(GetCron("c1"))
    assert (over.enabled, over.next_run_date) == (False, None)


# --- events ---


def test_events_are_numbered_by_thread_and_read_back_by_kind_and_run(
    database: Database,
) -> None:
    keep(database, thread(), thread("u"))
    first = [("run", "5-0", "values", b'{"a":1}'), ("v3", "5-1", "x", b"2")]
    assert database.execute(AppendEvents("t", "r1", first, NOW)) == 1
    assert database.execute(AppendEvents("t", "r2", [("run", "10-0", "y", b"3")], NOW)) == 3
    assert database.execute(AppendEvents("u", "r3", [("run", "1-0", "z", b"4")], NOW)) == 1

    def seqs(**what: Any) -> list[int]:
        return [e.seq for e in database.execute(ReadEvents("t", **what))]

    (event, _) = database.execute(ReadEvents("t", "run"))
    assert (event.id, event.name, event.data, event.run_id) == ("5-0", "values", b'{"a":1}', "r1")
    assert seqs(kind="run") == [1, 3]
    assert seqs(kind="v3") == [2]
    assert seqs(kind="run", run_id="r2") == [3]
    assert seqs(kind="run", after=1) == [3]
    assert seqs(kind="run", limit=1) == [1]


@pytest.mark.parametrize(
    ("id", "seq"), [("4-9", 0), ("5-0", 1), ("9-9", 1), ("10-0", 2), ("10-11", 3), ("x", 0)]
)
def test_the_place_of_an_event_id_is_found_by_its_numbers(
    database: Database, id: str, seq: int
) -> None:
    keep(database, thread())
    events = [("run", each, "e", b"1") for each in ("5-0", "10-0", "10-11")]
    database.execute(AppendEvents("t", "r", events, NOW))
    database.execute(AppendEvents("t", "other", [("run", "1-0", "e", b"1")], NOW))
    assert database.execute(FindEvent("t", "r", "run", id)) == seq


def test_a_thread_that_is_gone_keeps_no_events(database: Database) -> None:
    assert database.execute(AppendEvents("t", "r", [("run", "1-0", "e", b"1")], NOW)) == 0
    assert database.execute(ReadEvents("t", "run")) == []


def test_old_events_of_ended_runs_are_swept_and_their_numbers_not_given_again(
    database: Database,
) -> None:
    ended = begin(database, run("r1"))
    events = [("run", f"{n}-0", "e", b"1") for n in range(3)]
    database.execute(AppendEvents("t", "r1", [*events, ("v3", "9-0", "e", b"1")], NOW))
    database.execute(FinishRun(ended, at(1), "success", "idle"))
    begin(database, run("r2", "u"), idempotency=("s", "old", "d"))
    accept(database, run("r3", "u"), idempotency=("s", "new", "d"), now=NOW + 50)
    database.execute(AppendEvents("u", "r2", events, NOW))
    assert database.execute(SweepEvents(NOW - 1, NOW - 1)) == 0
    assert database.execute(SweepEvents(NOW + 9, NOW + 9, limit=2)) == 2
    assert database.execute(SweepEvents(NOW + 9, NOW + 9)) == 1
    assert len(database.execute(ReadEvents("u", "run"))) == 3
    assert len(database.execute(ReadEvents("t", "v3"))) == 1
    assert database.execute(AppendEvents("t", "r1", events, NOW)) == 5
    assert not accept(database, run("r4", "u"), idempotency=("s", "old", "d")).repeated
    assert accept(database, run("r5", "u"), idempotency=("s", "new", "d")).repeated


# --- questions ---


def found(database: Database, **what: Any) -> list[tuple[str, str]]:
    page = database.execute(FindQuestions(**what))
    return [(q.row.id[-1], q.thread.thread_id) for q in page.rows]


def test_questions_come_with_the_threads_they_are_asked_on(database: Database) -> None:
    keep(database, thread(metadata={"graph_id": "g", "owner": "ann"}))
    ask(database, question("1", asked_at=at(1)), question("2", "library", at(2)))
    mine, other = database.execute(FindQuestions()).rows
    assert (mine.row.payload, mine.thread.metadata["owner"]) == ("Really?", "ann")
    assert other.thread == Thread("library", at(2), at(2), at(2))
    assert found(database, filters={"owner": "ann"}) == [("1", "t")]
    assert found(database, filters={"owner": "bob"}) == []
    assert found(database, graph_id="g") == [("1", "t")]
    assert database.execute(CountQuestions(filters={"owner": "ann"})) == 1


def test_questions_are_found_by_what_they_are(database: Database) -> None:
    keep(database, thread(), thread("u"))
    ask(
        database,
        question("1", asked_at=at(1), payload={"text": "Pay 500 EUR?"}),
        question("2", "u", at(2), title="Shall I PAY?"),
        question("3", "u", at(3)),
    )
    database.execute(Accept("u", [Answer(question("3").id, "yes")], at(4)))
    assert found(database) == [("1", "t"), ("2", "u")]
    assert found(database, statuses=["answered"]) == [("3", "u")]
    assert found(database, statuses=[], order="desc") == [("3", "u"), ("2", "u"), ("1", "t")]
    assert found(database, thread_ids=["u"]) == [("2", "u")]
    assert found(database, thread_ids=[]) == []
    assert found(database, interrupt_id=question("1").id) == [("1", "t")]
    assert found(database, created_after=at(1)) == [("2", "u")]
    assert found(database, q="pay") == [("1", "t"), ("2", "u")]
    assert found(database, q="500 eur") == [("1", "t")]
    assert found(database, q="refund") == []
    assert database.execute(CountQuestions()) == 2
    assert database.execute(CountQuestions(statuses=[], q="pay")) == 2


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("limit", [1, 2, 3])
def test_pages_of_questions_leave_nobody_out(database: Database, order: Any, limit: int) -> None:
    """Two threads hold the same questions, asked at the same time: one is a copy of the other."""
    for copy in ("t", "u"):
        keep(database, thread(copy))
        ask(database, *(question(str(n), copy, at(n // 2)) for n in range(6)))
    expected = sorted(
        ((at(n // 2), str(n), copy) for n in range(6) for copy in ("t", "u")),
        reverse=order == "desc",
    )
    seen: list[tuple[str, str, str]] = []
    cursor, more = None, True
    while more:
        page = database.execute(FindQuestions(order=order, limit=limit, cursor=cursor))
        seen += [(q.row.asked_at, q.row.id[-1], q.thread.thread_id) for q in page.rows]
        cursor, more = (page.rows[-1].row.asked_at, page.rows[-1].row.id), page.more
    assert [place[:2] for place in seen] == [place[:2] for place in expected]
    assert sorted(seen) == sorted(expected)


# --- keys ---


def test_keys_are_kept_found_used_and_revoked(database: Database) -> None:
    first = ApiKey("k1", "d1", "ci", "bot", ("runs:read",), ("ops",), at(), at(99))
    second = ApiKey("k2", "d2", "me", "ann", (), (), at(1))
    for key in (second, first):
        assert database.execute(PutKey(key)) is None
    assert database.execute(FindKeys()) == [first, second]
    assert database.execute(FindKeys(digest="d2")) == database.execute(FindKeys(key_id="k2"))
    assert database.execute(FindKeys(digest="none")) == []
    database.execute(NoteKeyUse("k1", at(5)))
    assert database.execute(RevokeKey("k1", at(6))) is True
    assert database.execute(RevokeKey("k1", at(7))) is False
    assert database.execute(RevokeKey("none", at(7))) is False
    (found,) = database.execute(FindKeys(key_id="k1"))
    assert (found.last_used_at, found.revoked_at) == (at(5), at(6))
