"""What reducer keys start from, and what reducers may be."""

import collections.abc
import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph


class Pair:
    def __init__(self, one, two):
        self.one, self.two = one, two

    def __add__(self, other):
        return Pair(self.one + other.one, self.two + other.two)


def merge(left: dict, right: dict) -> dict:
    return {**left, **right}


def keep_max(left, right):
    return max(left, right)


class State(TypedDict):
    items: Annotated[list, operator.add]
    seq: Annotated[collections.abc.Sequence, operator.add]
    table: Annotated[dict, merge]
    members: Annotated[set, operator.or_]
    best: Annotated[int, keep_max]
    text: Annotated[str, operator.add]
    ratio: Annotated[float, operator.mul]
    pair: Annotated[Pair, operator.add]


def bad(left):
    return left


class Bad(TypedDict):
    items: Annotated[list, bad]


class Plain(TypedDict):
    items: list


class Reduced(TypedDict):
    items: Annotated[list, operator.add]


def run(make_saver, record, drive):
    seen = []

    def one(state):
        seen.append(dict(state))
        return {
            "items": [1],
            "seq": [2],
            "table": {"a": 1},
            "members": {1},
            "best": -3,
            "text": "x",
            "pair": Pair(1, 2),
        }

    def two(state):
        seen.append({k: v for k, v in state.items() if k != "pair"})
        return {"table": {"b": 2}, "members": {2}, "best": 5, "text": "y", "pair": Pair(3, 4)}

    builder = StateGraph(State)
    builder.add_node("one", drive.node(one)).add_node("two", drive.node(two))
    builder.add_edge(START, "one").add_edge("one", "two")
    graph = builder.compile()
    record("result", drive.invoke(graph, {}))
    record("seen", seen)
    record.raises("one parameter", StateGraph, Bad)
    ok = StateGraph(Reduced, input_schema=Plain)
    record("plain first", type(ok.channels["items"]).__name__)
