"""Answer schemas: a type as JSON Schema, answers checked and typed, payloads digested."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import subprocess
import sys
from decimal import Decimal
from typing import Annotated, Any, Literal, NamedTuple, NotRequired, TypedDict
from uuid import UUID

import pytest

from caesura.digests import differing_paths, digest_of
from caesura.errors import InvalidAnswerError, SerializationError
from caesura.schemas.checking import check_json
from caesura.schemas.converting import parse_answer
from caesura.schemas.describing import json_schema_of


class Verdict(enum.Enum):
    YES = "yes"
    NO = "no"


class Odd(enum.Enum):
    A = (1, 2)
    B = (3, 4)


@dataclasses.dataclass
class Decision:
    """What the reviewer decided."""

    approve: bool
    amount: int = 0
    note: str | None = dataclasses.field(default=None, metadata={"title": "Why"})
    verdict: Verdict = Verdict.YES

    def __post_init__(self) -> None:
        if self.amount == 13:
            raise ValueError("13 is refused")


@dataclasses.dataclass
class Tree:
    name: str
    children: list[Tree] = dataclasses.field(default_factory=list)


class Reply(TypedDict):
    text: str
    score: NotRequired[float]


class Loose(TypedDict, total=False):
    text: str


@dataclasses.dataclass
class Card:
    kind: Literal["card"]
    number: str


@dataclasses.dataclass
class Cash:
    kind: Literal["cash"]
    coins: int


class Size(NamedTuple):
    ge: int


Positive = Annotated[int, Size(ge=1), "how many"]
Payment = Annotated[Card | Cash, "how to pay"]


@dataclasses.dataclass
class Booking:
    day: dt.date
    at: dt.datetime
    id: UUID
    price: Decimal
    seats: list[Positive]
    where: tuple[float, float]
    tags: set[str]
    extra: dict[str, int]
    pay: Payment
    start: dt.time | None = None


BOOKING: dict[str, Any] = {
    "day": "2026-01-02",
    "at": "2026-01-02T03:04:05Z",
    "id": "00000000-0000-0000-0000-000000000005",
    "price": "12.50",
    "seats": [1, 2],
    "where": [1, 2.5],
    "tags": ["a", "b"],
    "extra": {"x": 1},
    "pay": {"kind": "cash", "coins": 3},
}


def errors_of(schema: Any, value: Any) -> dict[str, str]:
    with pytest.raises(InvalidAnswerError) as caught:
        parse_answer(schema, value)
    return {e["pointer"]: e["message"] for e in caught.value.errors}


def test_a_dataclass_is_described_with_its_fields_and_defaults() -> None:
    assert json_schema_of(Decision) == {
        "title": "Decision",
        "type": "object",
        "description": "What the reviewer decided.",
        "properties": {
            "approve": {"type": "boolean"},
            "amount": {"type": "integer", "default": 0},
            "note": {
                "anyOf": [{"type": "string"}, {"type": "null"}],
                "title": "Why",
                "default": None,
            },
            "verdict": {"title": "Verdict", "enum": ["yes", "no"], "default": "yes"},
        },
        "required": ["approve"],
        "additionalProperties": False,
    }


def test_typed_dicts_know_what_is_required() -> None:
    assert (json_schema_of(Reply) or {})["required"] == ["text"]
    assert "required" not in (json_schema_of(Loose) or {})
    assert parse_answer(Reply, {"text": "a"}) == {"text": "a"}
    assert parse_answer(Loose, {}) == {}
    assert errors_of(Reply, {"score": "x", "b": 1}) == {
        "/text": "is required",
        "/b": "is not a known field",
        "/score": "must be number, not string",
    }


def test_a_dict_is_taken_as_a_schema_and_none_as_no_schema() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    assert json_schema_of(schema) is schema
    assert json_schema_of(None) is None
    assert parse_answer(schema, {"a": 1}) == {"a": 1}
    assert parse_answer(None, ("anything",)) == ("anything",)
    assert errors_of(schema, {"a": "1"}) == {"/a": "must be integer, not string"}


def test_an_answer_becomes_an_instance_of_the_type() -> None:
    assert parse_answer(Decision, {"approve": True, "amount": 2.0}) == Decision(True, 2)
    answer = parse_answer(Decision, {"approve": False, "verdict": "no", "note": "x"})
    assert answer == Decision(False, 0, "x", Verdict.NO)
    assert type(parse_answer(Decision, {"approve": True, "amount": 2.0}).amount) is int


def test_an_instance_is_itself_an_answer() -> None:
    assert parse_answer(Decision, Decision(True, 3)) == Decision(True, 3)
    assert parse_answer(Verdict, Verdict.NO) is Verdict.NO


def test_all_kinds_of_fields_are_converted() -> None:
    booking = parse_answer(Booking, BOOKING)
    assert booking == Booking(
        day=dt.date(2026, 1, 2),
        at=dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC),
        id=UUID(int=5),
        price=Decimal("12.50"),
        seats=[1, 2],
        where=(1.0, 2.5),
        tags={"a", "b"},
        extra={"x": 1},
        pay=Cash("cash", 3),
    )
    assert isinstance(booking.where[0], float)
    assert parse_answer(Booking, booking) == booking


def test_all_errors_of_all_fields_are_collected_with_pointers() -> None:
    wrong = {
        **BOOKING,
        "day": "2026-13-02",
        "id": "x",
        "seats": [1, 0, "a"],
        "where": [1],
        "extra": {"a/b": True},
        "pay": {"kind": "card"},
    }
    del wrong["at"]
    assert set(errors_of(Booking, wrong)) == {
        "/at", "/day", "/id", "/seats/1", "/seats/2", "/where", "/extra/a~1b", "/pay/number",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("tp", "value"),
    [
        (int, True), (float, False), (bool, 1), (bool, "true"), (int, "1"), (int, 1.5), (str, 1),
        (Literal[1], True), (Literal["a"], "b"), (int | None, ""), (list[int], [1, None]),
        (Verdict, "maybe"), (Decimal, "one"), (dt.datetime, "soon"), (dt.date, 5),
        (dict[str, int], {"a": "b"}), (tuple[int, ...], [True]), (tuple[int, str], [1, "a", 2]),
        (set[int], [1, 1]), (type(None), 0), (int | str, 1.5), (UUID, "5"), (list, {}),
    ],
)  # fmt: skip
def test_a_value_of_another_kind_is_refused(tp: Any, value: Any) -> None:
    assert errors_of(tp, value)


@pytest.mark.parametrize(
    ("tp", "value", "typed"),
    [
        (Any, [1], [1]), (int | None, None, None), (Literal["a", 1], 1, 1),
        (Literal[Verdict.YES], "yes", Verdict.YES), (Verdict, "no", Verdict.NO), (Odd, "B", Odd.B),
        (int | dt.date, "2026-01-01", dt.date(2026, 1, 1)), (int | str, "1", "1"),
        (list[Verdict], ["no"], [Verdict.NO]), (tuple[int, ...], [1, 2], (1, 2)),
        (frozenset[int], [1], frozenset({1})), (dict, {"a": 1}, {"a": 1}), (list, [1], [1]),
        (Decimal, 1.5, Decimal("1.5")), (bool, False, False), (Card | Cash | None, None, None),
        (Payment, {"kind": "card", "number": "1"}, Card("card", "1")),
    ],
)  # fmt: skip
def test_a_fitting_value_is_typed(tp: Any, value: Any, typed: Any) -> None:
    assert parse_answer(tp, value) == typed
    assert type(parse_answer(tp, value)) is type(typed)


def test_recursive_types_work() -> None:
    value = {"name": "a", "children": [{"name": "b", "children": []}]}
    assert parse_answer(Tree, value) == Tree("a", [Tree("b")])
    assert errors_of(Tree, {"name": "a", "children": [{"name": 1}]}) == {
        "/children/0/name": "must be string, not integer"
    }
    assert parse_answer(Tree | None, None) is None


def test_what_a_class_itself_objects_to_is_an_error_of_the_answer() -> None:
    assert errors_of(list[Decision], [{"approve": True, "amount": 13}]) == {"/0": "13 is refused"}


def test_constraints_in_annotations_are_part_of_the_schema() -> None:
    assert json_schema_of(Positive) == {"type": "integer", "minimum": 1, "description": "how many"}


@pytest.mark.parametrize("tp", [dict[int, str], complex, bytes, range, print])
def test_a_type_without_a_form_in_json_is_refused_when_asked(tp: Any) -> None:
    with pytest.raises(TypeError, match="JSON"):
        json_schema_of(tp)


def test_the_schema_alone_decides_wherever_it_is_checked() -> None:
    schema = json_schema_of(Booking)
    assert schema is not None
    assert check_json(schema, BOOKING) == []
    assert check_json(schema, {**BOOKING, "price": "x"})[0]["pointer"] == "/price"


def test_references_are_never_fetched_and_broken_schemas_take_nothing() -> None:
    remote = {"$ref": "https://example.com/schema.json"}
    assert "https://example.com/schema.json" in check_json(remote, 1)[0]["message"]
    assert "file:///etc/passwd" in check_json({"$ref": "file:///etc/passwd"}, 1)[0]["message"]
    assert "not valid" in check_json({"type": 5}, 1)[0]["message"]
    assert check_json({"$ref": "#/$defs/a", "$defs": {"a": {"type": "integer"}}}, 1) == []


def test_pydantic_models_are_described_checked_and_built_by_pydantic() -> None:
    pydantic = pytest.importorskip("pydantic")

    class Cat(pydantic.BaseModel):
        kind: Literal["cat"]
        lives: int = pydantic.Field(ge=0, le=9)

    class Dog(pydantic.BaseModel):
        kind: Literal["dog"]
        name: str

        @pydantic.field_validator("name")
        @classmethod
        def _no_rex(cls, name: str) -> str:
            if name == "Rex":
                raise ValueError("not Rex")
            return name

    pet = Annotated[Cat | Dog, pydantic.Field(discriminator="kind")]
    assert json_schema_of(Cat) == Cat.model_json_schema()
    assert parse_answer(Cat, {"kind": "cat", "lives": 3}) == Cat(kind="cat", lives=3)
    assert parse_answer(Cat, Cat(kind="cat", lives=3)) == Cat(kind="cat", lives=3)
    assert parse_answer(pet, {"kind": "dog", "name": "a"}) == Dog(kind="dog", name="a")
    assert parse_answer(list[Dog], [{"kind": "dog", "name": "a"}]) == [Dog(kind="dog", name="a")]
    assert set(errors_of(Cat, {"kind": "cat", "lives": True})) == {"/lives"}
    assert set(errors_of(Cat, {"kind": "cat", "lives": 10})) == {"/lives"}
    assert errors_of(pet, {"kind": "dog", "name": "Rex"}) == {"/name": "Value error, not Rex"}
    assert set(errors_of(pet, {"kind": "cow"})) <= {"", "/kind", "/name", "/lives"}


def test_everything_but_pydantic_models_works_without_pydantic() -> None:
    code = (
        "import sys; sys.modules['pydantic'] = None\n"
        "import caesura.schemas.checking, caesura.schemas.converting\n"
        "assert not {'jsonschema', 'numpy'} & sys.modules.keys()\n"
        "import tests.unit.test_schemas as t\n"
        "t.test_all_kinds_of_fields_are_converted()\n"
        "t.test_recursive_types_work()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": ":".join(sys.path)})


# --- payloads ------------------------------------------------------------------------------------


class Thing:
    def __init__(self, n: int) -> None:
        self.n = n
        self._hidden = object()


def payload() -> dict[str, Any]:
    return {
        "d": Decision(True),
        "t": dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
        "m": [Decimal("1.50"), UUID(int=1), b"\x00", {"b", "a", "c"}, (1, 2), Verdict.YES],
        "o": Thing(1),
        "f": print,
        "e": ValueError("x"),
        "k": {1: 1, None: 2, (1, 2): 3, Verdict.NO: 4},
    }


def test_a_digest_is_the_same_for_equal_payloads_whatever_their_order() -> None:
    assert digest_of({"a": 1, "b": [2]}) == digest_of({"b": [2], "a": 1})
    assert digest_of(payload()) == digest_of(payload())
    assert len(digest_of(None)) == 64


def test_a_digest_is_the_same_in_another_process() -> None:
    code = (
        "import tests.unit.test_schemas as t, caesura.digests as s; print(s.digest_of(t.payload()))"
    )
    for seed in ("1", "2"):
        env = {"PYTHONPATH": ":".join(["src", ".", *sys.path]), "PYTHONHASHSEED": seed}
        out = subprocess.run(
            [sys.executable, "-c", code], check=True, env=env, capture_output=True, text=True
        )
        assert out.stdout.strip() == digest_of(payload())


def test_a_digest_changes_with_any_part_that_counts() -> None:
    base = digest_of(payload())
    for path, value in (("d", Decision(False)), ("t", None), ("o", Thing(2)), ("e", ValueError())):
        assert digest_of({**payload(), path: value}) != base
    assert digest_of({"amount": 1}) != digest_of({"amount": 82_000})
    assert digest_of([True]) != digest_of([1]) != digest_of(["1"])


def test_volatile_parts_do_not_count() -> None:
    a = {"pay": 1, "at": "10:00", "deep": {"x/y": [1, {"id": 5}]}}
    b = {"pay": 1, "at": "10:05", "deep": {"x/y": [1, {"id": 6}]}}
    volatile = ("/at", "/deep/x~1y/1/id", "/not/there")
    assert digest_of(a) != digest_of(b)
    assert digest_of(a, volatile=volatile) == digest_of(b, volatile=volatile)
    assert digest_of({**a, "pay": 2}, volatile=volatile) != digest_of(a, volatile=volatile)
    assert differing_paths(a, b, volatile=volatile) == []
    assert a["deep"] == {"x/y": [1, {"id": 5}]}, "the payload itself is untouched"


def test_differing_paths_are_pointers() -> None:
    assert differing_paths({"a": 1}, {"a": 1}) == []
    assert differing_paths(1, "1") == [""]
    assert differing_paths([1], [True]) == ["/0"]
    left = {"a": {"b/c": [1, 2]}, "x": 1, "d": Decision(True)}
    right = {"a": {"b/c": [1, 3, 4]}, "y": 1, "d": {**dataclasses.asdict(Decision(False))}}
    found = differing_paths(left, right)
    assert found == ["/a/b~1c/1", "/a/b~1c/2", "/d/approve", "/x", "/y"]


def test_a_payload_that_contains_itself_is_refused() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(SerializationError):
        digest_of(loop)
