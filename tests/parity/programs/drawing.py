"""Pictures of programs: nodes, edges, JSON, Mermaid, letters; nested graphs opened and closed."""

import asyncio
import operator
from typing import Annotated, Literal, TypedDict

from langgraph.func import entrypoint, task
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import Command, Send

SAVERS = ("memory",)
DEVIATIONS = {
    "self: ascii": "a node that leads to itself is drawn, without that edge; LangGraph fails",
}


class State(TypedDict):
    x: Annotated[list, operator.add]


def f(state):
    return {}


def run(make_saver, record):
    # letters: the judge draws some graphs with loops now one way, now another.
    def draw(name, graph, letters=True, **how):
        drawn = graph.get_graph(**how)
        record(f"{name}: nodes", [(i, n.id, n.name, n.metadata) for i, n in drawn.nodes.items()])
        record(f"{name}: edges", [tuple(edge) for edge in drawn.edges])
        plain = drawn.to_json()
        for node in plain["nodes"]:
            if "data" in node:
                del node["data"]["id"]
        record(f"{name}: json", plain)
        record(f"{name}: mermaid", drawn.draw_mermaid())
        if letters:
            record.raises(f"{name}: ascii", drawn.draw_ascii)
        return drawn

    def graph_of(names, *edges, **actions):
        builder = StateGraph(State)
        for name in names.split():
            builder.add_node(name, actions.get(name, f))
        for edge in edges:
            builder.add_edge(*edge.split(">"))
        return builder

    def line(names):
        return (
            StateGraph(State)
            .add_sequence([(n, f) for n in names.split()])
            .add_edge(START, names.split()[0])
        )

    simple = line("a").compile()
    draw("one node", simple)
    record("without styles", simple.get_graph().draw_mermaid(with_styles=False))
    draw("a line", line("first second third").compile(name="named"))
    draw("stops", line("a b c").compile(interrupt_before=["a", "b"], interrupt_after=["b", "c"]))
    draw("stops everywhere", line("a b").compile(interrupt_before="*"))
    draw("no way in", graph_of("a b", "__start__>a", "a>__end__").compile())
    draw(
        "diamond",
        graph_of("a b c d", "__start__>a", "a>b", "a>c", "b>d", "c>d", "d>__end__").compile(),
    )
    fan = graph_of("a b c d", "__start__>a", "a>b", "a>c")
    draw("join", fan.add_edge(["b", "c"], "d").compile())
    draw("loop", graph_of("a b", "__start__>a", "a>b", "b>a").compile())
    draw("self", graph_of("a", "__start__>a", "a>a").compile())

    chosen = graph_of("a b c", "__start__>a", "b>a")
    chosen.add_conditional_edges("a", lambda s: "b", {"go on": "b", "c": "c", "stop": END})
    draw("conditional", chosen.compile(), letters=False)
    anywhere = graph_of("a b", "__start__>a", "b>__end__").add_conditional_edges("a", lambda s: "b")
    draw("anywhere", anywhere.compile())

    def literal(state) -> Literal["b", "__end__"]:
        return "b"

    draw(
        "a literal path",
        graph_of("a b", "__start__>a").add_conditional_edges("a", literal).compile(),
    )
    draw(
        "a path from the start",
        graph_of("a b").add_conditional_edges(START, literal, ["a", "b"]).compile(),
    )
    sends = graph_of("a b", "__start__>a", "b>__end__")
    draw("sends", sends.add_conditional_edges("a", lambda s: [Send("b", 1)], ["b"]).compile())

    def jumps(state) -> Command[Literal["b", "c"]]:
        return Command(goto="b")

    draw("jumps", graph_of("a b c", "__start__>a", a=jumps).compile())
    declared = StateGraph(State).add_node("a", f, destinations={"b": "why", END: "done"})
    draw("destinations", declared.add_node("b", f).add_edge(START, "a").compile())
    several = StateGraph(State).add_node("a", f, destinations=("b", "c")).add_node("b", f)
    draw("destinations as a tuple", several.add_node("c", f).add_edge(START, "a").compile())
    noted = StateGraph(State).add_node("a", f, metadata={"k": "v", "n": 1}).add_node("b.c d", f)
    noted = noted.add_edge(START, "a").add_edge("a", "b.c d").compile()
    drawn = draw("metadata and odd names", noted)
    record("wrapped", [drawn.draw_mermaid(wrap_label_n_words=n) for n in (1, 2)])
    deferred = StateGraph(State).add_node("a", f).add_node("b", f, defer=True).add_edge(START, "a")
    draw("deferred", deferred.add_edge("a", "b").compile())
    draw("messages", StateGraph(MessagesState).add_node("a", f).add_edge(START, "a").compile())

    inner = line("x y").compile()
    middle = (
        graph_of("in", "__start__>in", **{"in": inner})
        .add_node("after", f)
        .add_edge("in", "after")
        .compile()
    )
    outer = graph_of("before sub", "__start__>before", "before>sub", sub=middle).compile()
    for xray in (False, 1, 2, True):
        draw(f"nested, xray={xray}", outer, xray=xray)
    alone = graph_of("sub", "__start__>sub", sub=simple).compile()
    draw("a child of one node", alone, xray=True)
    looping = graph_of("a b", "__start__>a", "b>a")
    looping.add_conditional_edges("a", lambda s: "b", {"more": "b", "enough": END})
    draw(
        "a loop inside",
        graph_of("sub z", "__start__>sub", "sub>z", sub=looping.compile()).compile(),
        letters=False,
        xray=True,
    )
    twice = graph_of("one two", "__start__>one", "one>two", one=inner, two=inner).compile()
    draw("twice the same", twice, xray=True)

    def calls(state):
        return inner.invoke(state)

    draw(
        "a child that is called",
        graph_of("calls", "__start__>calls", calls=calls).compile(),
        xray=True,
    )

    @task
    def step(x):
        return x

    @entrypoint()
    def essay(topic: str) -> str:
        return step(topic).result()

    draw("an entrypoint", essay)
    drawn = asyncio.run(outer.aget_graph(xray=True))
    record("async", [list(drawn.nodes), len(drawn.edges)])
    record("first and last", [drawn.first_node().id, drawn.last_node().id])
    record("names", [str(simple.get_graph().nodes["a"].name), simple.name])
