"""A graph as the text of a Mermaid flowchart."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from caesura.drawing.frontmatter import yaml_lines
from caesura.drawing.graph import Edge, Node

if TYPE_CHECKING:
    from caesura.drawing.graph import Graph

_MARKDOWN: Final = ("*", "_", "`")


class CurveStyle(Enum):
    """How edges are bent."""

    BASIS = "basis"
    BUMP_X = "bumpX"
    BUMP_Y = "bumpY"
    CARDINAL = "cardinal"
    CATMULL_ROM = "catmullRom"
    LINEAR = "linear"
    MONOTONE_X = "monotoneX"
    MONOTONE_Y = "monotoneY"
    NATURAL = "natural"
    STEP = "step"
    STEP_AFTER = "stepAfter"
    STEP_BEFORE = "stepBefore"


class MermaidDrawMethod(Enum):
    """Who draws: ``API``, a service on the network. ``PYPPETEER`` is known but not supported."""

    PYPPETEER = "pyppeteer"
    API = "api"


@dataclass
class NodeStyles:
    """CSS of the nodes: of all, of the first and of the last."""

    default: str = "fill:#f2f0ff,line-height:1.2"
    first: str = "fill-opacity:0"
    last: str = "fill:#bfb6fc"


def mermaid_text(
    graph: Graph,
    *,
    with_styles: bool,
    curve_style: Any,
    node_colors: Any,
    words: int,
    frontmatter: dict[str, Any] | None,
) -> str:
    """See `Graph.draw_mermaid`."""
    lines = ["graph TD;", *_Mermaid(graph, words, with_styles).lines()]
    if with_styles:
        styles = node_colors or NodeStyles()
        lines += [f"\tclassDef {each.name} {getattr(styles, each.name)}" for each in fields(styles)]
        lines = [*_head(curve_style, frontmatter or {}), *lines]
    return "\n".join(lines) + "\n"


def _head(curve_style: Any, given: dict[str, Any]) -> list[str]:
    """The YAML above the text; the curve goes where Mermaid reads it, and wins there."""
    config = given.get("config") or {}
    flowchart = {
        **(config.get("flowchart") or {}),
        "curve": getattr(curve_style, "value", curve_style),
    }
    return ["---", *yaml_lines({**given, "config": {**config, "flowchart": flowchart}}), "---"]


class _Mermaid:
    """One graph on its way to text. Ids with colons, ``parent:child``, become nested boxes."""

    def __init__(self, graph: Graph, words: int, with_styles: bool) -> None:
        self.words = words
        self.with_styles = with_styles
        self.first = graph.first_node()
        self.last = graph.last_node()
        self.nodes: dict[str, list[Node]] = {}
        self.edges: dict[str, list[Edge]] = {}
        for node in graph.nodes.values():
            self.nodes.setdefault(node.id.rpartition(":")[0], []).append(node)
        self.inside: dict[str, dict[str, list[Edge]]] = {}
        for edge in graph.edges:
            if edge.source == edge.target:
                self._enter(edge.source).append(edge)
            else:
                box = _common_box(edge)
                self.edges.setdefault(box, []).append(edge)
                self._enter(box)
        for box in self.nodes:
            self._enter(box)

    def _enter(self, box: str) -> list[Edge]:
        """Note a box, or a node with loops, in the box around it → its loops."""
        outer = box.rpartition(":")[0]
        if outer:
            self._enter(outer)
        return self.inside.setdefault(outer, {}).setdefault(box, []) if box else []

    def lines(self) -> Iterator[str]:
        """Everything but what is above and below all graphs."""
        return self._box("")

    def _box(self, box: str) -> Iterator[str]:
        for node in self.nodes.get(box, ()) if self.with_styles else ():
            yield self._node(node)
        for edge in self.edges.get(box, ()):
            yield self._edge(edge)
        for inner, loops in self.inside.get(box, {}).items():
            for edge in loops:
                yield self._edge(edge)
            if inner in self.nodes or inner in self.edges or inner in self.inside:
                yield f"\tsubgraph {inner.rpartition(':')[2]}"
                yield from self._box(inner)
                yield "\tend"

    def _node(self, node: Node) -> str:
        label = _label(node)
        if node == self.last:
            label = f"([{label}]):::last"
        elif node == self.first:
            label = f"([{label}]):::first"
        else:
            label = f"({label})"
        return f"\t{_safe_id(node.id)}{label}"

    def _edge(self, edge: Edge) -> str:
        arrow = " -.-> " if edge.conditional else " --> "
        if edge.data is not None:
            text = self._wrapped(str(edge.data))
            arrow = (
                f" -. &nbsp;{text}&nbsp; .-> "
                if edge.conditional
                else f" -- &nbsp;{text}&nbsp; --> "
            )
        return f"\t{_safe_id(edge.source)}{arrow}{_safe_id(edge.target)};"

    def _wrapped(self, text: str) -> str:
        words = text.split()
        if len(words) <= self.words:
            return text
        lines = (
            " ".join(words[start : start + self.words])
            for start in range(0, len(words), self.words)
        )
        return "&nbsp<br>&nbsp".join(lines)


def _common_box(edge: Edge) -> str:
    """The innermost box that holds both ends."""
    common = []
    ends = zip(edge.source.split(":")[:-1], edge.target.split(":")[:-1], strict=False)
    for one, other in ends:
        if one != other:
            break
        common.append(one)
    return ":".join(common)


def _label(node: Node) -> str:
    name = node.name.rpartition(":")[2]
    if name.startswith(_MARKDOWN) and name.endswith(_MARKDOWN):
        name = f"<p>{name}</p>"
    if node.metadata:
        shown = "\n".join(f"{key} = {value}" for key, value in node.metadata.items())
        name += f"<hr/><small><em>{shown}</em></small>"
    return name


def _safe_id(text: str) -> str:
    """Mermaid ids are of ASCII letters, digits, ``-`` and ``_``; the rest becomes CSS hex."""
    return re.sub(r"[^a-zA-Z0-9_-]", lambda found: f"\\{ord(found[0]):x}", text)
