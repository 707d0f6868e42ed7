"""Which classes a program's schemas allow to be read back."""

from __future__ import annotations

import subprocess
import sys
from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Generic,
    Literal,
    NamedTuple,
    NewType,
    NotRequired,
    Optional,
    TypedDict,
    TypeVar,
)

import pytest
from pydantic import BaseModel, RootModel
from typing_extensions import TypeAliasType

from caesura.channels import LastValue, Topic
from caesura.checkpoint.serde.jsonplus import JsonPlusSerializer
from caesura.checkpoint.serde.reachable import collect_types
from caesura.types import Command, Interrupt

if TYPE_CHECKING:
    from nowhere import Missing  # type: ignore[import-not-found]


class Color(Enum):
    RED = 1


class Size(Enum):
    BIG = 1


@dataclass
class Order:
    color: Color
    parent: Order | None = None
    lines: list[Line] = field(default_factory=list)


@dataclass
class Line:
    n: int


class Point(NamedTuple):
    at: Line


Plain = namedtuple("Plain", "x")


class Model(BaseModel):
    order: Order
    sizes: dict[str, tuple[Size, ...]] = {}


class Orders(RootModel[list[Line]]):
    pass


T = TypeVar("T")
Bound = TypeVar("Bound", bound=Line)


@dataclass
class Box(Generic[T]):
    inside: T


class Crate(BaseModel, Generic[T]):
    inside: T


Id = NewType("Id", Line)
Tree = TypeAliasType("Tree", dict[str, "Tree"] | Line)


class Unrelated:
    line: Line


@dataclass
class Derived(Line):
    order: Color


class Nested(TypedDict):
    points: NotRequired[list[Point]]


class State(TypedDict, total=False):
    nested: Nested
    log: Annotated[Sequence[Order], Topic(Model)]


@dataclass
class Torn:
    lost: Missing
    found: Color


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (Order, [Order, Color, Line]),
        (list[Line], [Line]),
        (dict[str, Color], [Color]),
        (Mapping[Color, tuple[Line, ...]], [Color, Line]),
        (Optional[Line], [Line]),  # noqa: UP045
        (Line | None, [Line]),
        (Literal[Color.RED, "x"], [Color]),
        (type[Line], [Line]),
        (Callable[[Line], Color], [Line, Color]),
        (Annotated[list[Line], [], {}, LastValue(Color)], [Line, Color]),
        (Point, [Point, Line]),
        (Plain, [Plain]),
        (Model, [Model, Order, Color, Line, Size]),
        (Orders, [Orders, Line]),
        (Box[Color], [Box, Color]),
        (Crate[Color], [Crate[Color], Color]),
        (Id, [Line]),
        (Bound, [Line]),
        (Tree, [Line]),
        (Derived, [Derived, Color]),
        (Derived | Line, [Derived, Color, Line]),
        (State, [Point, Line, Order, Color, Model, Size]),
        (Torn, [Torn, Color]),
        (Unrelated, []),
        (list[datetime | Decimal | Interrupt | Command[Any]], []),
        (Any, []),
        (None, []),
        ("text", []),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_schema_reaches(schema: Any, expected: list[type]) -> None:
    assert sorted(collect_types([schema]), key=repr) == sorted(expected, key=repr)


def test_several_schemas_give_each_class_once_in_the_order_met() -> None:
    assert collect_types([Line, Order, Color, Line]) == [Line, Order, Color]
    assert collect_types([]) == []


def test_what_a_schema_reaches_is_read_back_as_it_was_stored() -> None:
    serde = JsonPlusSerializer()
    state = {
        "nested": {"points": [Point(Line(1))]},
        "log": [Order(Color.RED, Order(Color.RED), [Line(2)])],
        "more": Model(order=Order(Color.RED), sizes={"a": (Size.BIG,)}),
    }
    stored = serde.dumps_typed(state)
    assert serde.with_allowlist(collect_types([State])).loads_typed(stored) == state
    assert serde.loads_typed(stored) != state


def test_local_classes_are_reached_where_annotations_are_resolved() -> None:
    @dataclass
    class Local:
        line: Line

    Typed = TypedDict("Typed", {"a": Local})  # noqa: UP013
    assert collect_types([Typed]) == [Local, Line]


def test_collecting_does_not_import_pydantic() -> None:
    code = (
        "import sys, dataclasses\n"
        "from caesura.checkpoint.serde.reachable import collect_types\n"
        "A = dataclasses.make_dataclass('A', [('x', int)])\n"
        "assert collect_types([list[A]]) == [A]\n"
        "print('pydantic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
