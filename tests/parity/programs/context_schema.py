"""context= becomes the declared schema and reaches children; wrong keys are refused (B18)."""

import operator
from dataclasses import dataclass
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.runtime import Runtime
from pydantic import BaseModel


class State(TypedDict):
    log: Annotated[list, operator.add]


@dataclass
class Ctx:
    uid: str
    lim: int = 3


class Model(BaseModel):
    uid: str


class Typed(TypedDict):
    uid: str


def look(state, runtime: Runtime):
    return {"log": [runtime.context]}


def run(make_saver, record, drive):
    def build(schema):
        child = (
            StateGraph(State).add_node("inner", drive.node(look)).add_edge(START, "inner").compile()
        )
        builder = StateGraph(State, context_schema=schema)
        builder.add_node("look", drive.node(look)).add_node("sub", child)
        return (
            builder.add_edge(START, "look")
            .add_edge("look", "sub")
            .compile(checkpointer=make_saver())
        )

    cfg = {"configurable": {"thread_id": "1", "uid": "not read"}}
    for name, schema in {
        "dataclass": Ctx,
        "model": Model,
        "typed dict": Typed,
        "nothing": None,
    }.items():
        record(name, drive.invoke(build(schema), {"log": []}, cfg, context={"uid": "u"}))
    record("an instance", drive.invoke(build(Ctx), {"log": []}, cfg, context=Ctx("i", 1)))
    record("no context", drive.invoke(build(Ctx), {"log": []}, cfg))
    record.raises("wrong key", drive.invoke, build(Ctx), {"log": []}, cfg, context={"zz": 1})
    try:
        drive.invoke(build(Model), {"log": []}, cfg, context={})
    except Exception as error:
        record("invalid", type(error).__name__)
