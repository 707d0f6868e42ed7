"""The parts of a v3 stream, used without a run."""

from langgraph.stream import StreamChannel, StreamTransformer
from langgraph.stream._convert import convert_to_protocol_event
from langgraph.stream._mux import StreamMux
from langgraph.stream.transformers import (
    LifecycleTransformer,
    SubgraphTransformer,
    TasksTransformer,
    ValuesTransformer,
)

SAVERS = ("memory",)


class Own(StreamTransformer):
    def __init__(self, scope=()):
        super().__init__(scope)
        self.channel = StreamChannel("own")

    def init(self):
        return {"own": self.channel}

    def process(self, event):
        self.channel.push(event["method"])
        return True


def event(method, ns=(), data=None):
    params = {"namespace": list(ns), "timestamp": 1, "data": data}
    return {"type": "event", "method": method, "params": params}


def bound(**how):
    channel = StreamChannel(**how)
    channel._bind(is_async=False)
    return channel


def run(make_saver, record):
    part = {"type": "values", "ns": ("a:1",), "data": {"x": 1}, "interrupts": ()}
    converted = convert_to_protocol_event(part)
    record("timestamp", isinstance(converted["params"].pop("timestamp"), int))
    record("converted", converted)

    channel = bound()
    channel.push("lost")
    items = iter(channel)
    channel.push(1), channel.push(2)
    record("kept from the first consumer on", next(items))
    channel.close()
    record("closed", list(items))
    record.raises("push when closed", channel.push, 3)
    channel = bound()
    items = iter(channel)
    channel.push(1)
    channel.fail(KeyError("z"))
    record("before the failure", next(items))
    record.raises("failure", next, items)
    left, right = (channel := bound()).tee()
    channel.push(1), channel.close()
    record("tee", [list(left), list(right)])
    record.raises("tee of none", lambda: bound().tee(0))
    record.raises("unbound", lambda: list(StreamChannel()))
    record.raises("async", lambda: aiter(bound()))
    record.raises("maxlen", lambda: StreamChannel(maxlen=0))
    record.raises("second consumer", lambda: (iter(c := bound()), iter(c)))

    own = Own()
    mux = StreamMux([own])
    methods, events = iter(own.channel), iter(mux._events)
    mux.push(event("custom", data=1)), mux.push(event("values", data={}))
    mux.close()
    record("own", list(methods))
    record("events", [(e["method"], e["seq"]) for e in events])
    record("whose", [type(mux.transformer_by_key(k)).__name__ for k in ("own", "other")])
    mux = StreamMux(factories=[Own, ValuesTransformer], scope=("x:1",))
    values = iter(mux.extensions["values"])
    for ns in (("x:1",), (), ("x:1", "y:2")):
        mux.push(event("values", ns, {"ns": ns}))
    mux.fail(KeyError("failed"))
    record("of its own scope", next(values))
    record.raises("then the failure", next, values)

    kinds = [LifecycleTransformer, SubgraphTransformer, TasksTransformer]
    mux = StreamMux(factories=kinds)
    lives, tasks = iter(mux.extensions["lifecycle"]), iter(mux.extensions["tasks"])
    subgraphs = iter(mux.extensions["subgraphs"])
    start = {"id": "2", "name": "n", "input": {}, "triggers": ()}
    result = {"id": "1", "name": "sub", "result": {}, "interrupts": []}
    mux.push(event("tasks", ("sub:1",), start))
    mux.push(event("tasks", ("sub:1", "deep:3"), {**start, "metadata": {"lc_agent_name": "d"}}))
    mux.push(event("tasks", (), {**result, "error": ValueError("bad")}))
    mux.close()
    record("lives", list(lives))
    record("tasks", list(tasks))
    record("nested", [(s.path, s.graph_name, s.status, s.error) for s in subgraphs])
