"""What nodes and conditional edges are called with: kept from step to step, and nobody's to spoil."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Annotated, Any, TypedDict

from caesura.channels import Topic
from caesura.channels.last_value import LastValue
from caesura.graph import END, START, StateGraph


class Keys(TypedDict, total=False):
    """Three keys, of which the middle one comes last."""

    a: int
    b: int
    c: int


class Doubled(LastValue[int]):
    """A channel that a program brings along."""

    def update(self, values: Sequence[int]) -> bool:
        return super().update([2 * value for value in values])


class Doubling(TypedDict):
    """A state with it."""

    n: Annotated[int, Doubled]
    log: Annotated[list[int], operator.add]


def chain(state: Any, *nodes: Any) -> Any:
    builder = StateGraph(state)
    for i, node in enumerate(nodes):
        builder.add_node(f"n{i}", node)
        builder.add_edge(f"n{i - 1}" if i else START, f"n{i}")
    return builder


def test_a_key_that_comes_late_stands_where_it_was_declared() -> None:
    seen: list[list[str]] = []

    def look(state: Keys) -> Any:
        seen.append(list(state))
        return {"b": 2} if len(seen) == 2 else {"a": 3}

    result = chain(Keys, look, look, look).compile().invoke({"a": 1, "c": 3})
    assert seen == [["a", "c"], ["a", "c"], ["a", "b", "c"]]
    assert list(result) == ["a", "b", "c"]


def test_a_path_sees_what_its_node_wrote_in_the_declared_order() -> None:
    seen: list[Any] = []

    def path(state: Keys) -> str:
        seen.append(list(state.items()))
        return END

    builder = chain(Keys, lambda s: {"b": 2, "c": 4}).add_conditional_edges("n0", path)
    builder.compile().invoke({"a": 1, "c": 3})
    assert seen == [[("a", 1), ("b", 2), ("c", 4)]]


def test_what_a_node_does_to_its_input_is_seen_by_no_other() -> None:
    seen: list[Any] = []

    def spoil(state: Any) -> Any:
        seen.append(dict(state))
        state["a"] = "spoiled"
        return {"c": len(seen)}

    result = chain(Keys, spoil, spoil).compile().invoke({"a": 1, "c": 0})
    assert seen == [{"a": 1, "c": 0}, {"a": 1, "c": 1}]
    assert result == {"a": 1, "c": 2}


def test_a_channel_that_hands_out_copies_is_asked_each_time() -> None:
    class State(TypedDict):
        said: Annotated[list[str], Topic(str, accumulate=True)]

    seen: list[Any] = []

    def say(state: Any) -> Any:
        seen.append(list(state["said"]))
        state["said"].append("not written")
        return {"said": ["more"]}

    chain(State, say, say).compile().invoke({"said": ["first"]})
    assert seen == [["first"], ["first", "more"]]


def test_a_path_sees_what_a_channel_of_ones_own_makes_of_a_write() -> None:
    seen: list[Any] = []

    def path(state: Doubling) -> str:
        seen.append((state["n"], state["log"]))
        return END

    builder = chain(Doubling, lambda s: {"n": 5, "log": [1]}).add_conditional_edges("n0", path)
    assert builder.compile().invoke({"n": 1, "log": [0]}) == {"n": 10, "log": [0, 1]}
    assert seen == [(10, [0, 1])]
