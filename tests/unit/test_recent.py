"""What may be kept of a state, and that what is made of it is nobody else's."""

from __future__ import annotations

import math
from collections import OrderedDict, deque, namedtuple
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.checkpoint.operations import Chain
from caesura.checkpoint.recent import Recent, maker
from caesura.checkpoint.rows import Codec, Folded, Row, State
from caesura.checkpoint.serde.encrypted import EncryptedSerializer
from caesura.checkpoint.serde.jsonplus import JsonPlusSerializer
from caesura.messages import HumanMessage

CODEC = Codec(JsonPlusSerializer(), Recent())


class Letters(list[Any]):
    """A list that is more than one."""


class Names(dict[Any, Any]):
    """A dict that is more than one."""


class Text(str):
    """A text that is more than one."""


class Number(int):
    """A number that is more than one."""


class Colour(Enum):
    """A colour."""

    RED = 1


class Level(IntEnum):
    """A level."""

    HIGH = 1


@dataclass
class Point:
    """A point."""

    x: int


Pair = namedtuple("Pair", "a b")

ODD = [
    Letters([1]), Names(a=1), Text("a"), Number(1), Colour.RED, Level.HIGH, Point(1), Pair(1, 2), (1, 2),
    {1}, frozenset({1}), deque([1]), OrderedDict(a=1), Decimal(1), datetime(2026, 1, 1, tzinfo=UTC),
    UUID(int=1), HumanMessage("hello"), math, object(), 2**70,
]  # fmt: skip
AROUND = {
    "itself": lambda v: v,
    "in a list": lambda v: [1, v],
    "in a dict": lambda v: {"a": v},
    "in a list of dicts": lambda v: [{"a": 1}, {"b": v}],
    "deep inside": lambda v: {"a": [{"b": [1, {"c": v}]}]},
}


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("odd", ODD, ids=lambda v: type(v).__name__)
def test_what_is_not_plain_is_not_kept(odd: Any, around: str) -> None:
    value = AROUND[around](odd)
    if odd == 2**70 and around != "deep inside":
        assert maker(value) is not None, "a large number is plain, but cannot be packed"
    else:
        assert maker(value) is None


atoms = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text()
    | st.binary()
)
plain = st.recursive(
    atoms,
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text(), inner) | st.dictionaries(atoms, atoms)
    ),
    max_leaves=30,
)


def spelled(value: Any) -> str:
    """A value with the types of all that is in it; tells -0.0 from 0.0, and NaN from nothing."""
    return repr(value)


def spoil(value: Any) -> None:
    """Change everything in it that can be changed."""
    for each in list(value.values() if isinstance(value, dict) else value):
        if isinstance(each, (list, dict)):
            spoil(each)
    if isinstance(value, dict):
        value["spoiled"] = 1
    else:
        value.append(1)


@given(plain)
def test_what_is_made_is_the_same_and_shares_no_container(value: Any) -> None:
    found = maker(value)
    if found is None:
        return  # a key, deep inside, that is no text
    make, before = found[0], spelled(value)
    assert spelled(make()) == before
    for changed in (value, make()):
        if isinstance(changed, (list, dict)):
            spoil(changed)
            assert spelled(make()) == before


# --- the bound -------------------------------------------------------------------------------


def walk(thread: int, size: int) -> tuple[list[Row], Folded]:
    """A walk that pays, to a state of a text of this size."""
    body = CODEC.encode([{"a": "x" * size}, {}, {}, None])
    first = Row(f"{thread}-1", None, size, 0, "then", 1, None, b"", body)
    last = Row(
        f"{thread}-2",
        f"{thread}-1",
        size,
        600,
        "then",
        2,
        None,
        b"",
        CODEC.encode([{}, {}, {}, None]),
    )
    state = State({"a": "x" * size}, {}, {}, None)
    return [first, last], Folded(state, Chain(first.checkpoint_id, size, 600))


def note(recent: Recent, thread: int, size: int) -> None:
    """Have it kept, if there is room."""
    walked, folded = walk(thread, size)
    recent.note(CODEC, f"{thread}", "", walked, folded)


def has(recent: Recent, thread: int) -> bool:
    """True if it is kept; it counts as used then."""
    walked, _ = walk(thread, 0)
    return recent.before(CODEC, f"{thread}", "", walked[-1]) is not None


def test_the_least_recently_used_goes_first() -> None:
    recent = Recent(60_000)
    for thread in range(2):
        note(recent, thread, 20_000)
    assert has(recent, 0)
    note(recent, 2, 20_000)
    assert [has(recent, thread) for thread in range(3)] == [True, False, True]


def test_what_is_larger_than_the_bound_is_not_kept_and_drives_nothing_out() -> None:
    recent = Recent(60_000)
    note(recent, 0, 20_000)
    note(recent, 1, 60_000)
    assert [has(recent, thread) for thread in range(2)] == [True, False]


def test_the_room_is_counted_however_states_come_and_go() -> None:
    recent = Recent(100_000)
    for n in range(40):
        note(recent, n % 7, 10_000 + 1000 * (n % 5))
        assert 0 < recent.room <= 100_000
        if n % 6 == 0:
            recent.drop(f"{n % 7}")
    for thread in range(7):
        recent.drop(f"{thread}")
    assert (len(recent), recent.room) == (0, 0)


@pytest.mark.parametrize("keep", [0, -1])
def test_without_room_nothing_is_kept(keep: int) -> None:
    recent = Recent(keep)
    note(recent, 0, 20_000)
    assert len(recent) == 0


def test_a_codec_that_conceals_keeps_nothing() -> None:
    codec = Codec(EncryptedSerializer.from_aes_gcm(b"k" * 32), Recent())
    walked, folded = walk(0, 20_000)
    codec.recent.note(codec, "0", "", walked, folded)
    assert len(codec.recent) == 0


def test_what_is_quickly_folded_again_is_not_kept() -> None:
    recent = Recent()
    note(recent, 0, 2000)
    assert len(recent) == 0
