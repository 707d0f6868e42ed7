"""What is stored, as plain rows, and how rows become checkpoints again. Pure.

A checkpoint is one `Row`. A *full* row (``weight`` 0) holds all values, versions and seen maps; any
other holds the changes against its parent. Reading walks the parents back to the nearest full row
and folds forward from there.

When is a full row written? Reading must cost as much as the value is worth, and storing as much as
what changed. So each row is weighed: bytes that add to the value (appended list items) make the
*worth* of the chain grow, all other bytes, and a constant for the row itself, are *dead weight*. A
full row is due once the dead weight reaches the worth. Hence at most half of what is read is dead,
and a full row of n bytes comes only after n dead bytes: stored in total is at most three times what
changed, and about once that for a chat that only grows.

Values, answers and payloads are kept as bytes in every saver, the one in memory too: nothing that a
program holds is shared with what is stored.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from itertools import chain as _joined
from operator import attrgetter
from secrets import token_hex
from typing import Any, Final, NamedTuple, TypeVar, cast

from ormsgpack import unpackb

from caesura.checkpoint.operations import (
    SHAPE,
    Accept,
    Chain,
    Commit,
    CopyThread,
    FullState,
    InterruptRow,
    Load,
    Loaded,
    Place,
    PutWrites,
    Version,
)
from caesura.checkpoint.recent import Known, Recent
from caesura.constants import ERROR, EXTRAS, INTERRUPT, RESUME, SCHEDULED
from caesura.core import patch
from caesura.errors import DecryptionError, DeserializationError, SerializationError, StorageError

ROW_WEIGHT: Final = 512
"""What reading one more row costs, in bytes of value decoded."""
_WINDOW: Final = 64
_TAGGED: Final = 0xC1
"""The one byte that no MessagePack value starts with."""
_TAG: Final = bytes((_TAGGED,))
_SEALED_TEXT: Final = "\x02caesura:"

SPECIAL_INDEX: Final[Mapping[str, int]] = {ERROR: -1, SCHEDULED: -2, INTERRUPT: -3, RESUME: -4}
_PACKED: Final = -9
"""Index of a row that holds all that the tasks of a step wrote (`pack_closing`)."""


# --- bytes -----------------------------------------------------------------------------------


class Codec:
    """Bytes for values, by way of a serializer.

    A serializer that offers ``encode``/``decode`` (MessagePack) is called directly, and its bytes
    are stored as they are. Bytes of any other are stored behind their tag: 0xC1, length, tag,
    bytes. Such a one may encrypt, so the texts of interrupts go through it as well, and nothing that was
    read is kept.
    """

    __slots__ = (
        "_raw_decode", "_raw_decode_all", "_serde", "_strict", "conceals", "encode", "recent",
    )  # fmt: skip

    encode: Callable[[Any], bytes]
    """The bytes of a value. Raises `SerializationError` with the path of what cannot be stored."""
    conceals: bool
    """Stored texts and payloads are not as people wrote them: nothing can be searched in them."""
    recent: Recent
    """What was read last. Codecs of one database may have the same."""

    def __init__(self, serde: Any, recent: Recent | None = None) -> None:
        self._serde = serde
        raw = _offers_raw(serde)
        self._raw_decode = serde.decode if raw else None
        self._raw_decode_all = getattr(serde, "decode_all", None) if raw else None
        self.conceals = not raw
        self._strict = bool(getattr(serde, "require_encrypted", False))
        self.encode = serde.encode if raw else self._encode_tagged
        self.recent = recent if raw and recent is not None else Recent(keep=0)

    def _encode_tagged(self, value: Any) -> bytes:
        tag, data = self._serde.dumps_typed(value)
        name: bytes = tag.encode()
        return b"".join((bytes((_TAGGED, len(name))), name, data))

    def decode(self, data: bytes) -> Any:
        """The value of the bytes. Raises `DeserializationError`."""
        if data and data[0] == _TAGGED:
            return self._serde.loads_typed(_tag_and_bytes(data))
        if self._raw_decode is not None:
            return self._raw_decode(data)
        return self._serde.loads_typed(("msgpack", data))

    def decode_all(self, parts: Sequence[bytes]) -> list[Any]:
        """The values of each. Raises `DeserializationError`."""
        if self._raw_decode_all is None or any(part[:1] == _TAG for part in parts):
            return [self.decode(part) for part in parts]
        return cast("list[Any]", self._raw_decode_all(parts))

    def seal_text(self, text: str | None) -> str | None:
        """A text column of an interrupt, as stored."""
        if text is None or not self.conceals:
            return text
        return _SEALED_TEXT + b64encode(self.encode(text)).decode()

    def open_text(self, text: str | None) -> str | None:
        """What `seal_text` was given. Raises `DeserializationError`."""
        if text is None:
            return None
        if not text.startswith(_SEALED_TEXT):
            if self._strict:
                raise DecryptionError("A stored text is not encrypted. It was not read.")
            return text
        try:
            data = b64decode(text[len(_SEALED_TEXT) :], validate=True)
        except ValueError:
            raise DeserializationError("A stored text is damaged") from None
        return cast(str, self.decode(data))


def _tag_and_bytes(data: bytes) -> tuple[str, bytes]:
    start = 2 + data[1] if len(data) > 1 else 0
    try:
        if 2 < start <= len(data):
            return data[2:start].decode(), data[start:]
    except ValueError:
        pass
    raise DeserializationError("Stored bytes have no readable tag")


def _offers_raw(serde: Any) -> bool:
    """True if ``encode`` and ``decode`` do what the typed methods do.

    A subclass that overrides the typed methods, to encrypt for instance, must not be passed by.
    """
    for cls in type(serde).__mro__:
        if "dumps_typed" in vars(cls) or "loads_typed" in vars(cls):
            return "encode" in vars(cls) and hasattr(serde, "decode")
    return False


# --- checkpoints -----------------------------------------------------------------------------


class Row(NamedTuple):
    """A stored checkpoint of one (thread, ns)."""

    checkpoint_id: str
    parent_id: str | None
    worth: int
    """Estimated bytes of the whole value."""
    weight: int
    """Dead weight since the last full row; 0 means: this row is full."""
    ts: str
    step: int
    run_id: str | None
    metadata: bytes
    body: bytes
    """Encoded ``[values or patches, versions, seen, updated]``."""
    closing: bytes | None = None
    """What tasks wrote on the parent, and was stored with this row (`pack_closing`)."""
    follows: str | None = None
    """The newest checkpoint when it was stored, if that is not the parent. If that is not known, its own
    id; and of one that was put, more behind that (`put_mark`)."""


def put_mark(checkpoint_id: str) -> str:
    """What tells one putting of a checkpoint from another: its id alone, which others chose, does not."""
    return f"{checkpoint_id} {token_hex(8)}"


class State(NamedTuple):
    """A folded checkpoint."""

    values: dict[str, Any]
    versions: dict[str, Version]
    seen: dict[str, dict[str, Version]]
    updated: list[str] | None


def encode_commit(
    codec: Codec, op: Commit, *, full: bool = False, closing: bytes | None = None
) -> Row:
    """The row that stores ``op``: changes, or everything if that is due (or ``full``)."""
    metadata = op.metadata
    encoded = codec.encode(metadata if type(metadata) is dict else dict(metadata))
    step, run_id = metadata.get("step"), metadata.get("run_id")
    head = (op.ts, step if type(step) is int else 0, run_id and str(run_id), encoded)
    chain = op.chain
    if chain is not None and op.parent_id is not None and not (full or _full_is_sure(op, chain)):
        body = _encode_changes(codec, op)
        grown, dead = weigh(op, len(body))
        worth, weight = chain.snapshot_weight + grown, chain.weight + dead
        if weight < worth:
            return Row(op.checkpoint_id, op.parent_id, worth, weight, *head, body, closing)
    body = encode_full(codec, op.full(), op.updated)
    return Row(op.checkpoint_id, op.parent_id, len(body) + ROW_WEIGHT, 0, *head, body, closing)


def _full_is_sure(op: Commit, chain: Chain) -> bool:
    """True if the changes need not be encoded to know that a full row is due: nothing is appended."""
    if chain.weight + ROW_WEIGHT < chain.snapshot_weight:
        return False
    return not any(change[0] == "l" and not change[2] for change in op.changes.values())


def encode_full(
    codec: Codec, state: FullState | State, updated: Sequence[str] | None = None
) -> bytes:
    """The body of a full row."""
    try:
        return codec.encode([dict(state.values), dict(state.versions), dict(state.seen), updated])
    except SerializationError:
        _name_culprit(codec, state.values)
        raise


def _encode_changes(codec: Codec, op: Commit) -> bytes:
    try:
        return codec.encode([op.changes, op.versions, op.seen, op.updated])
    except SerializationError:
        _name_culprit(codec, op.full().values)
        raise


def _name_culprit(codec: Codec, values: Mapping[str, Any]) -> None:
    """Encode the values by themselves, so that the error names a path in the state."""
    codec.encode(dict(values))


def weigh(op: Commit, size: int) -> tuple[int, int]:
    """``(bytes that add to the value, dead weight)`` of changes that take ``size`` bytes."""
    dead, appends = 0, False
    for change in op.changes.values():
        kind = change[0]
        if kind == "l" and not change[2]:
            appends = True
        elif kind != "g":
            small = _small(change[1]) if kind == "s" else None
            if small is None:
                return 0, size + ROW_WEIGHT
            dead += small
    if not appends:
        return 0, size + ROW_WEIGHT
    dead += 48 * (len(op.changes) + len(op.versions) + len(op.updated))
    for versions in op.seen.values():
        dead += 48 * (len(versions) + 1)
    dead = min(dead, size)
    return size - dead, dead + ROW_WEIGHT


def _small(value: Any) -> int | None:
    """Bytes of a scalar, at least; None for all else."""
    if value is None or type(value) in (bool, int, float):
        return 9
    return 3 * len(value) + 5 if type(value) is str else None


def chain_of(rows: Sequence[Row]) -> Chain:
    """Where the last of ``rows`` (a walk, oldest first) sits in its chain."""
    return Chain(rows[0].checkpoint_id, rows[-1].worth, rows[-1].weight)


def longest(row: Row, start: Row | None = None) -> int:
    """How many rows there are in the walk to ``row``, at most; from ``start``, if it is given."""
    return (row.weight - (start.weight if start is not None else 0)) // ROW_WEIGHT + 1


def chain_after(row: Row, before: Chain | None) -> Chain:
    """What `Commit` returns for the row that it stored."""
    first = row.checkpoint_id if row.weight == 0 or before is None else before.snapshot_id
    return Chain(first, row.worth, row.weight)


def walk(found: Iterable[Row], checkpoint_id: str) -> list[Row]:
    """Rows found, in any order, as the walk to ``checkpoint_id``: oldest first, starting full.

    Empty if the checkpoint is not among them. Raises `StorageError` if its full row is not.
    """
    made = trace(found, checkpoint_id)
    if made and made[0].weight:
        raise broken(made)
    return made


def broken(rows: Sequence[Row]) -> StorageError:
    """The full row of ``rows`` (a walk, oldest first) is not among them."""
    return StorageError(
        f"Checkpoint {rows[-1].checkpoint_id} cannot be read: it builds on {rows[0].parent_id}, "
        "which is not stored. Nothing was changed."
    )


def trace(found: Iterable[Row], checkpoint_id: str) -> list[Row]:
    """As much of the walk to ``checkpoint_id`` as was found, oldest first."""
    return trace_in({row.checkpoint_id: row for row in found}, checkpoint_id)


def trace_in(by_id: Mapping[str, Row], checkpoint_id: str) -> list[Row]:
    """`trace`, where the rows are found by their ids."""
    row = by_id.get(checkpoint_id)
    made: list[Row] = []
    while row is not None:
        made.append(row)
        row = by_id.get(row.parent_id) if row.weight and row.parent_id else None
    made.reverse()
    return made


def fold(codec: Codec, rows: Sequence[Row]) -> State:
    """The state at the last of ``rows`` (a walk, oldest first). Nothing in it is shared."""
    return _fold_on(codec, State(*codec.decode(rows[0].body)), rows)


def _fold_on(codec: Codec, state: State, rows: Sequence[Row]) -> State:
    """``state``, which is that of the first of ``rows``, at the last; its containers are used up."""
    values, versions, seen, updated = state
    for start in range(1, len(rows), _WINDOW):
        changes = codec.decode_all([row.body for row in rows[start : start + _WINDOW]])
        for patches, newer, shown, _ in changes:
            versions.update(newer)
            seen.update(shown)
            for name, change in patches.items():
                if change[0] == "g":
                    values.pop(name, None)
                else:
                    values[name] = patch.apply(values.get(name), change, in_place=True)
        updated = changes[-1][3]
    return State(values, versions, seen, updated)


class Folded(NamedTuple):
    """A state, and where its checkpoint sits in its chain."""

    state: State
    chain: Chain


def folded(codec: Codec, rows: Sequence[Row], known: Known | None = None) -> Folded | None:
    """What the last of ``rows`` (oldest first) holds; None if they begin neither full nor at ``known``."""
    if known is not None and known.is_at(rows[0]):
        state, last = _fold_on(codec, State(*known.state()), rows), rows[-1]
        return Folded(state, Chain(known.snapshot_id, last.worth, last.weight))
    return None if rows[0].weight else Folded(fold(codec, rows), chain_of(rows))


def _step(state: State, changes: Sequence[Any]) -> State:
    """``state`` one row later: a new one that shares what did not change."""
    patches, versions, seen, updated = changes
    values = dict(state.values)
    for name, change in patches.items():
        if change[0] == "g":
            values.pop(name, None)
        else:
            values[name] = patch.apply(values.get(name), change)
    return State(values, {**state.versions, **versions}, {**state.seen, **seen}, updated)


class Strand:
    """The states along one walk, for reading history backward without folding each from the start.

    Folds forward once, keeping every 64th state; a state asked for is folded with its window, and
    the states of the window wait for their turn. States share what did not change between them.
    """

    def __init__(self, codec: Codec, rows: Sequence[Row]) -> None:
        self.rows = rows
        self._changes = codec.decode_all([row.body for row in rows])
        self._index = {row.checkpoint_id: i for i, row in enumerate(rows)}
        self._marks = [State(*self._changes[0])]
        state = self._marks[0]
        for i in range(1, len(rows)):
            state = _step(state, self._changes[i])
            if i % _WINDOW == 0:
                self._marks.append(state)
        self._window: list[State] = []
        self._window_at = -1

    def __contains__(self, checkpoint_id: str) -> bool:
        return checkpoint_id in self._index

    def chain(self, checkpoint_id: str) -> Chain:
        """Where a checkpoint of this walk sits in it."""
        return chain_of((self.rows[0], self.rows[self._index[checkpoint_id]]))

    def state(self, checkpoint_id: str) -> State:
        """The state at a checkpoint of this walk. The outer dicts are the caller's own."""
        at, offset = divmod(self._index[checkpoint_id], _WINDOW)
        if at != self._window_at:
            self._open_window(at)
        found = self._window[offset]
        return State(dict(found.values), dict(found.versions), dict(found.seen), found.updated)

    def _open_window(self, at: int) -> None:
        start = at * _WINDOW
        states = [self._marks[at]]
        for changes in self._changes[start + 1 : start + _WINDOW]:
            states.append(_step(states[-1], changes))
        self._window, self._window_at = states, at


def collapsed(codec: Codec, rows: Sequence[Row], parent_id: str | None) -> Row:
    """The last of ``rows`` (a walk, oldest first) as a full row under another parent."""
    state = fold(codec, rows)
    body = encode_full(codec, state, state.updated)
    worth = len(body) + ROW_WEIGHT
    return rows[-1]._replace(parent_id=parent_id, worth=worth, weight=0, body=body)


class Headline(NamedTuple):
    """What deleting must know of a stored checkpoint."""

    checkpoint_id: str
    parent_id: str | None
    weight: int
    run_id: str | None


def orphans(headlines: Iterable[Headline], doomed: set[str]) -> list[tuple[Headline, str | None]]:
    """Checkpoints left whose parent is ``doomed``, each with its nearest ancestor left, if any."""
    known = {h.checkpoint_id: h for h in headlines}
    found = []
    for headline in known.values():
        parent = headline.parent_id
        if headline.checkpoint_id in doomed or parent not in doomed:
            continue
        while parent is not None and parent in doomed:
            parent = known[parent].parent_id if parent in known else None
        found.append((headline, parent))
    return found


# --- writes ----------------------------------------------------------------------------------


class WriteRow(NamedTuple):
    """A stored write of a task."""

    task_id: str
    idx: int
    """Position among the task's writes; negative for the special channels (`SPECIAL_INDEX`)."""
    task_path: str
    channel: str
    value: bytes


def encode_writes(
    codec: Codec, task_id: str, task_path: str, writes: Sequence[tuple[str, Any]]
) -> list[WriteRow]:
    """The rows of what a task wrote. Of several writes to one special channel the last counts."""
    encode = codec.encode
    special, repeated = SPECIAL_INDEX, False
    made = []
    for i, (channel, value) in enumerate(writes):
        if channel in special:
            i, repeated = special[channel], len(writes) > 1
        try:
            made.append(WriteRow(task_id, i, task_path, channel, encode(value)))
        except SerializationError:
            encode({channel: value})  # so that the error names the channel, too
            raise
    return list({row.idx: row for row in made}.values()) if repeated else made


class Written(NamedTuple):
    """A write of a task, as it is read."""

    task_id: str
    idx: int
    task_path: str
    channel: str
    value: Any


def only_writes(op: PutWrites) -> bool:
    """True if there is nothing to store but what a task wrote."""
    return not (op.opened or op.superseded or op.done or op.mended)


def pack_closing(codec: Codec, puts: Sequence[PutWrites]) -> bytes:
    """What tasks wrote on one checkpoint, in one piece: of each its id, path, and channels and values."""
    try:
        return codec.encode(
            [[put.task_id, put.task_path, *_joined.from_iterable(put.writes)] for put in puts]
        )
    except SerializationError:
        for put in puts:  # so that the error names the channel
            encode_writes(codec, put.task_id, put.task_path, put.writes)
        raise


def packed_row(closing: bytes, follower: str) -> WriteRow:
    """What `pack_closing` made as a row of its own, whatever came of the checkpoint ``follower``."""
    return WriteRow(follower, _PACKED, "", "", closing)


_AWrite = TypeVar("_AWrite", "WriteRow", "Written")


def merged(writes: Iterable[_AWrite]) -> list[_AWrite]:
    """What stays of writes that come one after the other: the first, of special channels the last."""
    kept: dict[tuple[str, int], _AWrite] = {}
    for write in writes:
        if write.idx < 0 or (write.task_id, write.idx) not in kept:
            kept[write.task_id, write.idx] = write
    return list(kept.values())


def read_writes(
    codec: Codec, stored: Iterable[WriteRow], closing: bytes | None = None
) -> list[Written]:
    """All writes on a checkpoint in the order of pending writes; those stored by themselves came first.

    Raises `DeserializationError`.
    """
    made: list[Written] = []
    packed: list[tuple[str, bytes]] = []
    for row in stored:
        if row.idx == _PACKED:
            packed.append((row.task_id, row.value))
        else:
            made.append(Written(*row[:4], codec.decode(row.value)))
    for _, piece in sorted(packed):  # in the order of what came after it
        made.extend(_unpack(codec, piece))
    if closing is not None:
        made.extend(_unpack(codec, closing))
    return sorted(merged(made), key=_write_order)


_write_order = attrgetter("task_path", "task_id", "idx")


def _unpack(codec: Codec, closing: bytes) -> Iterable[Written]:
    """What `pack_closing` was given, now or in its first form, which encoded each value by itself."""
    is_first_form = codec.conceals and closing[:1] != _TAG
    found = _unpacked(closing) if is_first_form else codec.decode(closing)
    try:
        for task_id, path, *flat in found:
            if type(path) is int:
                task_path, channel, value = flat
                yield Written(task_id, path, task_path, channel, codec.decode(value))
            elif is_first_form or type(task_id) is not str or type(path) is not str:
                raise ValueError(task_id)
            else:
                pairs = zip(flat[::2], flat[1::2], strict=True)
                for i, (channel, value) in enumerate(pairs):
                    yield Written(task_id, SPECIAL_INDEX.get(channel, i), path, channel, value)
    except (ValueError, TypeError):
        raise DeserializationError("What tasks wrote on a checkpoint is damaged") from None


def _unpacked(data: bytes) -> Any:
    try:
        return unpackb(data)
    except ValueError:
        raise DeserializationError("What tasks wrote on a checkpoint is damaged") from None


# --- interrupts ------------------------------------------------------------------------------

INTERRUPT_COLUMNS: Final = tuple(f.name for f in fields(InterruptRow))
"""The fields of `InterruptRow`, in the order in which they are stored."""
_BYTES: Final = ("payload", "response_schema", "answer")
_PAYLOAD, _SCHEMA, _ANSWER, _ANCESTORS, _STATUS, _DONE = (
    INTERRUPT_COLUMNS.index(n) for n in (*_BYTES, "ancestors", "status", "done")
)
_TEXTS: Final = tuple(
    INTERRUPT_COLUMNS.index(n) for n in ("digest", "key", "title", "answered_by", "reason")
)
"""What people wrote, or what tells of it: a digest gives away a payload that can be guessed."""
_all_fields = attrgetter(*INTERRUPT_COLUMNS)
_NONE: Final = "[]"


def seal_interrupt(codec: Codec, row: InterruptRow) -> tuple[Any, ...]:
    """``row`` as stored: its columns, values in bytes. An answer only where there is one."""
    columns = list(_all_fields(row))
    columns[_PAYLOAD] = codec.encode(row.payload)
    columns[_SCHEMA] = None if row.response_schema is None else codec.encode(row.response_schema)
    columns[_ANSWER] = None if row.answered_at is None else codec.encode(row.answer)
    columns[_ANCESTORS] = json.dumps(row.ancestors) if row.ancestors else _NONE
    columns[_DONE] = int(row.done)
    if codec.conceals:
        for i in _TEXTS:
            columns[i] = codec.seal_text(columns[i])
    return tuple(columns)


def unseal_interrupt(codec: Codec, columns: Sequence[Any]) -> InterruptRow:
    """The row of stored columns."""
    made = list(columns)
    for i in (_PAYLOAD, _SCHEMA, _ANSWER):
        if made[i] is not None:
            made[i] = codec.decode(made[i])
    made[_ANCESTORS] = () if made[_ANCESTORS] == _NONE else tuple(json.loads(made[_ANCESTORS]))
    made[_DONE] = bool(made[_DONE])
    if codec.conceals:
        for i in _TEXTS:
            made[i] = codec.open_text(made[i])
    return InterruptRow(*made)


def inside_of(row: InterruptRow, writes: Iterable[Written]) -> bool:
    """True if ``row`` was asked inside of a task that left these writes, in a graph or a call."""
    return any(write.task_id in row.ancestors for write in writes)


def moved(row: InterruptRow, thread_id: str) -> InterruptRow:
    """``row`` as one of another thread."""
    return row.changed(thread_id=thread_id)


def sealed_is_live(columns: Sequence[Any]) -> bool:
    """`caesura.interrupts.lifecycle.is_live` of stored columns."""
    status = columns[_STATUS]
    return status == "open" or (status == "answered" and not columns[_DONE])


def target_of(op: Accept) -> str:
    """The checkpoint that the writes of ``op`` are put on."""
    if op.checkpoint_id is None:
        raise ValueError("Accept.writes need Accept.checkpoint_id: the checkpoint they are put on")
    return op.checkpoint_id


def target_exists(op: CopyThread) -> str:
    """The message of a refused copy."""
    return (
        f"Thread {op.target_id!r} has checkpoints already; nothing was copied from "
        f"{op.source_id!r}. Delete it first or copy to a new thread."
    )


# --- assembly --------------------------------------------------------------------------------


def assemble(
    codec: Codec,
    op: Load | Place,
    row: Row,
    state: State,
    chain: Chain,
    *,
    head_id: str,
    writes: Iterable[Written] = (),
    interrupts: list[InterruptRow] | None = None,
) -> Loaded:
    """A `Loaded` out of its parts."""
    metadata = codec.decode(row.metadata)
    return Loaded(
        op.thread_id,
        op.ns,
        row.checkpoint_id,
        row.parent_id,
        row.ts,
        metadata,
        state.values,
        state.versions,
        state.seen,
        state.updated,
        [(write.task_id, write.channel, write.value) for write in writes],
        interrupts if interrupts is not None else [],
        head_id,
        chain,
        metadata[EXTRAS].get("v", SHAPE) if EXTRAS in metadata else SHAPE,
    )


def matches(metadata: Mapping[str, Any], filter: Mapping[str, Any]) -> bool:
    """True if each key of ``filter`` has an equal value in ``metadata``."""
    missing = object()
    return all(metadata.get(key, missing) == wanted for key, wanted in filter.items())
