"""Whoever can write to the database can not do more than that: mutated bytes are read or refused.

Refused means `DeserializationError`, and nothing else: no other error, no crash, no endless work, no
class that is not allowed.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import datetime as dt
import decimal
import ipaddress
import json
import logging
import pathlib
import random
import re
import typing
import uuid
import zoneinfo
from collections.abc import Iterator
from operator import add

import ormsgpack
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from caesura import interrupt
from caesura.checkpoint.memory import InMemorySaver
from caesura.checkpoint.serde.encrypted import EncryptedSerializer
from caesura.checkpoint.serde.jsonplus import JsonPlusSerializer
from caesura.checkpoint.serde.types import _DeltaSnapshot
from caesura.errors import DeserializationError
from caesura.graph import START, StateGraph
from caesura.types import Command, Interrupt, Overwrite, PregelTask, Send, StateSnapshot

SERDE = JsonPlusSerializer()
BUILT: list[typing.Any] = []


@dataclasses.dataclass
class Forbidden:
    """Stored, and not allowed: building one is the end."""

    command: str

    def __post_init__(self) -> None:
        BUILT.append(self)


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logger = logging.getLogger("caesura.checkpoint.serde.jsonplus")
    logger.disabled = True
    BUILT.clear()
    yield
    logger.disabled = False
    assert BUILT == []


class State(typing.TypedDict):
    log: typing.Annotated[list[typing.Any], add]


def _real_checkpoints() -> list[bytes]:
    """The encoded values, writes and questions of a program that was interrupted and answered."""
    found: list[bytes] = []

    class Recording(JsonPlusSerializer):
        @staticmethod
        def encode(value: typing.Any, at: str = "") -> bytes:
            found.append(JsonPlusSerializer.encode(value, at))
            return found[-1]

        def dumps_typed(self, obj: typing.Any) -> tuple[str, bytes]:
            raise NotImplementedError

        def loads_typed(self, data: tuple[str, bytes]) -> typing.Any:
            raise NotImplementedError

    def ask(state: State) -> typing.Any:
        return {"log": [interrupt({"pay": decimal.Decimal("9.50")}, title="Pay?")]}

    builder = StateGraph(State)
    builder.add_node("ask", ask)
    builder.add_edge(START, "ask")
    graph = builder.compile(checkpointer=InMemorySaver(serde=Recording()))
    config: typing.Any = {"configurable": {"thread_id": "t"}, "metadata": {"by": "anna"}}
    graph.invoke({"log": [Send("n", {1: {2}})]}, config)
    graph.invoke(Command(resume="yes"), config)
    return sorted(set(found))


def _values() -> Iterator[typing.Any]:
    zone = zoneinfo.ZoneInfo("Europe/Paris")
    yield [Send("n", {"a": 1}, timeout=3), Interrupt("q", "i" * 32), Overwrite([1])]
    yield Command(update={"a": 1}, goto=[Send("a", 1)])
    yield StateSnapshot({"a": 1}, ("n",), {}, None, None, None, (PregelTask("1", "n", ()),), ())
    yield [dt.datetime(2026, 1, 1, tzinfo=zone), dt.time(1, tzinfo=dt.UTC), dt.timedelta(1)]
    yield [dt.date(1, 1, 1), dt.timezone(dt.timedelta(hours=1)), uuid.UUID(int=1)]
    yield [re.compile("a+"), pathlib.Path("/a"), ipaddress.ip_network("10.0.0.0/8")]
    yield [{1, (2, 3)}, frozenset({1}), collections.deque([1], 3), _DeltaSnapshot([1])]
    yield {uuid.UUID(int=3): 1, "long": ["x" * 300, b"y" * 300, 2**40, -3, 1.5, None]}
    np, pd = pytest.importorskip("numpy"), pytest.importorskip("pandas")
    yield [np.arange(6).reshape(2, 3), np.array([1, None], dtype=object), np.float32(1)]
    days = pd.date_range("2026-01-01", periods=2, tz="UTC")
    yield pd.DataFrame({"a": [1, 2], "c": pd.Categorical(["x", "y"]), "t": days})
    yield pd.Series(pd.array([1, None], dtype="Int64"), index=[("a", 1), ("b", 2)])
    yield pd.MultiIndex.from_tuples([("a", 1), ("b", 2)])
    from langchain_core.documents import Document
    from langchain_core.messages import AIMessage, HumanMessage

    call = {"name": "a", "args": {}, "id": "c"}
    yield [HumanMessage("hi", id="1"), AIMessage("x", tool_calls=[call]), Document("t")]


def _corpus() -> list[bytes]:
    forbidden = SERDE.encode([Forbidden("rm")])
    BUILT.clear()
    return [forbidden, *_real_checkpoints(), *map(SERDE.encode, _values())]


CORPUS = _corpus()
PIECES = [
    b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff", b"\xc9\xff\xff\xff\xff",
    b"\xc7\x05\x11", b"\xd4\x07", b"\xd8\x63", b"\xc1", b"\xff", b"\x00", b"\x91" * 3000, b"\x81\xa1a" * 400,
]  # fmt: skip


def read(data: bytes) -> typing.Any:
    """The value, or None if the bytes are refused as they should be."""
    try:
        return SERDE.decode(data)
    except DeserializationError:
        return None


def test_a_checkpoint_with_any_byte_cut_off_or_flipped_is_read_or_refused() -> None:
    for data in CORPUS:
        for at in range(len(data)):
            assert read(data[:at]) is None
            for bit in (1, 16, 128):
                read(data[:at] + bytes((data[at] ^ bit,)) + data[at + 1 :])


def _mutated(draw: random.Random) -> bytes:
    data = bytearray(draw.choice(CORPUS))
    for _ in range(draw.choice([1, 1, 2, 3, 8])):
        at, kind = draw.randrange(len(data) + 1), draw.randrange(4)
        other = draw.choice(CORPUS)
        start = draw.randrange(len(other))
        if kind == 0 and at < len(data):
            data[at] = draw.randrange(256)
        elif kind == 1:
            del data[at : at + draw.randrange(1, 9)]
        elif kind == 2:
            data[at : at + draw.choice([0, 4])] = draw.choice(PIECES)
        else:
            data[at:at] = other[start : start + draw.randrange(1, 80)]
    return bytes(data)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.randoms(use_true_random=False))
@example(random.Random(1))
def test_checkpoints_mixed_cut_and_overwritten_are_read_or_refused(draw: random.Random) -> None:
    for _ in range(10):
        read(_mutated(draw))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_an_encrypted_checkpoint_is_refused_as_soon_as_a_byte_of_it_changes(
    data: st.DataObject,
) -> None:
    serde = EncryptedSerializer.from_aes_gcm(b"k" * 32)
    tag, sealed = serde.dumps_typed({"a": [1]})
    at = data.draw(st.integers(0, len(sealed) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda byte: byte != sealed[at]))
    with pytest.raises(DeserializationError):
        serde.loads_typed((tag, sealed[:at] + bytes((other,)) + sealed[at + 1 :]))


# --- values that go on for ever ---------------------------------------------------------------------


def ext(code: int, *body: typing.Any) -> typing.Any:
    return ormsgpack.Ext(code, ormsgpack.packb(list(body), option=ormsgpack.OPT_NON_STR_KEYS))


EVERYWHERE = ext(0, "ipaddress", "IPv6Network", "::/0")
AI = ("langchain_core.messages.ai", "AIMessage")
FIELDS: dict[str, typing.Any] = {"content": "x", "tool_calls": EVERYWHERE}
ENDLESS = [
    ext(0, "builtins", "set", EVERYWHERE),
    ext(0, "builtins", "frozenset", EVERYWHERE),
    ext(0, "collections", "deque", EVERYWHERE),
    ext(1, "collections", "deque", EVERYWHERE),
    ext(1, "caesura.types", "Send", EVERYWHERE),
    ext(1, "caesura.types", "Interrupt", EVERYWHERE),
    ext(2, "caesura.types", "StateSnapshot", EVERYWHERE),
    ext(2, "caesura.types", "PregelTask", {"id": "1", "name": "n", "path": EVERYWHERE}),
    ext(2, "caesura.store.base", "Item", {"namespace": EVERYWHERE, "key": "k", "value": {}}),
    ext(6, "<f8", EVERYWHERE, "C", b""),
    ext(6, "|O", EVERYWHERE, "C", []),
    ext(7, EVERYWHERE),
    ext(16, EVERYWHERE),
    ext(16, [EVERYWHERE, 1]),
    ext(17, "index", EVERYWHERE, None, None),
    ext(17, "multi", EVERYWHERE, EVERYWHERE, EVERYWHERE),
    ext(17, "nullable", "Int64", EVERYWHERE),
    ext(17, "range", 0, 2**62, 1, None),
    ext(5, *AI, {"content": "x"}, None, EVERYWHERE),
    ext(5, *AI, FIELDS),
    ext(5, *AI, {"content": [EVERYWHERE]}),
    ext(5, *AI, {"content": "x", "tool_calls": [{"name": "a", "args": {}, "id": EVERYWHERE}]}),
    ext(5, *AI, {"content": "x", "tool_calls": ext(6, "|O", [1], "C", [EVERYWHERE])}),
    ext(5, *AI, {"content": "x", "tool_calls": ext(17, "range", 0, 2**24, 1, None)}),
]


class WentThrough(BaseException):
    """Somebody has begun to go through the addresses of a network, or the rows of a range."""


@pytest.mark.parametrize("value", ENDLESS, ids=range(len(ENDLESS)))
def test_nothing_goes_through_a_value_that_goes_on_for_ever(
    value: typing.Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def iterate(self: typing.Any) -> typing.NoReturn:
        raise WentThrough

    for cls in (ipaddress.IPv6Network, pytest.importorskip("pandas").RangeIndex):
        monkeypatch.setattr(cls, "__iter__", iterate)
    read(ormsgpack.packb([value]))
    read(ormsgpack.packb([EVERYWHERE, value]))


def test_a_network_in_a_model_comes_back_all_the_same() -> None:
    from langchain_core.messages import HumanMessage

    message = HumanMessage("x", additional_kwargs={"net": ipaddress.ip_network("10.0.0.0/8")})
    assert SERDE.decode(SERDE.encode([message])) == [message]


# --- the old JSON ------------------------------------------------------------------------------------

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
)
_IDS = [
    ["builtins", "set"],
    ["collections", "deque"],
    ["datetime", "datetime"],
    ["langchain", "schema", "messages", "HumanMessage"],
    ["os", "system"],
    ["re", "compile"],
    ["uuid", "UUID"],
]


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(_IDS), _JSON, _JSON, st.none() | st.just("fromisoformat"))
@example(["datetime", "datetime"], {"a": 1}, None, "fromisoformat")
def test_old_json_of_any_shape_is_read_or_refused(
    id: list[str], args: typing.Any, kwargs: typing.Any, method: str | None
) -> None:
    stored = {"lc": 2, "type": "constructor", "id": id, "args": args, "kwargs": kwargs}
    with contextlib.suppress(DeserializationError):
        SERDE.loads_typed(("json", json.dumps([{**stored, "method": method}]).encode()))


# --- size -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("serde", [SERDE, EncryptedSerializer.from_aes_gcm(b"k" * 32)])
def test_ten_megabytes_come_back_equal(serde: typing.Any) -> None:
    value = {"bytes": b"x" * 10_000_000, "text": "ü" * 5_000_000, "many": ["line"] * 1_000_000}
    assert serde.loads_typed(serde.dumps_typed(value)) == value
