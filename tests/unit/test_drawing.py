"""Pictures of programs say what was declared."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from caesura.drawing import Edge, Graph, Node, graph_of, graph_of_function


def builder(nodes: str, *edges: tuple[str, str], **more: Any) -> Any:
    specs = {name: SimpleNamespace(runnable=len, metadata=None, ends=()) for name in nodes}
    return SimpleNamespace(
        nodes=specs,
        edges=set(edges),
        branches=more.get("branches", {}),
        waiting_edges=more.get("waiting_edges", set()),
    )


def arrows(graph: Graph) -> list[str]:
    return [
        f"{edge.source}{'?' if edge.conditional else '-'}>{edge.target}" for edge in graph.edges
    ]


def test_a_node_that_leads_nowhere_leads_to_the_end() -> None:
    drawn = graph_of(builder("ab", ("__start__", "a"), ("a", "b")))
    assert arrows(drawn) == ["__start__->a", "a->b", "b->__end__"]
    assert list(drawn.nodes) == ["__start__", "a", "b", "__end__"]


def test_a_loop_without_an_end_may_end_where_it_is() -> None:
    drawn = graph_of(builder("a", ("__start__", "a"), ("a", "a")))
    assert arrows(drawn) == ["__start__->a", "a->a", "a?>__end__"]


def test_a_join_is_drawn_only_if_all_its_sources_are_reached() -> None:
    joined = {(("a", "b"), "c")}
    whole = builder("abc", ("__start__", "a"), ("__start__", "b"), waiting_edges=joined)
    half = builder("abc", ("__start__", "a"), waiting_edges=joined)
    assert "a->c" in arrows(graph_of(whole))
    assert "a->c" not in arrows(graph_of(half))


def test_a_label_shows_unless_it_is_the_name_of_its_target() -> None:
    branch = {"path": SimpleNamespace(ends={"yes": "b", "c": "c"})}
    drawn = graph_of(builder("abc", ("__start__", "a"), branches={"a": branch}))
    assert {edge.target: edge.data for edge in drawn.edges if edge.conditional} == {
        "b": "yes",
        "c": None,
    }


def test_the_mermaid_text_is_this() -> None:
    drawn = graph_of(builder("a", ("__start__", "a")), interrupt_before=["a"])
    assert drawn.draw_mermaid() == (
        "---\nconfig:\n  flowchart:\n    curve: linear\n---\ngraph TD;\n"
        "\t__start__([<p>__start__</p>]):::first\n"
        "\ta(a<hr/><small><em>__interrupt = before</em></small>)\n"
        "\t__end__([<p>__end__</p>]):::last\n"
        "\t__start__ --> a;\n\ta --> __end__;\n"
        "\tclassDef default fill:#f2f0ff,line-height:1.2\n"
        "\tclassDef first fill-opacity:0\n\tclassDef last fill:#bfb6fc\n"
    )


def test_the_json_is_this() -> None:
    drawn = Graph({"a": Node("a", "a", len, {"k": 1}), "b": Node("b", "b")}, [Edge("a", "b", "x")])
    assert drawn.to_json() == {
        "nodes": [
            {
                "id": "a",
                "type": "runnable",
                "data": {"id": ["builtins", "len"], "name": "a"},
                "metadata": {"k": 1},
            },
            {"id": "b"},
        ],
        "edges": [{"source": "a", "target": "b", "data": "x"}],
    }


def test_a_nested_graph_is_drawn_in_the_place_of_its_node() -> None:
    child = graph_of(builder("xy", ("__start__", "x"), ("x", "y")))
    drawn = graph_of(builder("ab", ("__start__", "a"), ("a", "b")), children={"a": child})
    assert arrows(drawn) == ["__start__->a:x", "a:y->b", "b->__end__", "a:x->a:y"]
    assert "\tsubgraph a\n" in drawn.draw_mermaid()


def test_an_entrypoint_is_one_node() -> None:
    assert arrows(graph_of_function("essay")) == ["__start__->essay", "essay?>__end__"]
