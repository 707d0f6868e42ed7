"""Whose update it is when nobody says: the node that ran last, if there is just one."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record, drive):
    def build(names, edges):
        builder = StateGraph(State)
        for name in names:
            builder.add_node(name, drive.node(lambda s, name=name: {"log": [name]}))
        for start, end in edges:
            builder.add_edge(start, end)
        return builder.compile(checkpointer=make_saver())

    cfg = {"configurable": {"thread_id": "1"}}
    parallel = build("ab", [(START, "a"), (START, "b")])
    drive.invoke(parallel, {"log": []}, cfg)
    record.raises("two ran last", drive.update, parallel, cfg, {"log": ["u"]})
    record("nothing was written", drive.state(parallel, cfg).values)
    single = build("a", [(START, "a")])
    drive.invoke(single, {"log": []}, cfg)
    drive.update(single, cfg, {"log": ["u"]})
    record("only node", [drive.state(single, cfg).values, drive.state(single, cfg).next])
    chain = build("ab", [(START, "a"), ("a", "b")])
    drive.update(chain, cfg, {"log": ["first"]})
    fresh = drive.state(chain, cfg)
    record("on a new thread", [fresh.values, fresh.next, fresh.metadata])
    record("and going on", drive.invoke(chain, None, cfg))
    drive.update(chain, cfg, {"log": ["u"]})
    record("the last one", [drive.state(chain, cfg).values, drive.state(chain, cfg).next])
    one = build("a", [(START, "a")])
    drive.update(one, cfg, {"log": ["first"]})
    record(
        "new thread, only node",
        [drive.state(one, cfg).values, drive.state(one, cfg).next, drive.state(one, cfg).metadata],
    )
