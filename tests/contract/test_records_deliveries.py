"""The outbox of webhooks, and crons that fire with their run: what a server's database promises of them."""

from __future__ import annotations

from typing import Any

import pytest
from tests.contract.records import NOW, Open, accept, at, begin, keep, run, thread
from tests.contract.test_records_others import cron

from caesura.checkpoint.sqlite import SqliteSaver
from caesura.records.errors import AlreadyFiredError, ThreadBusyError
from caesura.records.operations import (
    AdvanceCron,
    ClaimDeliveries,
    CountDeliveries,
    FindDeliverers,
    FindRuns,
    FinishRun,
    GetCron,
    NextDelivery,
    PutCron,
    ReleaseDeliveries,
    SettleDelivery,
    SweepDeliveries,
)
from caesura.records.shapes import Delivery


def end(database: SqliteSaver, id: str, due_at: float = NOW, **how: Any) -> Delivery:
    """A run ends, and its delivery is stored."""
    thread_id = f"t-{id}"
    begun = begin(database, run(id, thread_id))
    made = Delivery(
        id, thread_id, "https://a/b", b'{"\xc3\xa9":1}', {"identity": "ada"}, due_at=due_at
    )
    assert database.execute(FinishRun(begun, at(2), "success", "idle", delivery=made, **how))
    return made


def claim(database: SqliteSaver, now: float = NOW, limit: int = 10, worker: str = "w") -> Any:
    return database.execute(ClaimDeliveries(worker, now, now + 60, limit))


def test_a_delivery_is_stored_with_the_end_of_its_run_and_outlives_both(
    database: SqliteSaver,
) -> None:
    kept = end(database, "r1")
    end(database, "r2", remove_run=True)
    end(database, "r3", remove_thread=True)
    first, *others = claim(database)
    assert (first.body, first.owner, first.url) == (kept.body, kept.owner, kept.url)
    assert [d.run_id for d in others] == ["r2", "r3"]


def test_a_run_that_is_not_held_any_more_stores_no_delivery(database: SqliteSaver) -> None:
    begun = begin(database, run("r", "t"))
    made = Delivery("r", "t", "https://a/b", b"{}")
    database.execute(FinishRun(begun, at(2), "success", "idle"))
    assert database.execute(FinishRun(begun, at(3), "error", "error", delivery=made)) is None
    assert database.execute(CountDeliveries()) == {"waiting": 0, "dead": 0}


def test_deliveries_are_claimed_longest_due_first_and_by_one(another: Open) -> None:
    one, two = another(), another()
    for id, due in (("late", NOW + 5), ("early", NOW - 5), ("future", NOW + 99)):
        end(one, id, due)
    assert one.execute(NextDelivery()) == NOW - 5
    (first,) = claim(one, NOW + 5, limit=1)
    assert (first.run_id, first.attempts, first.worker, first.due_at) == ("early", 1, "w", NOW + 65)
    assert [d.run_id for d in claim(two, NOW + 5)] == ["late"]
    assert claim(one, NOW + 5) == []
    assert [d.run_id for d in claim(two, NOW + 65)] == ["early", "late"]


def test_what_came_of_a_delivery_is_stored_by_who_holds_it(database: SqliteSaver) -> None:
    for id in ("done", "again", "dead", "late"):
        end(database, id)
    claim(database)
    settle = database.execute
    assert settle(SettleDelivery("done", 1, NOW)) is True
    assert settle(SettleDelivery("again", 1, NOW, "answered with 500", NOW + 1)) is True
    assert settle(SettleDelivery("dead", 1, NOW, "answered with 404")) is True
    assert settle(SettleDelivery("late", 0, NOW)) is False
    assert settle(SettleDelivery("dead", 1, NOW)) is False
    assert database.execute(CountDeliveries()) == {"waiting": 2, "dead": 1}
    (again,) = claim(database, NOW + 1)
    assert (again.run_id, again.attempts, again.reason) == ("again", 2, "answered with 500")
    assert database.execute(SweepDeliveries(NOW)) == 0
    assert database.execute(SweepDeliveries(NOW + 1)) == 1
    assert database.execute(CountDeliveries()) == {"waiting": 2, "dead": 0}


def test_what_workers_have_claimed_can_be_given_back(database: SqliteSaver) -> None:
    for id in ("a", "b"):
        end(database, id)
        claim(database, worker=f"of {id}")
    assert sorted(database.execute(FindDeliverers())) == ["of a", "of b"]
    assert database.execute(ReleaseDeliveries(["of a"], NOW + 1)) == 1
    assert database.execute(FindDeliverers()) == ["of b"]
    assert [d.run_id for d in claim(database, NOW + 1)] == ["a"]


def test_a_cron_is_advanced_with_the_run_that_it_starts_or_not_at_all(
    database: SqliteSaver,
) -> None:
    database.execute(PutCron(cron("c", next_run_date=at(5))))
    fires = AdvanceCron("c", at(5), at(60))
    with pytest.raises(ThreadBusyError):
        begin(database, run("r0"))
        accept(database, run("r1", multitask_strategy="reject"), fires=fires)
    assert database.execute(GetCron("c")).next_run_date == at(5)
    accept(database, run("r2"), fires=fires)
    assert database.execute(GetCron("c")).next_run_date == at(60)
    with pytest.raises(AlreadyFiredError):
        accept(database, run("r3", "other"), fires=fires)
    assert {r.run_id for r in database.execute(FindRuns())} == {"r0", "r2"}


def test_a_cron_is_replaced_only_as_it_was_read(database: SqliteSaver) -> None:
    keep(database, thread())
    read = database.execute(PutCron(cron("c", next_run_date=at(5))))
    changed = cron("c", next_run_date=at(5), metadata={"a": 1})
    assert database.execute(PutCron(changed, replaces=read)) == changed
    assert database.execute(PutCron(cron("c"), replaces=read)) is None
    assert database.execute(GetCron("c")) == changed
    assert database.execute(PutCron(cron("gone"), replaces=cron("gone"))) is None
