"""Pictures of the same declarations are the same text, here and in the langgraph package.

Both are drawn from one builder: ours reads only its nodes, edges, branches and joins.
"""

from __future__ import annotations

import random
from typing import Any, TypedDict

import pytest

from caesura.drawing import CurveStyle, Edge, Graph, Node, NodeStyles, graph_of, graph_of_function

langchain = pytest.importorskip("langchain_core.runnables.graph")
langgraph_graph = pytest.importorskip("langgraph.graph")
pytestmark = pytest.mark.parity

START, END = "__start__", "__end__"


class State(TypedDict):
    x: int


def _node(state: State) -> dict[str, Any]:
    return {}


NAMES = ["a", "b", "c.d", "B", "_e", "__f__", "g h", "z"]


def _random_builder(seed: int, child: Any = None) -> Any:
    """A builder with random declarations. ``child``: a graph that stands at some of its nodes."""
    rng = random.Random(seed)
    names = rng.sample([f"{name}2" for name in NAMES] if child else NAMES, rng.randint(1, 5))
    builder = langgraph_graph.StateGraph(State)
    for name in names:
        options: dict[str, Any] = {}
        if rng.random() < 0.2:
            options["metadata"] = {"k": "v", "n": 1}
        if rng.random() < 0.2:
            options["destinations"] = {rng.choice([*names, END]): "way"}
        builder.add_node(name, child if child and rng.random() < 0.4 else _node, **options)
    builder.add_edge(START, rng.choice(names))
    for _ in range(rng.randint(0, 5)):
        builder.add_edge(rng.choice([START, *names]), rng.choice([*names, END]))
    for name in names:
        if rng.random() < 0.3:
            targets = rng.sample([*names, END], rng.randint(1, min(3, len(names) + 1)))
            labels: Any = targets if rng.random() < 0.5 else {f"to {t}": t for t in targets}
            builder.add_conditional_edges(name, lambda state: None, labels)
    if len(names) > 2 and rng.random() < 0.5:
        builder.add_edge(names[:2], names[2])
    return builder


def _comparable(drawn: Any) -> tuple[Any, ...]:
    nodes = [(n["id"], n.get("metadata"), "data" in n) for n in drawn.to_json()["nodes"]]
    return nodes, drawn.to_json()["edges"], drawn.draw_mermaid()


@pytest.mark.parametrize("seed", range(150))
def test_a_graph_is_drawn_alike(seed: int) -> None:
    builder = _random_builder(seed)
    stops = [name for name in builder.nodes if seed % 3 == 0 and name < "c"]
    theirs = builder.compile(interrupt_before=stops).get_graph()
    ours = graph_of(builder, interrupt_before=stops)
    assert _comparable(ours) == _comparable(theirs)


@pytest.mark.parametrize("seed", range(100))
def test_nested_graphs_are_drawn_alike(seed: int) -> None:
    inner = _random_builder(seed + 1000)
    builder = _random_builder(seed, inner.compile())
    theirs = builder.compile().get_graph(xray=True)
    children: dict[str, Graph] = {
        name: graph_of(inner)
        for name, spec in builder.nodes.items()
        if hasattr(spec.runnable, "get_graph") and hasattr(spec.runnable, "builder")
    }
    ours = graph_of(builder, children=children)
    assert ours.to_json()["edges"] == theirs.to_json()["edges"]
    assert list(ours.nodes) == list(theirs.nodes)
    inner_nodes = [name for name in ours.nodes if ":" in name]
    if len(inner_nodes) > len(children):
        assert ours.draw_mermaid() == theirs.draw_mermaid()
    # Nothing is compared where a child is a single node: the loop on it, or an edge between two of
    # that name, gets lost or a box of its own over there.


def test_an_entrypoint_is_drawn_alike() -> None:
    from langgraph.func import entrypoint

    @entrypoint()
    def essay(topic: str) -> str:
        return topic

    assert _comparable(graph_of_function("essay", _node)) == _comparable(essay.get_graph())


def test_long_labels_are_wrapped_alike() -> None:
    builder = langgraph_graph.StateGraph(State)
    builder.add_node("a", _node)
    builder.add_edge(START, "a")
    label = "one two three four five six seven eight nine ten eleven twelve"
    builder.add_conditional_edges("a", lambda state: None, {label: END})
    assert _comparable(graph_of(builder)) == _comparable(builder.compile().get_graph())


def test_without_styles_only_the_graph_is_drawn_alike() -> None:
    builder = _random_builder(3)
    theirs = builder.compile().get_graph().draw_mermaid(with_styles=False)
    assert graph_of(builder).draw_mermaid(with_styles=False) == theirs


FRONTMATTER = {
    "title": "It's: #1",
    "config": {
        "theme": "neutral",
        "themeVariables": {"primaryColor": "#e2e2e2", "size": 1.5, "off": "yes"},
        "flowchart": {"curve": "overruled", "nodeSpacing": 10},
    },
    "list": [1, "two words", {"a": None, "b": [True, "x"]}, [1, 2]],
    "empty": {},
}


@pytest.mark.parametrize(
    "options",
    [
        {"curve_style": "BASIS"},
        {"node_colors": {"first": "fill:#ffdfba", "default": "d"}},
        {"frontmatter_config": FRONTMATTER},
        {"wrap_label_n_words": 1},
    ],
    ids=lambda options: next(iter(options)),
)
def test_options_of_mermaid_texts_are_taken_alike(options: dict[str, Any]) -> None:
    builder = _random_builder(7)
    theirs, ours = dict(options), dict(options)
    if "curve_style" in options:
        theirs["curve_style"], ours["curve_style"] = langchain.CurveStyle.BASIS, CurveStyle.BASIS
    if "node_colors" in options:
        theirs["node_colors"] = langchain.NodeStyles(**options["node_colors"])
        ours["node_colors"] = NodeStyles(**options["node_colors"])
    expected = builder.compile().get_graph().draw_mermaid(**theirs)
    assert graph_of(builder).draw_mermaid(**ours) == expected
    assert graph_of(builder).draw_mermaid(**theirs) == expected


@pytest.mark.parametrize("words", [3, 9])
@pytest.mark.parametrize("lone", [True, False])
def test_graphs_made_by_hand_are_drawn_alike(words: int, lone: bool) -> None:
    names = ["only"] if lone else ["a", "p:b", "p:c", "é x"]
    ends = [] if lone else [("a", "p:b"), ("p:b", "p:c"), ("p:c", "é x")]
    texts = []
    for module in (langchain, None):
        graph, node, edge = (
            (Graph, Node, Edge) if module is None else (module.Graph, module.Node, module.Edge)
        )
        drawn = graph(
            {name: node(name, name, None, {"k": 1} if name == "a" else None) for name in names},
            [edge(*pair, "one two three four five", pair[0] == "a") for pair in ends],
        )
        texts.append((drawn.draw_mermaid(wrap_label_n_words=words), drawn.to_json()))
    assert texts[0] == texts[1]


def test_a_tool_written_for_the_one_graph_takes_the_other() -> None:
    """The edits that LangChain makes when graphs are put into one another."""
    outcomes = []
    for module in (langchain, None):
        graph = Graph if module is None else module.Graph
        inner, outer = graph(), graph()
        nodes = [inner.add_node(None, name) for name in ("__start__", "m", "__end__")]
        inner.add_edge(nodes[0], nodes[1], "label", True)
        inner.add_edge(nodes[1], nodes[2])
        outer.add_node(None, "q", metadata={"k": 1})
        ends = outer.extend(inner, prefix="p")
        outer.add_edge(outer.nodes["q"], ends[0])
        inner.trim_first_node()
        inner.trim_last_node()
        shown = [tuple(n) for n in outer.nodes.values()], [tuple(e) for e in outer.edges]
        copies = nodes[0].copy(id="z"), nodes[0].copy(name="y"), outer.edges[0].copy(source="s")
        outer.remove_node(outer.nodes["p:m"])
        left = list(inner.nodes), list(outer.nodes), [tuple(e) for e in outer.edges]
        outcomes.append((shown, [tuple(c) for c in copies], left, list(outer.reid().nodes)))
    assert outcomes[0] == outcomes[1]
