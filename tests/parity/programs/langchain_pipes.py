"""A compiled graph among runnables of LangChain: piped, called by them, given on as a tool."""

import operator
from typing import Annotated

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models import FakeListChatModel
from langchain_core.runnables import RunnableLambda, RunnableParallel, RunnablePassthrough
from langgraph.graph import START, StateGraph
from typing_extensions import TypedDict

SAVERS = ("memory",)


class State(TypedDict):
    log: Annotated[list, operator.add]
    n: int


class Listening(BaseCallbackHandler):
    run_inline = True

    def __init__(self):
        self.heard = []

    def on_chat_model_start(self, serialized, messages, *, tags=None, metadata=None, **more):
        shown = sorted(tag for tag in tags or [] if not tag.startswith(("seq:", "graph:", "map:")))
        self.heard.append((messages[0][0].content, shown, (metadata or {}).get("langgraph_node")))


def add(state):
    return {"log": [state["n"]], "n": state["n"] + 1}


def speak(state, config):
    said = FakeListChatModel(responses=["x"]).invoke("said").content
    return {"log": [said, config["configurable"].get("chosen"), sorted(config.get("tags") or [])]}


def run(make_saver, record, drive):
    builder = StateGraph(State).add_node("add", drive.node(add)).add_edge(START, "add")
    graph = builder.compile(name="adder")
    first = RunnableLambda(lambda n: {"log": [], "n": n})
    last = RunnableLambda(lambda state: state["log"])

    chains = {
        "runnable | graph": first | graph,
        "graph | runnable": graph | last,
        "function | graph": (lambda n: {"log": [], "n": n}) | graph,
        "graph | function": graph | (lambda state: state["log"]),
        "between": first | graph | last,
        "pipe": first.pipe(graph).pipe(last),
        "graph.pipe": graph.pipe(last),
        "parallel": first | RunnableParallel(one=graph, two=graph | last),
        "a dict": first | {"one": graph, "n": last},
        "assign": first | RunnablePassthrough.assign(inner=graph),
        "graph | graph": graph | graph,
        "with a config": graph.with_config(tags=["t"]) | last,
        "with a fallback": RunnableLambda(lambda x: 1 / 0).with_fallbacks([graph]),
        "retried": graph.with_retry(stop_after_attempt=2),
        "returned": RunnableLambda(lambda x: graph),
    }
    for name, chain in chains.items():
        given = (
            3
            if name.startswith(
                ("runnable", "function", "between", "pipe", "parallel", "a dict", "assign")
            )
            else {"log": [], "n": 3}
        )
        record(name, drive.invoke(chain, given))
        if name not in ("parallel", "a dict", "assign"):
            record(f"{name}, streamed", drive.stream(chain, given))

    record("name", [graph.get_name(), graph.get_name("suffix"), graph.get_name(name="other")])
    if drive.colour == "sync":
        each = graph.map().invoke([{"log": [], "n": 1}, {"log": [], "n": 2}])
        record("for each", each)
        tool = graph.as_tool(name="adds", description="Adds.", arg_types={"n": int, "log": list})
        record("a tool", [tool.name, tool.description, tool.invoke({"n": 5, "log": []})])
        record("a bound one", (graph.bind(output_keys="n")).invoke({"n": 1, "log": []}))
        record("picked", graph.pick("n").invoke({"n": 1, "log": []}))

    talking = (
        StateGraph(State).add_node("speak", drive.node(speak)).add_edge(START, "speak").compile()
    )

    def calls(state):
        return talking.invoke(state)

    async def acalls(state):
        return await talking.ainvoke(state)

    for name, chain in {
        "in a chain": first | talking | last,
        "called by a function": first | (calls if drive.colour == "sync" else acalls) | last,
    }.items():
        ear = Listening()
        cfg = {"callbacks": [ear], "tags": ["t"], "configurable": {"chosen": "yes"}}
        record(name, drive.invoke(chain, 3, cfg))
        record(f"{name}, heard", ear.heard)

    def loop(state):
        return "add" if state["n"] < 40 else "__end__"

    long = StateGraph(State).add_node("add", drive.node(add)).add_edge(START, "add")
    many = long.add_conditional_edges("add", loop).compile()
    record.raises("many steps", lambda: len(drive.invoke(first | many | last, 0)))
    record.raises("few steps", lambda: drive.invoke(first | many | last, 0, {"recursion_limit": 5}))
