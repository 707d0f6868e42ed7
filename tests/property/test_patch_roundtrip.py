"""For any two values a patch leads from the one to the other, also by way of stored bytes."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from caesura.checkpoint.memory import InMemorySaver
from caesura.checkpoint.operations import History
from caesura.checkpoint.rows import Codec
from caesura.checkpoint.serde.jsonplus import JsonPlusSerializer
from caesura.core.patch import apply, diff, shadow
from caesura.testing.savers import THREAD, SyncCalls, Walker

CODEC = Codec(JsonPlusSerializer())

scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(max_size=5)
keys = st.text(max_size=3) | st.integers(0, 5)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(keys, inner, max_size=5),
    max_leaves=20,
)


def edits(draw: st.DrawFn, value: Any) -> Any:
    """A value made from ``value`` as programs do it: some parts kept, by identity."""
    if isinstance(value, list):
        kept = [x for x in value if draw(st.integers(0, 3))]
        changed = [edits(draw, x) if not draw(st.integers(0, 3)) else x for x in kept]
        at = draw(st.integers(0, len(changed)))
        return changed[:at] + draw(st.lists(values, max_size=2)) + changed[at:]
    if isinstance(value, dict):
        kept_items = {k: v for k, v in value.items() if draw(st.integers(0, 3))}
        made = {
            k: edits(draw, v) if not draw(st.integers(0, 2)) else v for k, v in kept_items.items()
        }
        return {**made, **draw(st.dictionaries(keys, values, max_size=2))}
    return draw(values)


@st.composite
def histories(draw: st.DrawFn) -> list[Any]:
    """Values that each come out of the one before."""
    made = [draw(values)]
    for _ in range(draw(st.integers(1, 6))):
        made.append(edits(draw, made[-1]))
    return made


def same(one: Any, two: Any) -> bool:
    """Equal, in the same order of keys and with the same types."""
    return repr(one) == repr(two)


@given(histories())
def test_a_patch_leads_from_each_value_to_the_next(history: list[Any]) -> None:
    for old, new in pairwise(history):
        change = diff(shadow(old), new)
        before = repr(old)
        assert same(new, old if change is None else apply(old, change))
        assert repr(old) == before


@given(histories())
def test_patches_fold_to_the_same_after_a_way_through_bytes(history: list[Any]) -> None:
    first, *rest = history
    value, last = CODEC.decode(CODEC.encode(first)), shadow(first)
    for new in rest:
        change = diff(last, new)
        if change is not None:
            value = apply(value, CODEC.decode(CODEC.encode(change)), in_place=True)
        last = shadow(new)
        assert same(value, new)


@given(values, st.lists(values, max_size=4))
def test_what_is_changed_in_place_is_found(start: Any, added: list[Any]) -> None:
    value = {"list": [start], "dict": {"k": start}}
    last, stored = shadow(value), CODEC.decode(CODEC.encode(value))
    for n, item in enumerate(added):
        value["list"].append(item)
        value["dict"][n] = item
        change = diff(last, value)
        assert change is not None
        stored = apply(stored, CODEC.decode(CODEC.encode(change)), in_place=True)
        last = shadow(value)
        assert same(stored, value)


@given(st.lists(st.dictionaries(st.sampled_from("abc"), values, max_size=3), max_size=12))
def test_a_saver_gives_back_every_state_of_any_history(states: list[dict[str, Any]]) -> None:
    saver = InMemorySaver()
    walker = Walker(SyncCalls(saver))
    made = [walker.commit(state) for state in states]
    for checkpoint_id, state in zip(made, states, strict=True):
        assert walker.load(checkpoint_id).values == state
    history = [found.values for found in saver.execute(History(THREAD, ""))]
    assert history == states[::-1]
