"""What a node may return, and what is refused."""

import operator
from dataclasses import dataclass, field
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.types import Command, Send
from pydantic import BaseModel


class State(TypedDict, total=False):
    log: Annotated[list, operator.add]
    a: object
    b: object


@dataclass
class Data:
    a: object = None
    b: object = "default"
    log: list = field(default_factory=list)


class Model(BaseModel):
    a: object = None
    b: object = "default"


def run(make_saver, record, drive):
    cases = {
        "none": None,
        "empty dict": {},
        "list of dicts": [{"log": ["1"], "a": 1}, {"log": ["2"]}],
        "tuple": ({"log": ["1"]}, {"b": 2}),
        "dict and command": [{"log": ["1"]}, Command(update={"log": ["2"]}, goto="next")],
        "a send": Send("next", {"sent": True}),
        "sends": [Send("next", {"n": 1}), Send("next", {"n": 2})],
        "dataclass": Data(a=1),
        "dataclass defaults": Data(),
        "model": Model(a=None),
        "model defaults": Model(),
        "model set to default": Model(b="default"),
        "a number": 3,
        "a string": "text",
        "list of numbers": [1, 2],
        "unknown keys only": {"zz": 1},
    }
    for name, value in cases.items():
        builder = StateGraph(State)
        builder.add_node("n", drive.node(lambda s, value=value: value))
        builder.add_node("next", drive.node(lambda s: {"log": [("next", sorted(s))]}))
        graph = builder.add_edge(START, "n").compile()
        record.raises(name, drive.invoke, graph, {"log": []})
        record(f"{name}: updates", drive.stream(graph, {"log": []}, stream_mode="updates")[:1])
