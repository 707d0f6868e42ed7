"""``output_keys`` narrows values, updates and the result, and nothing that is stored."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt

SAVERS = ("memory",)


class State(TypedDict, total=False):
    log: Annotated[list, operator.add]
    a: str
    b: str


def run(make_saver, record, drive):
    builder = StateGraph(State)
    builder.add_node("one", drive.node(lambda s: {"log": ["one"], "a": "1"}))
    builder.add_node("two", drive.node(lambda s: {"b": interrupt("?")}))
    graph = builder.add_edge(START, "one").add_edge("one", "two").compile(checkpointer=make_saver())
    modes = ["values", "updates", "tasks"]
    for number, keys in enumerate((["a"], ["a", "log"], "log", "b", [])):
        config = {"configurable": {"thread_id": str(number)}}
        how = {"stream_mode": modes, "output_keys": keys}
        record(f"{keys}", drive.stream(graph, {"log": ["in"]}, config, **how))
        record(f"{keys}: resumed", drive.stream(graph, Command(resume="x"), config, **how))
        record(f"{keys}: stored", drive.state(graph, config).values)
    for number, keys in enumerate((["a"], "log")):
        config = {"configurable": {"thread_id": f"i{number}"}}
        record(f"invoke {keys}", drive.invoke(graph, {"log": []}, config, output_keys=keys))
        resumed = drive.invoke(graph, Command(resume="x"), config, output_keys=keys)
        record(f"invoke {keys}: resumed", resumed)
    config = {"configurable": {"thread_id": "u"}}
    record.raises("unknown key", drive.invoke, graph, {"log": []}, config, output_keys=["zzz"])
