"""Callbacks are told of each pause of a run, and of each graph that goes on."""

import operator
import uuid
from typing import Annotated, TypedDict

from langgraph.callbacks import GraphCallbackHandler, GraphInterruptEvent, GraphResumeEvent
from langgraph.func import entrypoint
from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt

DEVIATIONS = {
    "one of two answered: what is told": "a graph whose question is not answered is left alone: it does not go on",
}


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record, drive):
    told = []

    class Listener(GraphCallbackHandler):
        def on_interrupt(self, event):
            told.append(event)

        def on_resume(self, event):
            told.append(event)

    class AsyncListener(GraphCallbackHandler):
        async def on_interrupt(self, event):
            told.append(event)

        async def on_resume(self, event):
            told.append(event)

    class Broken(GraphCallbackHandler):
        def on_interrupt(self, event):
            raise RuntimeError("broken")

    class Loud(Broken):
        raise_error = True

    def config(thread, *listeners, **more):
        given = {"callbacks": list(listeners)} if listeners else {}
        return {"configurable": {"thread_id": thread}, **given, **more}

    def shown():
        seen, told[:] = list(told), []
        return [
            [
                type(event).__name__,
                isinstance(event.run_id, uuid.UUID),
                event.status,
                [level.partition(":")[0] for level in event.checkpoint_ns],
                sorted(i.value for i in getattr(event, "interrupts", ())),
            ]
            for event in seen
        ]

    def asks(question):
        return drive.node(lambda s: {"log": [interrupt(question)]})

    saver, listener = make_saver(), Listener()

    def graph(*names, **how):
        builder, before = StateGraph(State), START
        for name in names:
            node = asks(name) if name.endswith("?") else drive.node(lambda s: {"log": ["n"]})
            builder.add_node(name, node).add_edge(before, name)
            before = name
        return builder.compile(checkpointer=saver, **how)

    two = graph("first?", "n", "second?")

    def step(name, program, given, cfg):
        drive.invoke(program, given, cfg)
        record(f"{name}: what is told", shown())

    cfg = config("1", listener)
    new = {"log": []}
    step("a pause", two, new, cfg)
    step("nothing answered", two, None, cfg)
    step("answered, and the next", two, Command(resume="A"), cfg)
    step("to the end", two, Command(resume="B"), cfg)
    step("after the end", two, None, cfg)
    step("new input", two, new, cfg)
    step("new input while paused", two, new, cfg)
    step("a command without an answer", two, Command(update={"log": ["u"]}), cfg)
    old = [s for s in drive.history(two, cfg) if s.next == ("first?",)][-1]
    step("an older point", two, None, {**old.config, "callbacks": [listener]})
    drive.invoke(two, new, config("exit", listener), durability="exit")
    record("stored at the exit: what is told", shown())

    given = uuid.UUID(int=5)
    drive.invoke(two, new, config("2", listener, run_id=given))
    record("the run id of the config", told.pop().run_id == given)
    drive.invoke(two, new, config("3", listener))
    record(
        "the checkpoint",
        told.pop().checkpoint_id
        == drive.state(two, config("3")).config["configurable"]["checkpoint_id"],
    )
    step("several listeners", two, new, config("4", listener, AsyncListener(), Listener()))
    step("with_config", two.with_config(callbacks=[listener]), new, config("5"))
    record.raises("a listener that fails", drive.invoke, two, new, config("6", Broken(), listener))
    record("the next one", shown())
    record.raises("a listener that may fail", drive.invoke, two, new, config("7", Loud()))
    record("is paused all the same", drive.state(two, config("7")).next)

    for when in ("interrupt_before", "interrupt_after"):
        still = graph("n", "m", **{when: ["n"]})
        step(when, still, new, config(when, listener))
        step(f"{when}, on", still, None, config(when, listener))

    inner = StateGraph(State).add_node("i", asks("inner?")).add_edge(START, "i").compile()
    middle = StateGraph(State).add_node("m", inner).add_edge(START, "m").compile()
    builder = StateGraph(State).add_node("sub", middle).add_edge(START, "sub")
    builder.add_node("z", asks("z?")).add_edge(START, "z")
    nested = builder.compile(checkpointer=saver)
    cfg = config("nested", listener)
    paused = drive.invoke(nested, new, cfg)
    record("nested: what is told", shown())
    by_question = {i.value: i.id for i in paused["__interrupt__"]}
    step("one of two answered", nested, Command(resume={by_question["z?"]: "Z"}), cfg)
    step("the nested one answered", nested, Command(resume={by_question["inner?"]: "I"}), cfg)

    bare = StateGraph(State).add_node("a", asks("a?")).add_edge(START, "a").compile()
    step("without a saver", bare, new, {"callbacks": [listener]})

    @entrypoint(checkpointer=saver)
    def flow(given):
        return interrupt("flow?")

    step("an entrypoint", flow, 1, config("flow", listener))
    step("an entrypoint that goes on", flow, Command(resume=1), config("flow", listener))

    event = GraphInterruptEvent(None, "pending", "c", ("a",), ())
    record(
        "events",
        [
            event == GraphInterruptEvent(None, "pending", "c", ("a",), ()),
            hasattr(event, "__dataclass_fields__"),
        ],
    )
    record.raises("frozen", setattr, GraphResumeEvent(None, "pending", "c", ()), "status", "done")
