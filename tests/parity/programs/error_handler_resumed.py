"""A stored failure is handled, not repeated: after a handler that failed, and after one that asked."""

import operator
from typing import Annotated, TypedDict

from langgraph.errors import NodeError
from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt

DEVIATIONS = {
    "what the handler saw": "a handler that runs again sees an exception that looks like the first; in LangGraph a string",
    "interrupts in the state": "no question that waits is hidden: a handler's is listed under the failed task",
    "handled beside a pause: state": "what a handler wrote is part of the state, and its task is done",
    "handled beside a pause: updates after the answer": "a handler that has finished is not run again",
    "handled beside a failure: runs": "a handler that has finished is not run again",
}


class State(TypedDict):
    log: Annotated[list, operator.add]


class OddError(LookupError):
    pass


def run(make_saver, record, drive):
    cfg = {"configurable": {"thread_id": "1"}}
    new = {"log": []}

    def graph(handler, **siblings):
        builder = StateGraph(State)
        builder.add_node("bad", drive.node(bad), error_handler=drive.node(handler))
        builder.add_edge(START, "bad")
        for name, node in siblings.items():
            builder.add_node(name, drive.node(node)).add_edge(START, name)
        builder.add_node("end", drive.node(lambda s: {"log": ["end"]}))
        return builder.compile(checkpointer=make_saver())

    runs = []

    def bad(state):
        runs.append("bad")
        raise OddError("odd")

    saw = []

    def fails_once(state, error: NodeError):
        runs.append("handler")
        seen = error.error
        saw.append([error.node, str(seen), repr(seen), isinstance(seen, LookupError)])
        if runs.count("handler") == 1:
            raise KeyError("handler")
        return Command(update={"log": ["handled"]}, goto="end")

    failing = graph(fails_once)
    record.raises("the handler fails", drive.invoke, failing, new, cfg)
    state = drive.state(failing, cfg)
    record("state", [state.values, state.next, [(t.name, t.error) for t in state.tasks]])
    record("goes on", drive.invoke(failing, None, cfg))
    record("runs", list(runs))
    record("what the handler saw", saw)
    record("history", [[s.values, s.next, s.metadata] for s in drive.history(failing, cfg)])

    def asks(state, error: NodeError):
        runs.append("handler")
        return Command(update={"log": [interrupt("what now?")]}, goto="end")

    runs.clear()
    asking = graph(asks, good=lambda s: {"log": ["good"]})
    record("paused", drive.invoke(asking, new, cfg))
    state = drive.state(asking, cfg)
    record("state of the pause", [state.values, state.next, [t.error for t in state.tasks]])
    record("interrupts in the state", [i.value for i in state.interrupts])
    modes = ["values", "updates", "tasks"]
    answer = Command(resume="this")
    record("answered", drive.stream(asking, answer, cfg, stream_mode=modes))
    record("runs of the asking", list(runs))

    def quick(state, error: NodeError):
        runs.append("handler")
        return {"log": ["handled"]}

    beside = graph(quick, question=lambda s: {"log": [interrupt("?")]})
    record("handled beside a pause", drive.invoke(beside, new, cfg))
    state = drive.state(beside, cfg)
    record("handled beside a pause: state", [state.values, state.next])
    record(
        "handled beside a pause: updates after the answer",
        drive.stream(beside, Command(resume="A"), cfg, stream_mode="updates"),
    )
    record("handled beside a pause: end", drive.state(beside, cfg).values)

    runs.clear()
    failures = []

    def fails_later(state):
        failures.append(1)
        if len(failures) == 1:
            raise ConnectionError("later")
        return {"log": ["later"]}

    builder = StateGraph(State)
    builder.add_node("bad", drive.node(bad), error_handler=drive.node(quick)).add_edge(START, "bad")
    builder.add_node("slow", drive.node(lambda s: {"log": ["slow"]})).add_edge("bad", "slow")
    builder.add_node("next", drive.node(fails_later)).add_edge(START, "next")
    chain = builder.compile(checkpointer=make_saver())
    record.raises("handled beside a failure", drive.invoke, chain, new, cfg)
    record("handled beside a failure: goes on", drive.invoke(chain, None, cfg))
    record("handled beside a failure: runs", list(runs))
