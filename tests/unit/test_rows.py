"""Rows: when a full one is due, how they fold, and what a codec stores."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from ormsgpack import packb

from caesura.checkpoint.ids import new_id, uuid6
from caesura.checkpoint.operations import Chain, Commit, FullState, InterruptRow, PutWrites
from caesura.checkpoint.rows import (
    ROW_WEIGHT,
    Codec,
    Headline,
    Row,
    Strand,
    chain_after,
    encode_commit,
    encode_writes,
    fold,
    orphans,
    pack_closing,
    packed_row,
    read_writes,
    seal_interrupt,
    unseal_interrupt,
    walk,
)
from caesura.checkpoint.serde.encrypted import EncryptedSerializer
from caesura.checkpoint.serde.jsonplus import JsonPlusSerializer
from caesura.constants import ERROR
from caesura.errors import DeserializationError, SerializationError, StorageError
from caesura.interrupts.lifecycle import MOVES, is_within, supersede, withdraw

CODEC = Codec(JsonPlusSerializer())


def commit(n: int, changes: dict[str, Any], full: dict[str, Any], chain: Chain | None) -> Commit:
    versions = dict.fromkeys(changes, n)
    return Commit(
        thread_id="t",
        ns="",
        checkpoint_id=f"{n:04}",
        parent_id=f"{n - 1:04}" if n else None,
        expected_head=None,
        ts="now",
        metadata={"step": n},
        changes=changes,
        versions=versions,
        seen={"node": versions},
        updated=list(changes),
        full=lambda: FullState(full, versions, {}),
        chain=chain,
    )


def grow(
    count: int, change: Callable[[int], dict[str, Any]], full: Callable[[int], Any]
) -> list[Row]:
    rows, chain = [], None
    for n in range(count):
        op = commit(n, change(n), full(n), chain)
        rows.append(encode_commit(CODEC, op))
        chain = chain_after(rows[-1], chain)
    return rows


def message(n: int) -> dict[str, Any]:
    return {"id": n, "content": "x" * 2000}


def test_the_first_row_is_full() -> None:
    (row,) = grow(1, lambda n: {"a": ("s", 1)}, lambda n: {"a": 1})
    assert row.weight == 0
    assert row.worth == len(row.body) + ROW_WEIGHT
    assert fold(CODEC, [row]).values == {"a": 1}


def test_a_chat_that_only_grows_is_stored_once() -> None:
    rows = grow(
        300,
        lambda n: {"m": ("l", n, 0, [message(n)])},
        lambda n: {"m": [message(i) for i in range(n + 1)]},
    )
    assert [row.weight for row in rows[10:]].count(0) == 0
    assert sum(len(row.body) for row in rows) < 1.2 * 300 * 2000


def test_a_value_set_again_and_again_is_full_as_often_as_it_is_worth() -> None:
    value = "x" * 3000
    rows = grow(40, lambda n: {"a": ("s", value)}, lambda n: {"a": value})
    full = [row.weight == 0 for row in rows]
    assert full[0]
    assert all(one or two for one, two in pairwise(full))


def test_dead_weight_never_exceeds_worth_in_a_walk() -> None:
    big = "x" * 20_000
    rows = grow(
        200,
        lambda n: {"n": ("s", n), "d": ("d", {"k": ("s", "y" * 100)}, [])},
        lambda n: {"n": n, "big": big},
    )
    dead = 0
    for row in rows:
        dead = 0 if row.weight == 0 else dead + len(row.body) + ROW_WEIGHT
        assert dead <= row.worth


def test_many_steps_with_wide_versions_do_not_pass_for_growth() -> None:
    wide = {f"channel-{i}": ("s", None) for i in range(20)}
    rows = grow(
        400,
        lambda n: {"m": ("l", n, 0, [n]), **wide},
        lambda n: {"m": list(range(n)), **dict.fromkeys(wide)},
    )
    since = [0]
    for row in rows:
        since.append(0 if row.weight == 0 else since[-1] + 1)
    assert max(since) < 60


def test_a_gone_channel_has_no_value() -> None:
    rows = grow(2, lambda n: {"a": ("g",) if n else ("s", 1)}, lambda n: {"a": 1, "b": "x" * 2000})
    assert rows[1].weight > 0
    assert fold(CODEC, rows).values == {"b": "x" * 2000}


def test_folding_twice_gives_values_that_share_nothing() -> None:
    rows = grow(2, lambda n: {"m": ("l", n, 0, [[n]])}, lambda n: {"m": [[0]], "pad": "x" * 3000})
    one, two = fold(CODEC, rows), fold(CODEC, rows)
    one.values["m"][0].append("mine")
    assert two.values["m"] == [[0], [1]]


def test_a_strand_gives_the_state_at_every_row() -> None:
    rows = grow(
        200,
        lambda n: {"m": ("l", n, 0, [{"n": n, "pad": "x" * 1500}])},
        lambda n: {"m": [{"n": i, "pad": "x" * 1500} for i in range(n + 1)]},
    )
    walked = walk(rows, "0199")
    strand = Strand(CODEC, walked)
    for row in reversed(walked):
        expected = fold(CODEC, walk(rows, row.checkpoint_id))
        assert strand.state(row.checkpoint_id) == expected
        assert strand.chain(row.checkpoint_id)[1:] == (row.worth, row.weight)


def test_a_walk_without_its_full_row_is_an_error() -> None:
    rows = grow(3, lambda n: {"n": ("s", n)}, lambda n: {"n": n, "pad": "x" * 5000})
    assert walk(rows, "unknown") == []
    with pytest.raises(StorageError, match="builds on 0000"):
        walk(rows[1:], "0002")


def test_orphans_find_their_nearest_ancestor_left() -> None:
    lines = [
        Headline("1", None, 0, None),
        Headline("2", "1", 600, None),
        Headline("3", "2", 600, None),
        Headline("4", "3", 600, None),
        Headline("5", "1", 600, None),
    ]
    assert orphans(lines, {"2", "3"}) == [(lines[3], "1")]
    assert orphans(lines, {"1"}) == [(lines[1], None), (lines[4], None)]
    assert orphans(lines, {"1", "2", "3"}) == [(lines[3], None), (lines[4], None)]


def test_an_unserialisable_value_is_named_by_its_path_in_the_state() -> None:
    bad = [{"ok": 1}, {"k": object()}]
    op = commit(1, {"m": ("l", 1, 0, bad[1:])}, {"m": bad}, Chain("0", 10**6, 0))
    with pytest.raises(SerializationError) as refused:
        encode_commit(CODEC, op)
    with pytest.raises(SerializationError) as alone:
        CODEC.encode({"m": bad})
    assert refused.value.path == alone.value.path


def test_only_the_last_write_to_a_special_channel_counts() -> None:
    writes = [("__error__", 1), ("a", 2), ("__error__", 3), ("a", 4)]
    rows = encode_writes(CODEC, "t", "p", writes)
    assert [(row.idx, CODEC.decode(row.value)) for row in rows] == [(-1, 3), (1, 2), (3, 4)]


def test_tagged_bytes_never_look_like_plain_ones() -> None:
    class Typed:
        def dumps_typed(self, obj: Any) -> tuple[str, bytes]:
            return "text", str(obj).encode()

        def loads_typed(self, data: tuple[str, bytes]) -> Any:
            assert data[0] in ("text", "msgpack")
            return data[1].decode() if data[0] == "text" else "plain"

    typed = Codec(Typed())
    assert typed.encode(12)[0] == 0xC1
    assert typed.decode(typed.encode(12)) == "12"
    assert typed.decode(CODEC.encode([1])) == "plain"
    for value in (None, 0, -1, 1.5, "x", b"x", [1], {"a": 1}, 2**63, True):
        assert CODEC.encode(value)[0] != 0xC1


def test_an_interrupt_row_survives_storage() -> None:
    row = InterruptRow(
        id="i", thread_id="t", ns="", checkpoint_id="c", task_id="k", ancestors=("a", "b"),
        node="n", slot=1, digest="d", payload={"q": 1}, response_schema={"type": "string"},
        status="answered", answer=None, answered_at="now", done=True,
    )  # fmt: skip
    assert unseal_interrupt(CODEC, seal_interrupt(CODEC, row)) == row


def test_what_is_closed_stays_closed() -> None:
    row = InterruptRow("i", "t", "", "c", "k", (), "n", 0, "d", None)
    gone = withdraw(row, "why", "now")
    assert gone is not None
    assert withdraw(gone, "again", "later") is None
    assert supersede(gone, "next", "again", "later") is None
    assert {status for status, _ in MOVES} == {"open", "answered"}


def test_a_namespace_holds_itself_and_what_is_nested() -> None:
    assert is_within("a:1|b:2", "a:1")
    assert is_within("a:1", "a:1")
    assert is_within("anything", "")
    assert not is_within("a:10", "a:1")
    assert not is_within("a:1", "a:1|b:2")


def test_ids_sort_in_the_order_of_making() -> None:
    made = [uuid6() for _ in range(5000)]
    texts = [str(i) for i in made]
    assert texts == sorted(texts)
    assert len({t[:18] for t in texts}) == 5000
    assert {i.version for i in made} == {6}
    mixed = [str(uuid6()) if n % 2 else new_id() for n in range(100)]
    assert mixed == sorted(mixed)
    assert all(str(UUID(i)) == i for i in mixed)
    assert uuid6(node=1, clock_seq=-2).hex.endswith("bffe000000000001")


_ORDINARY = [("a", 1), ("b", [2, {"c": [b"d"]}])]


def _put(task_id: str, writes: list[tuple[str, Any]]) -> PutWrites:
    return PutWrites("t", "", "1", task_id, f"~{task_id}", writes)


def test_what_tasks_wrote_is_read_as_it_was_packed() -> None:
    codec = Codec(JsonPlusSerializer())
    data = pack_closing(codec, [_put("t2", _ORDINARY), _put("t1", [(ERROR, "e"), ("a", None)])])
    assert [tuple(write) for write in read_writes(codec, [], data)] == [
        ("t1", -1, "~t1", ERROR, "e"),
        ("t1", 1, "~t1", "a", None),
        ("t2", 0, "~t2", "a", 1),
        ("t2", 1, "~t2", "b", [2, {"c": [b"d"]}]),
    ]


def test_what_was_packed_is_the_same_in_a_row_of_its_own() -> None:
    codec = Codec(JsonPlusSerializer())
    data = pack_closing(codec, [_put("t", _ORDINARY)])
    assert read_writes(codec, [packed_row(data, "2")]) == read_writes(codec, [], data)


def test_of_two_writes_in_one_place_the_one_that_was_stored_by_itself_counts() -> None:
    codec = Codec(JsonPlusSerializer())
    apart = encode_writes(codec, "t", "~t", [("a", "first")])
    found = read_writes(codec, apart, pack_closing(codec, [_put("t", [("a", 2), ("b", 3)])]))
    assert [(write.channel, write.value) for write in found] == [("a", "first"), ("b", 3)]


def test_writes_packed_by_earlier_versions_are_read() -> None:
    codec = Codec(JsonPlusSerializer())
    first_form = packb([tuple(row) for row in encode_writes(codec, "t", "~t", _ORDINARY)])
    packed = pack_closing(codec, [_put("t", _ORDINARY)])
    assert read_writes(codec, [], first_form) == read_writes(codec, [], packed)


def test_where_all_is_encrypted_packed_writes_must_be() -> None:
    plain, sealed = (
        Codec(JsonPlusSerializer()),
        Codec(EncryptedSerializer.from_pycryptodome_aes(key=b"0123456789abcdef")),
    )
    data = pack_closing(sealed, [_put("t", [("a", "a secret")])])
    assert b"a secret" not in data
    assert [write.value for write in read_writes(sealed, [], data)] == ["a secret"]
    old = packb([tuple(row) for row in encode_writes(sealed, "t", "~t", [("a", "a secret")])])
    assert [write.value for write in read_writes(sealed, [], old)] == ["a secret"]
    with pytest.raises(DeserializationError):
        read_writes(sealed, [], pack_closing(plain, [_put("t", [("a", "planted")])]))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        b"\x01",
        b"\x91\x01",
        b"\x91\x91\xa1t",
        b"\x91\x93\xa1t\xa1p\xa1c",
        b"\x91\x94\x01\xa1p\xa1c\xa1v",
        b"\x91\x94\xa1t\x00\xa1p\xa1c",
        b"\x91\x95\xa1t\x00\xa1p\xa1c\xa1v",
    ],
)
def test_damaged_writes_are_refused_and_not_guessed(data: bytes) -> None:
    with pytest.raises(DeserializationError):
        read_writes(Codec(JsonPlusSerializer()), [], data)
