"""The serializer: what comes back equal, what is refused, and that reading never runs anything."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import decimal
import enum
import ipaddress
import logging
import pathlib
import re
import subprocess
import sys
import threading
import typing
import uuid
import zoneinfo

import ormsgpack
import pytest

from caesura.checkpoint.serde import jsonplus
from caesura.checkpoint.serde.base import SerializerProtocol, maybe_add_typed_methods
from caesura.checkpoint.serde.event_hooks import register_serde_event_listener
from caesura.checkpoint.serde.jsonplus import JsonPlusSerializer
from caesura.checkpoint.serde.types import _DeltaSnapshot
from caesura.errors import DeserializationError, SerializationError
from caesura.types import (
    Command,
    Interrupt,
    Overwrite,
    PregelTask,
    Send,
    StateSnapshot,
    TimeoutPolicy,
)

SERDE = JsonPlusSerializer()
UTC = dt.UTC
PARIS = zoneinfo.ZoneInfo("Europe/Paris")


class Colour(enum.Enum):
    RED = 1
    PAIR = (1, 2)


class Size(enum.StrEnum):
    SMALL = "s"


class Level(enum.IntEnum):
    LOW = 1


class Point(typing.NamedTuple):
    x: int
    y: int = 2


@dataclasses.dataclass
class Order:
    item: str
    parts: list[typing.Any] = dataclasses.field(default_factory=list)
    total: int = dataclasses.field(init=False, default=0)


@dataclasses.dataclass(frozen=True, slots=True)
class Money:
    amount: decimal.Decimal


class Outer:
    @dataclasses.dataclass
    class Inner:
        n: int


@dataclasses.dataclass
class WithInitVar:
    x: int
    seed: dataclasses.InitVar[int]

    def __post_init__(self, seed: int) -> None:
        self.x += seed


ALLOWED = [Colour, Size, Level, Point, Order, Money, Outer.Inner, WithInitVar]
TRUSTING = JsonPlusSerializer(allowed_msgpack_modules=ALLOWED)


def trip(value: typing.Any, serde: JsonPlusSerializer = TRUSTING) -> typing.Any:
    return serde.loads_typed(serde.dumps_typed(value))


def ext(code: int, *body: typing.Any) -> bytes:
    return ormsgpack.packb(
        ormsgpack.Ext(code, ormsgpack.packb(list(body), option=ormsgpack.OPT_NON_STR_KEYS))
    )


EQUAL = [
    None, True, 0, -(2**63), 2**64 - 1, 1.5, float("inf"), "", "ü€", b"", b"\xff",
    bytearray(b"x"), [], {}, [1, [2, {"a": None}]], {2: "a", None: 2, True: 3, 1.5: 4, b"k": 5},
    {(1, "a"): 2}, {(1, (2, 3)): 2}, {Colour.RED: 1, "plain": {Colour.PAIR: 2}},
    {dt.date(2026, 1, 2): 1}, {uuid.UUID(int=7): [1]}, {frozenset({1}): 1}, {Point(1): 1},
    {(Colour.RED, 1): 1}, {Size.SMALL: 1}, {Level.LOW: 1}, {Money(decimal.Decimal(1)): 1},
    {1, 2}, {(1, 2), (3, (4,))}, frozenset({"a"}), collections.deque([1, 2]),
    dt.datetime(2026, 1, 2, 3, 4, 5, 6), dt.datetime(2026, 1, 2, tzinfo=UTC),
    dt.datetime(2026, 7, 2, tzinfo=dt.timezone(dt.timedelta(hours=-3, minutes=-30))),
    dt.date(1, 1, 1), dt.time(1, 2, 3, 4), dt.time(1, tzinfo=UTC), dt.time(1, tzinfo=PARIS),
    dt.timedelta(-1, 2, 3), UTC, dt.timezone(dt.timedelta(hours=2), "name"), PARIS,
    uuid.UUID(int=5), decimal.Decimal("1.50"), decimal.Decimal("-Infinity"),
    re.compile("a+", re.IGNORECASE), re.compile(b"a"), pathlib.Path("/a/b"), pathlib.Path("c"),
    pathlib.PurePosixPath("x/y"), pathlib.PureWindowsPath("c:/x"),
    *map(ipaddress.ip_address, ["1.2.3.4", "::1"]),
    *map(ipaddress.ip_network, ["10.0.0.0/8", "fe80::/10"]),
    *map(ipaddress.ip_interface, ["10.1.0.0/8", "fe80::1/10"]),
    Colour.RED, Colour.PAIR, Size.SMALL, Level.LOW, Point(1), Order("a", [Point(3)]),
    Money(decimal.Decimal("2")), Outer.Inner(1), [Order("b", [{"k": {Outer.Inner(2).n: UTC}}])],
    Send("n", {"a": 1}), Send("n", Point(1), timeout=3), Interrupt({"pay": 1}, "i" * 32),
    Command(update={"a": 1}, goto="b"), Command(resume={"x": 1}), Command(goto=[Send("n", 1)]),
    Overwrite([1]), TimeoutPolicy(run_timeout=dt.timedelta(seconds=1)),
    PregelTask("1", "n", ("__pregel_pull", "n"), None, (Interrupt("q"),)),
    StateSnapshot({"a": 1}, ("n",), {}, None, None, None, (PregelTask("1", "n", ()),), ()),
    _DeltaSnapshot([1]), _DeltaSnapshot({"a": [_DeltaSnapshot(1)]}),
]  # fmt: skip


@pytest.mark.parametrize("value", EQUAL, ids=lambda v: type(v).__name__)
def test_a_value_comes_back_equal_and_of_the_same_type(value: typing.Any) -> None:
    back = trip(value)
    assert back == value
    assert type(back) is type(value)
    assert TRUSTING.decode(TRUSTING.encode([value])) == [
        bytes(value) if isinstance(value, bytearray) else value
    ]


def test_the_tag_names_the_form_of_the_bytes() -> None:
    tags = [SERDE.dumps_typed(v)[0] for v in (None, b"x", bytearray(b"x"), [1])]
    assert tags == ["null", "bytes", "bytearray", "msgpack"]
    assert isinstance(SERDE, SerializerProtocol)


def test_a_datetime_keeps_its_place_and_its_fold() -> None:
    first = dt.datetime(2026, 10, 25, 2, 30, tzinfo=PARIS)
    second = first.replace(fold=1)
    assert (trip(first).tzinfo, trip(first).fold) == (PARIS, 0)
    assert (trip(second).tzinfo, trip(second).fold) == (PARIS, 1)
    assert trip(second).utcoffset() == dt.timedelta(hours=1)


def test_a_deque_keeps_its_limit_and_a_field_outside_init_its_value() -> None:
    assert trip(collections.deque([1], maxlen=3)).maxlen == 3
    order = Order("a")
    order.total = 9
    assert trip(order).total == 9


def test_a_dataclass_that_cannot_be_called_with_its_fields_is_restored_from_them() -> None:
    value = WithInitVar(1, seed=10)
    assert trip(value) == value and value.x == 11


def test_not_a_number_and_surrogates_and_tuples_come_back_changed_as_documented() -> None:
    back = trip(float("nan"))
    assert back != back
    assert trip("a\ud800b") == "a?b"
    assert trip({"k\ud800": "v"}) == {"k?": "v"}
    assert trip((1, (2, [(3,)]))) == [1, [2, [[3]]]]
    assert trip({"e": ValueError("x")}) == {"e": "ValueError('x')"}


def test_subclasses_of_plain_types_are_stored_as_the_plain_type() -> None:
    class Text(str):
        pass

    class Moment(dt.datetime):
        pass

    values = [
        Text("a"),
        collections.OrderedDict(a=1),
        collections.defaultdict(list, {1: [2]}),
        Moment(2026, 1, 1),
    ]
    assert [type(v) for v in trip(values)] == [str, dict, dict, dt.datetime]
    assert trip(values) == values


# --- what cannot be stored ---------------------------------------------------------------------


UNSUPPORTED = [
    (range(3), "range", ""),
    ({"messages": [0, 1, 2, {"x": range(3)}]}, "range", 'messages[3]["x"]'),
    ({"a b": complex(1)}, "complex", '["a b"]'),
    ({"order": Order("a", [1, print])}, "builtin_function_or_method", "order.parts[1]"),
    ([Send("n", {"f": range(1)})], "range", '[0].arg["f"]'),
    (Interrupt({"f": range(1)}), "range", 'value["f"]'),
    ({"s": {1, Money}}, "type", "s["),
    ({"g": (i for i in ())}, "generator", "g"),
    ({"p": Point(1, range(2))}, "range", "p.y"),
    ({"d": {3: {"x": range(1)}}}, "range", 'd[3]["x"]'),
    ({"d": {Colour.RED: range(1)}}, "range", "d[Colour]"),
    ({"d": {range(1): 1}}, "range", "d<key range>"),
]


@pytest.mark.parametrize(
    ("value", "name", "path"), UNSUPPORTED, ids=lambda v: v if isinstance(v, str) else ""
)
def test_the_error_of_a_value_that_cannot_be_stored_names_type_and_path(
    value: typing.Any, name: str, path: str
) -> None:
    with pytest.raises(TypeError) as caught:
        SERDE.encode(value)
    error = caught.value
    assert isinstance(error, SerializationError)
    assert str(error).startswith(f"Type is not msgpack serializable: {name}")
    assert error.path.startswith(path) and (path.endswith("[") or error.path == path)
    assert error.path in str(error)


def test_a_path_can_start_at_the_name_of_a_channel() -> None:
    with pytest.raises(SerializationError) as caught:
        SERDE.encode([1, Order("a", [range(1)])], "orders")
    assert caught.value.path == "orders[1].parts[0]"


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (2**64, ""),
        ({"n": [-(2**63) - 1]}, "n[0]"),
        ({"n": {2**64: 1}}, "n<key int>"),
        (Order("a", [2**70]), "parts[0]"),
    ],
)
def test_an_integer_beyond_64_bits_is_refused_with_its_path(value: typing.Any, path: str) -> None:
    with pytest.raises(SerializationError, match=r"^Integer exceeds 64-bit range") as caught:
        SERDE.encode(value)
    assert caught.value.path == path


def test_values_that_contain_themselves_or_nest_for_ever_are_refused() -> None:
    loop: list[typing.Any] = []
    loop += [loop, loop]
    order = Order("a")
    order.parts += [order, {1: order}]
    deep: typing.Any = 1
    for _ in range(5000):
        deep = [deep]
    for value in (loop, order, deep, {Colour.RED: loop}, {1: loop}):
        with pytest.raises(SerializationError):
            SERDE.encode(value)


def test_objects_nest_at_least_ninety_deep_and_what_was_written_can_be_read() -> None:
    value: typing.Any = 1
    for _ in range(95):
        value = Order("a", [{"k": [value]}])
    assert trip(value) == value
    for _ in range(10):
        value = Order("a", [value])
    with pytest.raises(SerializationError):
        SERDE.encode(value)


def test_pickle_is_refused_both_ways() -> None:
    with pytest.raises(ValueError, match="pickle_fallback=True is refused"):
        JsonPlusSerializer(pickle_fallback=True)
    with pytest.raises(DeserializationError, match="pickle"):
        SERDE.loads_typed(("pickle", b"\x80\x04N."))


# --- what may be built -------------------------------------------------------------------------


def test_a_class_that_is_not_allowed_comes_back_as_its_raw_payload() -> None:
    values = [Colour.RED, Point(1), Order("a"), Money(decimal.Decimal(1))]
    assert SERDE.decode(SERDE.encode(values)) == [
        1,
        {"x": 1, "y": 2},
        {"item": "a", "parts": [], "total": 0},
        {"amount": decimal.Decimal(1)},
    ]


def test_a_blocked_class_is_warned_of_once_and_told_to_listeners_each_time(
    caplog: pytest.LogCaptureFixture,
) -> None:
    jsonplus._warned_blocked_types.clear()
    events: list[typing.Any] = []
    unregister = register_serde_event_listener(events.append)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            SERDE.decode(SERDE.encode([Order("a")]))
    unregister()
    SERDE.decode(SERDE.encode(Order("a")))
    assert len(caplog.records) == 1
    assert f"allowed_msgpack_modules=[({__name__!r}, 'Order')]" in caplog.text
    assert events == [{"kind": "msgpack_blocked", "module": __name__, "name": "Order"}] * 3


def test_a_class_can_be_allowed_by_name_by_object_or_on_a_copy() -> None:
    data = SERDE.encode(Outer.Inner(1))
    by_name = JsonPlusSerializer(allowed_msgpack_modules=[(__name__, "Outer.Inner")])
    wider = SERDE.with_allowlist([Outer.Inner])
    everything = JsonPlusSerializer(allowed_msgpack_modules=True)
    for serde in (by_name, wider, everything, wider.with_msgpack_allowlist([Order])):
        assert serde.decode(data) == Outer.Inner(1)
    assert SERDE.decode(data) == {"n": 1}, "the original is unchanged"


def test_a_local_class_comes_back_when_it_is_allowed_by_object() -> None:
    @dataclasses.dataclass
    class Local:
        n: int

    assert trip(Local(1), SERDE.with_allowlist([Local])) == Local(1)
    assert trip(Local(1), JsonPlusSerializer(allowed_msgpack_modules=True)) == {"n": 1}


def test_a_subclass_of_the_serializer_stays_one_when_its_list_is_extended() -> None:
    class Mine(JsonPlusSerializer):
        pass

    assert type(Mine().with_allowlist([Order])) is Mine


HOSTILE = [
    ext(0, "os", "system", "touch /tmp/caesura-pwned"),
    ext(1, "os", "system", ["touch /tmp/caesura-pwned"]),
    ext(1, "subprocess", "Popen", [["touch", "/tmp/caesura-pwned"]]),
    ext(2, "subprocess", "Popen", {"args": ["touch", "/tmp/caesura-pwned"]}),
    ext(3, "os", "system", "touch /tmp/caesura-pwned", "__call__"),
    ext(5, "subprocess", "Popen", {"args": ["touch", "/tmp/caesura-pwned"]}, "__init__"),
    ext(0, "builtins", "eval", "open('/tmp/caesura-pwned','w')"),
    ext(1, "builtins", "exec", ["open('/tmp/caesura-pwned','w')"]),
    ext(0, "caesura.types.sys.modules", "os.system", "touch /tmp/caesura-pwned"),
    ext(0, "caesura.types", "sys.exit", 3),
    ext(0, "builtins", "object.__subclasses__", None),
    ext(4, "subprocess", "Popen", {"args": ["touch", "/tmp/caesura-pwned"]}),
]


@pytest.mark.parametrize("data", HOSTILE)
@pytest.mark.parametrize("allowed", [None, True])
def test_stored_bytes_never_select_something_to_call(data: bytes, allowed: typing.Any) -> None:
    target = pathlib.Path("/tmp/caesura-pwned")
    target.unlink(missing_ok=True)
    value = JsonPlusSerializer(allowed_msgpack_modules=allowed).decode(data)
    assert isinstance(value, (str, list, dict, int, type(None)))
    assert not target.exists()


def test_a_module_that_is_not_allowed_is_not_even_imported() -> None:
    code = (
        "import sys, ormsgpack as o\n"
        "from caesura.checkpoint.serde.jsonplus import JsonPlusSerializer as S\n"
        "b = o.packb(o.Ext(2, o.packb(['antigravity', 'X', {}])))\n"
        "assert S().decode(b) == {}\n"
        "bad = {'antigravity', 'pydantic', 'numpy', 'jsonschema', 'langchain_core'}\n"
        "assert not bad & sys.modules.keys(), bad & sys.modules.keys()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": ":".join(sys.path)})


def test_a_changed_class_loses_unknown_fields_and_falls_back_to_data_when_one_is_missing() -> None:
    assert TRUSTING.decode(ext(2, __name__, "Point", {"x": 1, "gone": 2})) == Point(1)
    assert TRUSTING.decode(ext(2, __name__, "Order", {"item": "a", "gone": 2})) == Order("a")
    assert TRUSTING.decode(ext(2, __name__, "Order", {"gone": 2})) == {"gone": 2}
    assert TRUSTING.decode(ext(0, __name__, "Colour", 99)) == 99


def test_unhashable_elements_of_a_set_stay_a_list() -> None:
    assert SERDE.decode(SERDE.encode({Money(decimal.Decimal(1))})) == [
        {"amount": decimal.Decimal(1)}
    ]


# --- bytes of others -----------------------------------------------------------------------------


def test_bytes_that_name_langgraph_modules_are_read_as_ours() -> None:
    assert SERDE.decode(ext(1, "langgraph.types", "Send", ["n", 1])) == Send("n", 1)
    assert SERDE.decode(
        ext(2, "langgraph.types", "Interrupt", {"value": "q", "id": "i", "resumable": True})
    ) == Interrupt("q", "i")
    assert SERDE.decode(ext(2, "langgraph.types", "Command", {"goto": "b"})) == Command(goto="b")


DAMAGED = [
    b"", b"\xc1", b"\x92\x01", b"\xdd\xff\xff\xff\xff", b"\xa5ab", b"\xd9", b"hello", b"[1, 2]",
    b"\x80\x04N.", b"\x93\x01\x02\x03\x04", b"\x81\xa1\xff\x01", b"\x91" * 5000,
    ext(99, 1), ext(0), ext(0, 1, 2, 3), ext(0, "uuid", "UUID"), ext(0, "uuid", "UUID", "zz"),
    ext(3, "datetime", "datetime", "never", "fromisoformat"), ext(3, "datetime", "datetime", 1),
    ext(3, "datetime", "datetime", "2026-01-01", "now"), ext(1, "re", "compile", ["(", 0]),
    ext(0, "zoneinfo", "ZoneInfo", "../../etc/passwd"), ext(1, "datetime", "date", [9999999, 1]),
    ext(0, "decimal", "Decimal", {}), ext(16, [{}, 1]), ext(16, 1), ext(6, "|O", [1], "C", b"x"),
    ext(6, "|O", [3], "C", [1]), ext(17), ext(17, "frame"),
    ext(17, "os.system", "ls"), ext(17, "nullable", "category", []), ext(17, "timestamp", 1, "Y", None),
    ext(6, "<f8", [2**40], "C", b""), ext(6, "<f8", [1], "C", b"x"),
    ormsgpack.packb(ormsgpack.Ext(2, b"\xc1")), ormsgpack.packb(ormsgpack.Ext(0, b"")),
]  # fmt: skip


@pytest.mark.parametrize("data", DAMAGED, ids=lambda d: repr(d)[:40])
def test_damaged_or_foreign_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(DeserializationError):
        SERDE.loads_typed(("msgpack", data))
    assert SERDE.decode(b"\x01") == 1, "and leave no trace"


def test_every_truncation_of_stored_bytes_is_refused() -> None:
    data = SERDE.encode({"a": [Order("x", [UTC, {1: {2}}])], "b": 1})
    for cut in range(len(data)):
        with pytest.raises(DeserializationError):
            SERDE.decode(data[:cut])
    with pytest.raises(DeserializationError):
        SERDE.decode(data + b"\x00")


def test_many_values_are_read_as_each_would_be_and_one_damaged_refuses_them_all() -> None:
    values = [1, None, [Point(1)], {"a": b"x"}, "", [[1], [2]]]
    parts = [SERDE.encode(value) for value in values]
    assert SERDE.decode_all(parts) == [SERDE.decode(part) for part in parts]
    assert SERDE.decode_all([]) == []
    for broken in (b"", b"\xc1", parts[2][:-1], parts[2] + b"\x00"):
        with pytest.raises(DeserializationError):
            SERDE.decode_all([*parts, broken, *parts])
    with pytest.raises(DeserializationError):  # together they are as long as two values
        SERDE.decode_all([b"\x92\x01", b"\x01\x02"])


@pytest.mark.parametrize("head", [b"\x91", b"\x81\xa1a", b"\x92\xc0"])
@pytest.mark.parametrize("levels", [3, 20, 99, 300])
def test_bombs_of_nested_objects_and_lists_never_exhaust_the_stack(
    head: bytes, levels: int
) -> None:
    body = b"\xc0"
    for _ in range(levels):
        name = ormsgpack.packb("builtins") + ormsgpack.packb("nothing")
        body = head * 1000 + ormsgpack.packb(ormsgpack.Ext(0, b"\x93" + name + body))
    outcome: list[typing.Any] = []

    def read() -> None:
        try:
            outcome.append(SERDE.decode(body))
        except DeserializationError as error:
            outcome.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    thread.join()
    assert len(outcome) == 1
    if levels > 3:
        assert "nested too deeply" in str(outcome[0])


def test_an_unknown_tag_is_named() -> None:
    with pytest.raises(NotImplementedError, match="Unknown serialization type: zzz"):
        SERDE.loads_typed(("zzz", b""))


def _lc2(*path: str, **more: typing.Any) -> bytes:
    import json

    return json.dumps({"x": {"lc": 2, "type": "constructor", "id": path, **more}}).encode()


def test_old_json_is_read_and_builds_only_what_is_allowed() -> None:
    def load(data: bytes, serde: JsonPlusSerializer = SERDE) -> typing.Any:
        return serde.loads_typed(("json", data))

    assert load(b'{"a": [1, null]}') == {"a": [1, None]}
    hex_id = uuid.UUID(int=5).hex
    assert load(_lc2("uuid", "UUID", args=[hex_id])) == {"x": uuid.UUID(int=5)}
    assert load(_lc2("builtins", "set", args=[[1, 2]])) == {"x": {1, 2}}
    moment = _lc2("datetime", "datetime", method="fromisoformat", args=["2026-01-01"])
    assert load(moment) == {"x": dt.datetime(2026, 1, 1)}
    system = load(_lc2("os", "system", args=["ls"]))
    assert system["x"]["id"] == ["os", "system"]
    order = _lc2(*__name__.split("."), "Order", kwargs={"item": "a"})
    assert load(order)["x"]["kwargs"] == {"item": "a"}
    allowed = JsonPlusSerializer(allowed_json_modules=[(*__name__.split("."), "Order")])
    assert load(order, allowed) == {"x": Order("a")}
    with pytest.raises(DeserializationError):
        load(b"{")
    with pytest.raises(DeserializationError):
        load(b"[" * 100_000)


def test_an_untyped_serializer_gets_the_typed_methods() -> None:
    class Plain:
        def dumps(self, obj: typing.Any) -> bytes:
            return str(obj).encode()

        def loads(self, data: bytes) -> typing.Any:
            return data.decode()

    wrapped = maybe_add_typed_methods(Plain())
    assert wrapped.loads_typed(wrapped.dumps_typed(3)) == "3"
    assert maybe_add_typed_methods(SERDE) is SERDE


# --- optional packages ---------------------------------------------------------------------------


def test_pydantic_models_come_back_equal_with_their_nested_subclasses() -> None:
    pydantic = pytest.importorskip("pydantic")

    class Base(pydantic.BaseModel):
        n: int = 1

    class Derived(Base):
        m: str = "x"

    class Holder(pydantic.BaseModel):
        model_config = {"extra": "allow"}
        base: Base
        alias: int = pydantic.Field(default=5, alias="other")
        hidden: int = pydantic.Field(default=0, exclude=True)
        pair: tuple[int, int] = (1, 2)
        secret: pydantic.SecretStr = pydantic.SecretStr("s")
        when: dt.datetime | None = None

    class Root(pydantic.RootModel[list[int]]):
        pass

    serde = SERDE.with_allowlist([Base, Derived, Holder, Root])
    holder = Holder(base=Derived(m="y"), other=7, hidden=3, extra_field={1: 2}, when=None)
    back = trip(holder, serde)
    assert back == holder
    assert type(back.base) is Derived
    assert back.model_fields_set == holder.model_fields_set
    assert (back.alias, back.hidden, back.pair) == (7, 3, (1, 2))
    assert trip(Root([1, 2]), serde) == Root([1, 2])
    broken = Base.model_construct(n="no number")
    assert trip(broken, serde).n == "no number"
    assert trip(holder, SERDE)["alias"] == 7


def test_langchain_messages_and_documents_come_back_equal_without_being_allowed() -> None:
    pytest.importorskip("langchain_core")
    from langchain_core.documents import Document
    from langchain_core.messages import AIMessage, HumanMessage, RemoveMessage, ToolMessage

    call = {"name": "pay", "args": {"amount": 1}, "id": "c", "type": "tool_call"}
    values = [
        HumanMessage("hi", id="1"),
        AIMessage("", tool_calls=[call], usage_metadata=None),
        ToolMessage("ok", tool_call_id="c", artifact={1: 2}),
        RemoveMessage(id="1"),
        Document("text", metadata={"a": 1}),
    ]
    assert trip(values, SERDE) == values
    assert [type(v) for v in trip(values, SERDE)] == [type(v) for v in values]


def test_numpy_arrays_and_scalars_come_back_equal_and_writable() -> None:
    np = pytest.importorskip("numpy")
    arrays = [
        np.arange(6).reshape(2, 3),
        np.asfortranarray(np.ones((2, 3))),
        np.array(3.5),
        np.array(["a", "bc"]),
        np.array(["2026-01-01"], dtype="M8[D]"),
        np.zeros((0, 3), dtype="float32"),
        np.arange(10)[::2],
    ]
    for array in arrays:
        back = trip(array)
        assert back.dtype == array.dtype and back.shape == array.shape
        assert (back == array).all()
        assert back.flags.writeable
    for scalar in (np.float32(1.5), np.int64(3), np.bool_(True), np.float64(2.5)):
        assert trip([scalar])[0] == scalar and type(trip([scalar])[0]) is type(scalar)
    with pytest.raises(SerializationError, match=r"numpy\.ndarray"):
        SERDE.encode({"x": np.zeros(2, dtype=[("a", "i4")])})


def test_arrays_of_objects_are_stored_item_by_item() -> None:
    np = pytest.importorskip("numpy")
    array = np.array([[1, "a"], [None, Order("b")]], dtype=object)
    back = trip(array)
    assert back.dtype == object and back.tolist() == array.tolist()
    nested = np.empty(2, dtype=object)
    nested[0], nested[1] = [1, 2], [3, 4]
    assert trip(nested).shape == (2,), "lists are items, not dimensions"
    with pytest.raises(SerializationError, match="range"):
        SERDE.encode({"x": np.array([range(2), None], dtype=object)})


def _frames() -> list[typing.Any]:
    np, pd = pytest.importorskip("numpy"), pytest.importorskip("pandas")
    days = pd.date_range("2026-01-01", periods=2, freq="D")
    mixed = pd.DataFrame(
        {
            "i": [1, 2], "f": [1.5, np.nan], "s": ["a", None], "o": [{"k": 1}, dt.date(2026, 1, 1)],
            "b": [True, False], "t": days, "z": days.tz_localize("Europe/Paris"),
            "d": pd.to_timedelta([1, 2], unit="s"), "c": pd.Categorical(["x", "y"], ordered=True),
            "n": pd.array([1, None], dtype="Int64"), "m": pd.array([True, None], dtype="boolean"),
            7: [b"x", b"y"],
        }
    )  # fmt: skip
    twice = pd.DataFrame([[1, 2]], columns=["a", "a"])
    twice.attrs = {"from": "here"}
    pairs = pd.MultiIndex.from_tuples([("a", 1), ("b", 2)], names=["x", None])
    return [
        mixed, twice, mixed.set_index("z"), mixed.T, pd.DataFrame(), mixed.iloc[:0],
        pd.DataFrame({"v": [1, 2]}, index=pairs), pd.DataFrame([[1, 2]], columns=pairs),
        pd.Series([1, 2], index=days, name=("a", 1)), pd.Series(["x"], dtype="string"),
        pd.Index(["a", "b"], name="n"), pd.RangeIndex(3), pd.Index([(1, 2)], tupleize_cols=False),
        days, days.tz_localize("Asia/Tokyo"),
    ]  # fmt: skip


@pytest.mark.parametrize("number", range(15))
def test_frames_series_and_indexes_of_pandas_come_back_equal(number: int) -> None:
    pd = pytest.importorskip("pandas")
    value = _frames()[number]
    back = trip({"x": [value]})["x"][0]
    assert type(back) is type(value)
    if isinstance(value, pd.DataFrame):
        pd.testing.assert_frame_equal(back, value)
        assert back.attrs == value.attrs
    elif isinstance(value, pd.Series):
        pd.testing.assert_series_equal(back, value)
    else:
        pd.testing.assert_index_equal(back, value)


def test_times_of_pandas_keep_their_nanoseconds_zones_and_gaps() -> None:
    pd = pytest.importorskip("pandas")
    values = [
        pd.Timestamp("2026-01-01T00:00:00.123456789"),
        pd.Timestamp("2026-10-25T00:30", tz="UTC").tz_convert("Europe/Paris"),
        pd.Timestamp("9999-01-01").as_unit("s"),
        pd.Timedelta("1D 3ns"),
    ]
    back = trip(values)
    assert back == values
    assert [type(v) for v in back] == [type(v) for v in values]
    assert (back[2].unit, str(back[1].tz)) == ("s", "Europe/Paris")
    assert trip(pd.NaT) is pd.NaT and trip(pd.NA) is pd.NA


def test_what_pandas_holds_and_cannot_be_stored_is_refused_by_name() -> None:
    pd = pytest.importorskip("pandas")

    class Mine(pd.DataFrame):  # type: ignore[name-defined,misc]
        pass

    for refused, name in (
        (pd.Interval(0, 1), "Interval"),
        (pd.Period("2026-01", freq="M"), "Period"),
        (pd.interval_range(0, 1), "IntervalIndex"),
        (Mine(), "Mine"),
        (pd.Series(pd.arrays.SparseArray([0, 1])), "SparseArray"),
        (pd.DataFrame({"a": [range(1)]}), "range"),
    ):
        with pytest.raises(SerializationError, match=name) as caught:
            SERDE.encode({"x": refused})
        assert caught.value.path.startswith("x")
