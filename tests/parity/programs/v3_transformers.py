"""Transformers of one's own: what they see, in which order, and what is refused."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.stream import StreamChannel, StreamTransformer

SAVERS = ("memory",)


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record):
    heard = []

    class Listener(StreamTransformer):
        required_stream_modes = ("custom", "updates")

        def __init__(self, scope=()):
            super().__init__(scope)
            heard.append(("made", scope))
            self.named, self.unnamed = StreamChannel("mine"), StreamChannel()

        def init(self):
            return {"named": self.named, "unnamed": self.unnamed, "constant": 7}

        def process(self, event):
            heard.append(
                (self.scope, event["method"], event["params"]["namespace"], "seq" in event)
            )
            if event["method"] == "custom":
                self.named.push(event["params"]["data"])
                self.unnamed.push("got one")
                return False
            return True

        def finalize(self):
            heard.append(("finalize", self.scope))

        def fail(self, err):
            heard.append(("fail", self.scope, err))

    def node(name):
        def body(state, writer):
            writer({"from": name})
            if name == "bad":
                raise ValueError("bad")
            return {"log": [name]}

        return body

    def build(inner):
        child = StateGraph(State).add_node(inner, node(inner)).add_edge(START, inner).compile()
        builder = StateGraph(State).add_node("a", node("a")).add_node("sub", child)
        return builder.add_edge(START, "a").add_edge("a", "sub")

    graph = build("in").compile()

    def start(graph=graph, **how):
        heard.clear()
        return graph.stream_events({"log": []}, version="v3", **how)

    def told(run):
        return [(e["seq"], e["method"], e["params"]["namespace"], e["params"]["data"]) for e in run]

    record("events", told(start(transformers=[Listener])))
    record("heard", list(heard))
    record.raises("failing", lambda: list(start(build("bad").compile(), transformers=[Listener])))
    record("heard while failing", list(heard))
    run = start(transformers=[Listener])
    record("extensions", [list(run.extensions), run.extensions["constant"]])
    record("named", list(run.extensions["named"]))
    record("unnamed", list(start(transformers=[Listener]).extensions["unnamed"]))
    record.raises("no attribute", lambda: start(transformers=[Listener]).named)
    run = start(transformers=[Listener])
    record("of the nested graph", [(list(s.extensions["named"]), s.output) for s in run.subgraphs])
    compiled = build("in").compile(transformers=[Listener])
    record("compiled with", [list(start(compiled).extensions), told(start(compiled))])

    def kind(**body):
        return type("Own", (StreamTransformer,), {"init": lambda self: {}, **body})

    dropped = kind(before_builtins=True, process=lambda self, event: False)
    run = start(transformers=[dropped])
    record("all dropped", [told(run), run.output])
    record("projections go on", list(start(transformers=[dropped]).values))

    def change(self, event):
        if event["method"] == "values":
            event["params"]["data"] = "changed"
        return True

    run = start(transformers=[kind(before_builtins=True, process=change)])
    record("changed before", [list(run.values), run.output])
    run = start(transformers=[kind(process=change)])
    record("changed after", [list(run.values), run.output])

    def refuse(name, *transformers, graph=graph):
        record.raises(name, lambda: told(start(graph, transformers=list(transformers))))

    def broken(*args):
        raise KeyError("broken")

    passing = {"process": lambda self, event: True}
    refuse("twice the same", Listener, graph=compiled)
    refuse("an instance", Listener())
    refuse("not callable", 3)
    refuse("a name that is taken", kind(**passing, init=lambda self: {"values": 1}))
    refuse("no projections", kind(**passing, init=lambda self: None))
    refuse("no process", kind())
    refuse("process raises", kind(process=broken))
    refuse("finalize raises", kind(**passing, finalize=broken))
    refuse("async only", kind(**passing, requires_async=True))
    refuse("a mode that does not exist", kind(**passing, required_stream_modes=("nope",)))
