"""A form asks for what its schema wants, refuses what does not fit, and says why."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from caesura.cli.form import NOTHING, Field, Refused, example, fill, parse, value_of
from caesura.core.once import answer_schema


def answer(schema: Any, texts: Iterable[str]) -> tuple[Any, list[Field]]:
    """Fill a form with ``texts`` → the answer and the fields that were shown."""
    shown: list[Field] = []
    fields = fill(schema)
    left = iter(texts)
    try:
        field = next(fields)
        while True:
            shown.append(field)
            field = fields.send(next(left))
    except StopIteration as done:
        assert list(left) == [], "not every text was asked for"
        return done.value, shown


OBJECT = {
    "type": "object",
    "properties": {
        "decision": {"enum": ["approve", "reject"]},
        "amount": {"type": "number", "exclusiveMinimum": 0},
        "reason": {"type": "string", "description": "Why?"},
    },
    "required": ["decision"],
}


@pytest.mark.parametrize(
    ("schema", "text", "value"),
    [
        ({"type": "boolean"}, "yes", True),
        ({"type": "boolean"}, "N", False),
        ({"type": "integer"}, "-7", -7),
        ({"type": "number"}, "2.5", 2.5),
        ({"type": "number"}, "3", 3),
        ({"type": "string"}, "5", "5"),
        ({"type": "string"}, " two words ", " two words "),
        ({"enum": ["a", "b"]}, "b", "b"),
        ({"enum": ["a", "b"]}, "2", "b"),
        ({"enum": ["approve", "reject"]}, "rej", "reject"),
        ({"enum": [10, 2]}, "2", 2),
        ({"enum": [True, None]}, "null", None),
        ({"type": ["string", "null"]}, "", None),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "4", 4),
        ({"type": "integer", "default": 3}, "", 3),
        ({"type": "object"}, '{"a": 1}', {"a": 1}),
        (None, "plain words", "plain words"),
        (None, '{"a": [1]}', {"a": [1]}),
        (None, "true", True),
        ({"oneOf": [{"const": "x"}, {"const": "y"}]}, "y", "y"),
    ],
)
def test_a_text_becomes_the_value_that_its_schema_means(schema: Any, text: str, value: Any) -> None:
    given, shown = answer(schema, [text])
    assert (given, type(given)) == (value, type(value))
    assert len(shown) == 1


@pytest.mark.parametrize(
    ("schema", "wrong", "reason", "right"),
    [
        ({"type": "boolean"}, "maybe", "neither yes nor no", "y"),
        ({"type": "boolean"}, "", "an answer is needed", "y"),
        ({"type": "integer"}, "2.5", "no whole number", "2"),
        ({"type": "number"}, "nan", "no number", "1"),
        ({"enum": ["a", "b"]}, "3", "none of: a, b", "1"),
        ({"type": "integer", "minimum": 5}, "4", "minimum", "5"),
        ({"type": "string", "minLength": 2}, "x", "short", "xy"),
        ({"type": "string", "pattern": "^[A-Z]+$"}, "abc", "match", "ABC"),
        ({"type": "object", "required": ["a"]}, "{", "no JSON", '{"a": 1}'),
    ],
)
def test_a_wrong_text_is_refused_with_the_reason_and_asked_for_again(
    schema: Any, wrong: str, reason: str, right: str
) -> None:
    _, shown = answer(schema, [wrong, right])
    first, second = shown
    assert first.problem is None
    assert reason in (second.problem or "")
    assert (second.label, second.kind) == (first.label, first.kind)


def test_an_object_is_asked_for_property_by_property() -> None:
    given, shown = answer(OBJECT, ["approve", "12.5", "fine"])
    assert given == {"decision": "approve", "amount": 12.5, "reason": "fine"}
    assert [field.pointer for field in shown] == ["/decision", "/amount", "/reason"]
    assert shown[2].help == "Why?"


def test_properties_that_are_not_required_may_be_left_out() -> None:
    given, _ = answer(OBJECT, ["reject", "", ""])
    assert given == {"decision": "reject"}


def test_references_are_followed_also_where_they_lead_back() -> None:
    schema = {
        "$defs": {
            "tree": {
                "type": "object",
                "properties": {"name": {"type": "string"}, "child": {"$ref": "#/$defs/tree"}},
                "required": ["name"],
            }
        },
        "$ref": "#/$defs/tree",
    }
    given, _ = answer(schema, ["root", "yes", "leaf", "no"])
    assert given == {"name": "root", "child": {"name": "leaf"}}


def test_a_nested_object_is_checked_inside() -> None:
    schema = {
        "type": "object",
        "properties": {"who": {**OBJECT, "required": ["decision", "amount"]}},
        "required": ["who"],
    }
    given, shown = answer(schema, ["approve", "-1", "1", ""])
    assert given == {"who": {"decision": "approve", "amount": 1}}
    assert shown[2].pointer == "/who/amount"
    assert "minimum" in (shown[2].problem or "")


def test_a_list_of_texts_ends_with_an_empty_line() -> None:
    schema = {"type": "array", "items": {"type": "string"}}
    assert answer(schema, ["Ada", "Grace", ""])[0] == ["Ada", "Grace"]
    assert answer(schema, [""])[0] == []


def test_a_list_asks_for_as_many_items_as_it_needs_and_no_more_than_it_takes() -> None:
    schema = {"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 2}
    given, shown = answer(schema, ["", "1", "2"])
    assert given == [1, 2]
    assert "needed" in (shown[1].problem or "")


def test_a_list_of_objects_asks_whether_there_is_one_more() -> None:
    schema = {
        "type": "array",
        "items": {"type": "object", "properties": {"n": {"type": "integer"}}},
    }
    given, _ = answer(schema, ["yes", "1", "yes", "2", "no"])
    assert given == [{"n": 1}, {"n": 2}]


def test_a_union_of_objects_is_a_menu_and_fixed_values_are_not_asked_for() -> None:
    def option(kind: str, **properties: Any) -> dict[str, Any]:
        return {
            "type": "object",
            "properties": {"type": {"const": kind}, **properties},
            "required": ["type", *properties],
        }

    schema = {"oneOf": [option("accept"), option("edit", text={"type": "string"})]}
    given, shown = answer(schema, ["edit", "better"])
    assert given == {"type": "edit", "text": "better"}
    assert shown[0].labels == ("accept", "edit")
    assert answer(schema, ["1"])[0] == {"type": "accept"}


def test_an_answer_that_fits_in_its_parts_but_not_as_a_whole_is_asked_for_anew() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
        "minProperties": 1,
    }
    given, shown = answer(schema, ["", "", "x", ""])
    assert given == {"a": "x"}
    assert shown[2].pointer == "/a"
    assert shown[2].problem


def test_a_schema_that_contradicts_itself_is_asked_for_and_not_looped_over() -> None:
    fields = fill({"const": 1, "type": "string"})
    first = next(fields)
    assert first.problem


@pytest.mark.parametrize(
    ("schema", "text", "value"),
    [
        ({"type": "string"}, "5", "5"),
        ({"type": "string"}, '"5"', "5"),
        ({"type": "integer"}, "5", 5),
        ({"type": "boolean"}, "yes", True),
        ({"enum": ["approve", "reject"]}, "2", "reject"),
        (OBJECT, '{"decision": "approve"}', {"decision": "approve"}),
        (None, "5", 5),
        (None, "five", "five"),
    ],
)
def test_one_text_stands_for_a_whole_answer(schema: Any, text: str, value: Any) -> None:
    assert parse(schema, text) == (value, [])


def test_one_text_that_does_not_fit_is_told_where_and_why() -> None:
    _, errors = parse(OBJECT, '{"decision": "maybe"}')
    assert [error["pointer"] for error in errors] == ["/decision"]


def test_nothing_is_the_value_of_a_part_that_is_left_out() -> None:
    assert value_of(Field("x", "integer", required=False), "") is NOTHING
    with pytest.raises(Refused):
        value_of(Field("x", "integer"), "")


@pytest.mark.parametrize(
    "schema",
    [OBJECT, {"type": "array", "items": {}}, {"enum": [3]}, {"type": ["integer", "null"]}],
)
def test_the_example_of_a_schema_is_an_answer_to_it(schema: Any) -> None:
    from caesura.schemas.checking import check_json

    assert check_json(schema, example(schema)) == []


@pytest.mark.parametrize(
    ("texts", "wanted"),
    [
        (["done", "receipt 7"], {"outcome": "done", "result": "receipt 7"}),
        (["2"], {"outcome": "not_done"}),
        (["give_up"], {"outcome": "give_up"}),
    ],
)
def test_whether_an_effect_happened_is_a_menu_and_its_result_a_field(
    texts: list[str], wanted: Any
) -> None:
    assert answer(answer_schema(str), texts)[0] == wanted


def test_one_word_says_that_an_effect_did_not_happen() -> None:
    assert parse(answer_schema(int), "not_done") == ({"outcome": "not_done"}, [])
    assert parse(answer_schema(type(None)), "done") == ({"outcome": "done"}, [])
    assert parse(answer_schema(int), "done")[1]
