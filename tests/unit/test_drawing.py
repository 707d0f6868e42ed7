"""Pictures of programs say what was declared."""

from __future__ import annotations

import base64
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from caesura.config import Leniency
from caesura.drawing import (
    Edge,
    Graph,
    MermaidDrawMethod,
    Node,
    graph_of,
    graph_of_function,
)


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


# --- editing ---------------------------------------------------------------------------------


def chain(*names: str) -> Graph:
    drawn = Graph()
    nodes = [drawn.add_node(None, name) for name in names]
    for one, other in pairwise(nodes):
        drawn.add_edge(one, other)
    return drawn


def test_what_is_edited_must_be_there() -> None:
    drawn = chain("a", "b")
    with pytest.raises(ValueError, match="id a already exists"):
        drawn.add_node(None, "a")
    stranger = Node("z", "z")
    with pytest.raises(ValueError, match="Source node z"):
        drawn.add_edge(stranger, drawn.nodes["a"])
    with pytest.raises(ValueError, match="Target node z"):
        drawn.add_edge(drawn.nodes["a"], stranger)
    with pytest.raises(KeyError):
        drawn.remove_node(stranger)
    drawn.remove_node(drawn.nodes["a"])
    assert (list(drawn.nodes), drawn.edges) == (["b"], [])


def test_the_ends_are_trimmed_where_a_node_can_stand_for_them() -> None:
    drawn = chain("a", "b", "c")
    drawn.trim_first_node()
    drawn.trim_last_node()
    assert list(drawn.nodes) == ["b"]
    drawn.trim_first_node()
    assert list(drawn.nodes) == ["b"]
    assert drawn
    assert not Graph()


def test_a_graph_is_added_under_a_prefix() -> None:
    drawn = chain("a")
    first, last = drawn.extend(chain("x", "y"), prefix="p")
    assert (first, last) == (drawn.nodes["p:x"], drawn.nodes["p:y"])
    assert (list(drawn.nodes), arrows(drawn)) == (["a", "p:x", "p:y"], ["p:x->p:y"])
    assert drawn.extend(Graph()) == (None, None)


def test_random_ids_are_not_shown() -> None:
    drawn = Graph()
    one, other, named = drawn.add_node(len), drawn.add_node(len), drawn.add_node(len, "b")
    drawn.add_edge(one, named)
    drawn.add_edge(other, named)
    assert arrows(drawn.reid()) == ["len_1->b", "len_2->b"]
    assert [node["id"] for node in drawn.to_json()["nodes"]] == [0, 1, "b"]
    assert [edge["source"] for edge in drawn.to_json()["edges"]] == [0, 1]


def test_a_class_of_models_shows_its_schema_if_asked() -> None:
    pydantic = pytest.importorskip("pydantic")
    model = pydantic.create_model("M", x=(int, ...))
    drawn = Graph()
    drawn.add_node(model, "m")
    (named,), (whole,) = (drawn.to_json(with_schemas=w)["nodes"] for w in (False, True))
    assert named == {"id": "m", "type": "schema", "data": "m"}
    assert whole["data"] == model.model_json_schema()


# --- letters ---------------------------------------------------------------------------------

PICTURE = """\
  +---+
  | a |
  +---+
    *
    *
    *
+-------+
| a.b:c |
+-------+"""


def test_the_picture_in_letters_is_this(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("grandalf")
    drawn = chain("a", "a.b:c")
    drawn.add_edge(drawn.nodes["a"], drawn.nodes["a"])
    drawn.print_ascii()
    printed = capsys.readouterr().out
    assert [line.rstrip() for line in printed.splitlines()] == PICTURE.splitlines()
    assert Graph().draw_ascii() == ""


def test_a_picture_in_letters_is_the_same_in_every_process() -> None:
    pytest.importorskip("grandalf")
    code = (
        "from caesura.drawing import *\n"
        "ways = ['a0 b', 'd e', 'a0 d', 'd long', 'b e', 'long e', 'd f', 'a0 long', 'e d']\n"
        "edges = [Edge(*way.split()) for way in ways]\n"
        "print(Graph({n: Node(n, n) for n in ('a0', 'b', 'd', 'e', 'f', 'long')}, edges).draw_ascii())"
    )
    drawn = [
        subprocess.check_output([sys.executable, "-c", code], env={"PYTHONHASHSEED": seed})
        for seed in ("1", "2", "3")
    ]
    assert drawn[0] == drawn[1] == drawn[2]


@pytest.mark.parametrize(
    ("module", "draw"), [("grandalf", "draw_ascii"), ("pygraphviz", "draw_png")]
)
def test_what_a_drawing_needs_is_named(
    monkeypatch: pytest.MonkeyPatch, module: str, draw: str
) -> None:
    for name in [m for m in sys.modules if m.split(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=f"Install {module} to draw graphs"):
        getattr(chain("a"), draw)()


# --- a service that draws ----------------------------------------------------------------------


class Drawing(BaseHTTPRequestHandler):
    """Answers with the Mermaid text it was sent, or fails as often as it is told to."""

    asked: list[str]
    failures: list[int]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        status = self.failures.pop() if self.failures else 200
        self.send_response(status)
        self.end_headers()
        if status == 200:
            coded = self.path.split("?")[0].rpartition("/")[2]
            self.wfile.write(base64.urlsafe_b64decode(coded))

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


@pytest.fixture
def service() -> Iterator[Any]:
    """(its URL, the paths it was asked for, the failures to come)"""
    kind = type("Service", (Drawing,), {"asked": [], "failures": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", kind.asked, kind.failures
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_mermaid_service_draws_if_it_is_named(service: Any, tmp_path: Path) -> None:
    url, asked, failures = service
    drawn, file = chain("a", "b"), tmp_path / "graph.png"
    image = drawn.draw_mermaid_png(base_url=f"{url}/", output_file_path=str(file))
    assert image == file.read_bytes() == drawn.draw_mermaid().encode()
    assert asked[0].endswith("?type=png&bgColor=!white")
    failures += [503]
    options: dict[str, Any] = {"base_url": url, "background_color": "#ff0000", "retry_delay": 0}
    assert drawn.draw_mermaid_png(**options) == drawn.draw_mermaid().encode()
    assert asked[-1].endswith("&bgColor=ff0000")
    assert len(asked) == 3


def test_the_environment_may_name_the_service(
    service: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAESURA_MERMAID_URL", service[0])
    assert chain("a").draw_mermaid_png() == chain("a").draw_mermaid().encode()


def test_nothing_is_sent_to_a_service_that_nobody_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CAESURA_MERMAID_URL", raising=False)
    with pytest.raises(ValueError, match="nothing says to which"):
        chain("a").draw_mermaid_png()
    with pytest.raises(ValueError, match="PYPPETEER is not supported"):
        chain("a").draw_mermaid_png(draw_method=MermaidDrawMethod.PYPPETEER)


@pytest.mark.parametrize("lenient", [True, False])
def test_the_public_service_is_used_where_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, lenient: bool
) -> None:
    monkeypatch.setattr(Leniency, "enabled", lenient)
    how: dict[str, Any] = {} if lenient else {"draw_method": MermaidDrawMethod.API}
    proxies = {"https": "http://127.0.0.1:9"}  # Nobody listens there.
    with pytest.raises(ValueError, match=r"https://mermaid\.ink could not be used"):
        chain("a").draw_mermaid_png(proxies=proxies, max_retries=0, **how)


def test_a_service_that_refuses_is_not_asked_again(service: Any) -> None:
    url, asked, failures = service
    failures += [404]
    with pytest.raises(ValueError, match="it answered 404"):
        chain("a").draw_mermaid_png(base_url=url, max_retries=3, retry_delay=0)
    assert len(asked) == 1
