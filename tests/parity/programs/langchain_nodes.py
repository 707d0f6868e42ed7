"""Runnables of LangChain as nodes and paths, and what of a run's config they find."""

import operator
from typing import Annotated, TypedDict

from langchain_core.callbacks import BaseCallbackHandler, dispatch_custom_event
from langchain_core.language_models import FakeListChatModel
from langchain_core.runnables import (
    ConfigurableField,
    RunnableConfig,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
)
from langgraph.graph import END, START, StateGraph

SAVERS = ("memory",)


class State(TypedDict):
    log: Annotated[list, operator.add]
    n: int


def own(tags):
    """The tags without those that say where in a sequence something stood."""
    return sorted(tag for tag in tags or [] if not tag.startswith(("graph:", "seq:")))


class Listening(BaseCallbackHandler):
    """Notes what models it hears of, and what is dispatched."""

    run_inline = True

    def __init__(self):
        self.heard = []

    def on_chat_model_start(self, serialized, messages, *, tags=None, metadata=None, **more):
        shown = {k: v for k, v in (metadata or {}).items() if k in ("langgraph_node", "mine")}
        self.heard.append((messages[0][0].content, own(tags), shown))

    def on_custom_event(self, name, data, *, tags=None, metadata=None, **more):
        self.heard.append((name, data, own(tags)))


def noted(config):
    metadata = {
        k: v
        for k, v in config["metadata"].items()
        if not k.startswith(("ls_", "lc_", "checkpoint"))
    }
    return {
        "metadata": metadata,
        "tags": own(config.get("tags")),
        "chosen": config["configurable"].get("chosen"),
    }


def plain(state):
    return {"log": [f"plain {state['n']}"]}


def configured(state, config: RunnableConfig):
    return {"log": [noted(config)]}


def inner(state):
    return RunnableLambda(lambda x, config: {"log": [noted(config)]})


async def aplain(state):
    return {"log": [f"async {state['n']}"]}


def run(make_saver, record, drive):
    cfg = {"configurable": {"chosen": "yes"}, "metadata": {"mine": 1}, "tags": ["t"]}

    def both(node, path=None, cfg=cfg, **how):
        builder = StateGraph(State).add_node("n", node, **how).add_edge(START, "n")
        builder.add_node("m", plain)
        if path is not None:
            builder.add_conditional_edges("n", path)
        return drive.stream(builder.compile(), {"n": 3, "log": []}, cfg, stream_mode="updates")

    record("a lambda", both(RunnableLambda(plain)))
    record("its config", both(RunnableLambda(configured)))
    record("of two colours", both(RunnableLambda(plain, aplain)))
    record("a lambda that gives a lambda", both(RunnableLambda(inner)))
    record("a chain", both(RunnablePassthrough() | RunnableLambda(plain)))
    record("a chain of functions", both(RunnablePassthrough.assign(n=lambda s: s["n"] + 1) | plain))
    record(
        "with a config of its own",
        both(RunnableLambda(configured).with_config(tags=["own"], metadata={"k": 2})),
    )
    log = RunnableLambda(lambda s: [s["n"]])
    record(
        "a parallel one",
        both(RunnableParallel(log=log, n=RunnablePassthrough.assign() | (lambda s: 7))),
    )
    record("a dict", both({"log": log, "n": lambda s: 8}))
    record(
        "with a fallback",
        both(RunnableLambda(lambda s: 1 / 0).with_fallbacks([RunnableLambda(plain)])),
    )
    record("a path", both(plain, RunnableLambda(lambda s: "m", name="path")))
    record(
        "a path with a config",
        both(
            plain,
            RunnableLambda(lambda s, config: "m" if noted(config)["chosen"] else END, name="path"),
        ),
    )
    record("metadata of the node", both(RunnableLambda(configured), metadata={"of": "node"}))
    record.raises("its name", lambda: list(StateGraph(State).add_node(RunnableLambda(plain)).nodes))
    record.raises(
        "a chain's name",
        lambda: list(StateGraph(State).add_node(RunnableLambda(plain) | plain).nodes),
    )

    model = FakeListChatModel(responses=["said"])
    chosen = model.configurable_fields(responses=ConfigurableField(id="answers"))

    def calls(state):
        dispatch_custom_event("dispatched", {"n": 1})
        said = [chosen.invoke("question").content]
        return {
            "log": said + list(RunnableLambda(lambda x: [model.invoke("deep").content]).invoke(1))
        }

    def passes(state, config):
        return {
            "log": [
                model.invoke("passed", config).content,
                model.invoke("own", {"tags": ["o"]}).content,
            ]
        }

    for node in (calls, passes):
        record(f"{node.__name__}, nobody listens", both(drive.node(node), cfg={}))
        if drive.colour == "sync":
            ear = Listening()
            answers = {
                "configurable": {"answers": ["other"]},
                "callbacks": [ear],
                "tags": ["t"],
                "metadata": {"mine": 1},
            }
            record(f"{node.__name__}, its result", both(node, cfg=answers))
            record(f"{node.__name__}, heard", ear.heard)
    ear = Listening()
    child = StateGraph(State).add_node("c", drive.node(passes)).add_edge(START, "c").compile()
    both(child, cfg={"callbacks": [ear], "tags": ["t"]})
    record("heard in a child", ear.heard)
    bound = StateGraph(State).add_node("c", drive.node(passes)).add_edge(START, "c").compile()
    ear = Listening()
    drive.invoke(
        bound.with_config(callbacks=[ear], tags=["b"]), {"n": 1, "log": []}, {"tags": ["t"]}
    )
    record("bound", ear.heard)
