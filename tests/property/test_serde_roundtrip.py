"""Laws of the serializer, over generated values and bytes."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import enum
import typing

from hypothesis import example, given, settings
from hypothesis import strategies as st

from caesura.checkpoint.serde.jsonplus import JsonPlusSerializer
from caesura.errors import DeserializationError


class Colour(enum.Enum):
    RED = 1
    BLUE = "b"


class Pair(typing.NamedTuple):
    left: typing.Any
    right: typing.Any


@dataclasses.dataclass
class Box:
    content: typing.Any
    label: str = ""


SERDE = JsonPlusSerializer(allowed_msgpack_modules=[Colour, Pair, Box])
TRUSTING = JsonPlusSerializer(allowed_msgpack_modules=True)

hashable_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(allow_nan=False),
    st.text(st.characters(exclude_categories=("Cs",))),
    st.binary(),
    st.datetimes(timezones=st.none() | st.timezones()),
    st.dates(),
    st.times(timezones=st.none() | st.just(dt.UTC)),
    st.timedeltas(),
    st.decimals(allow_nan=False),
    st.uuids(),
    st.ip_addresses(),
    st.sampled_from(Colour),
)
keys = st.recursive(hashable_scalars, lambda inner: st.tuples(inner, inner), max_leaves=3)


def nested(inner: st.SearchStrategy[typing.Any]) -> st.SearchStrategy[typing.Any]:
    return st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(keys, inner, max_size=4),
        st.sets(keys, max_size=3),
        st.frozensets(keys, max_size=3),
        st.builds(Box, inner, st.just("x")),
        st.builds(Pair, inner, inner),
    )


values = st.recursive(hashable_scalars, nested, max_leaves=15)


@given(values)
def test_decode_gives_back_what_encode_was_given(value: typing.Any) -> None:
    assert SERDE.decode(SERDE.encode(value)) == value
    assert SERDE.loads_typed(SERDE.dumps_typed(value)) == value


@given(values)
def test_a_value_that_was_read_can_be_stored_again(
    value: typing.Any,
) -> None:
    once = SERDE.decode(SERDE.encode(Box(value)))
    assert SERDE.decode(SERDE.encode(once)) == once


@given(st.binary(max_size=200))
@example(b"\x92\x01")
@example(b"\xc7\x00\x00")
def test_arbitrary_bytes_are_a_value_or_an_error_of_ours(data: bytes) -> None:
    for serde in (SERDE, TRUSTING):
        with contextlib.suppress(DeserializationError):
            serde.decode(data)


@given(values, st.data())
@settings(max_examples=60)
def test_a_flipped_byte_is_a_value_or_an_error_of_ours(
    value: typing.Any, data: st.DataObject
) -> None:
    stored = bytearray(SERDE.encode([value]))
    place = data.draw(st.integers(0, len(stored) - 1))
    stored[place] = data.draw(st.integers(0, 255))
    with contextlib.suppress(DeserializationError):
        SERDE.decode(stored)


@given(values, st.integers(1, 50))
@settings(max_examples=60)
def test_a_truncated_value_is_never_read(value: typing.Any, missing: int) -> None:
    stored = SERDE.encode([value])
    try:
        SERDE.decode(stored[: max(0, len(stored) - missing)])
    except DeserializationError:
        return
    raise AssertionError("a part was taken for the whole")
