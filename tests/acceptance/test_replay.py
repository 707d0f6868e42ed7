"""What the replay of recordings calls a difference, and what it does not."""

from __future__ import annotations

from typing import Any

import pytest

from .replay import Answer, Names, differences_of_answers

ID, OTHER_ID = "01a1fbca-1a9b-72f3-96ac-c7d4c2f7679c", "01a1fd3e-47d7-71d0-9ab4-3cfeb1142b12"
RECORDED: dict[str, Any] = {
    "status": 200,
    "headers": ["content-location"],
    "json": {"thread_id": ID, "at": "2026-11-21T01:48:08.731890+00:00", "values": {"log": ["a"]}},
}
STREAMED: dict[str, Any] = {
    "status": 200,
    "events": [["metadata", {"run_id": ID}], [f"values|child:{ID}", {"log": []}]],
}


def answer(**changes: Any) -> Answer:
    """Today's answer to the recorded question, with another id and at another time."""
    body = {
        "thread_id": OTHER_ID,
        "at": "2027-01-01T00:00:00.000001+00:00",
        "values": {"log": ["a"]},
    }
    return Answer(200, {"content-location": "/x"}, json=body | changes)


def test_ids_and_times_are_no_difference() -> None:
    assert differences_of_answers(RECORDED, answer(), shared=False) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"values": {"log": ["b"]}},
        {"values": {"log": ["a", "b"]}},
        {"values": {}},
        {"values": None},
        {"thread_id": "agent"},
        {"at": None},
        {"more": 1},
    ],
    ids=["value", "length", "missing key", "null", "no id", "no time", "another key"],
)
def test_another_value_shape_or_key_is_a_difference(changes: dict[str, Any]) -> None:
    assert differences_of_answers(RECORDED, answer(**changes), shared=False) != []


def test_another_status_or_a_missing_header_is_a_difference() -> None:
    failed, bare = answer(), answer()
    failed.status, bare.headers = 409, {}
    assert differences_of_answers(RECORDED, failed, shared=False) != []
    assert differences_of_answers(RECORDED, bare, shared=False) != []


def test_events_have_to_come_in_the_recorded_order_with_the_recorded_data() -> None:
    first, second = ["metadata", {"run_id": OTHER_ID}], [f"values|child:{OTHER_ID}", {"log": []}]
    same = Answer(200, {}, events=[first, second, ["end", None]])
    assert differences_of_answers(STREAMED, same, shared=False) == []
    for events in ([second, first], [first], [first, [second[0], {"log": ["x"]}]]):
        assert differences_of_answers(STREAMED, Answer(200, {}, events=events), False) != []


def test_a_recorded_id_stands_for_the_one_in_its_place_today() -> None:
    names = Names()
    names.learn(
        {"interrupts": {ID: [{"id": "a" * 32}]}}, {"interrupts": {OTHER_ID: [{"id": "b" * 32}]}}
    )
    assert names.of(f"/threads/{ID}?interrupt={'a' * 32}") == (
        f"/threads/{OTHER_ID}?interrupt={'b' * 32}"
    )
