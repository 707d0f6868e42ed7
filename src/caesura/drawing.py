"""Pictures of programs: nodes and edges as data, and the two texts people ask for.

A `Graph` is drawn from what was declared, by walking it: the virtual start node runs first, then in
each step every node that an edge, a branch or a complete join of the step before leads to. An edge
is drawn when the walk takes it, so nodes that nothing leads to stand alone, and a join whose
sources cannot all be reached is not drawn. The walk ends when nothing is left to do or after
`WALK_LIMIT` steps (a loop never runs dry). A node that the walk enters and that leads nowhere gets
an edge to the end; if there is no way to the end at all but the walk stopped on one node, that node
gets a conditional one: the only honest guess.

`Graph`, `Node` and `Edge` have the attributes of LangChain's classes of these names and print the
same Mermaid text and JSON, so that tools written for one take the other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Protocol

from caesura.constants import END, START

WALK_LIMIT: Final = 250
_STYLES: Final = (
    "default fill:#f2f0ff,line-height:1.2",
    "first fill-opacity:0",
    "last fill:#bfb6fc",
)
_MARKDOWN: Final = ("*", "_", "`")


class Edge(NamedTuple):
    """A way from ``source`` to ``target``; ``data`` is its label."""

    source: str
    target: str
    data: Any = None
    conditional: bool = False


class Node(NamedTuple):
    """A node: ``data`` is what runs there (None for virtual nodes)."""

    id: str
    name: str
    data: Any = None
    metadata: dict[str, Any] | None = None


@dataclass
class Graph:
    """What a program looks like: nodes by id, in the order of declaration, and edges."""

    nodes: dict[str, Node] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)

    def first_node(self) -> Node | None:
        """The one node that no edge leads to; None if there are none or several."""
        return _only(self._without({edge.target for edge in self.edges}))

    def last_node(self) -> Node | None:
        """The one node that no edge leaves; None if there are none or several."""
        return _only(self._without({edge.source for edge in self.edges}))

    def _without(self, ids: set[str]) -> list[Node]:
        return [node for node in self.nodes.values() if node.id not in ids]

    def to_json(self, *, with_schemas: bool = False) -> dict[str, list[dict[str, Any]]]:
        """``{"nodes": [...], "edges": [...]}`` of plain values. ``with_schemas`` has no effect."""
        return {
            "nodes": [_node_json(node) for node in self.nodes.values()],
            "edges": [_edge_json(edge) for edge in self.edges],
        }

    def draw_mermaid(
        self,
        *,
        with_styles: bool = True,
        curve_style: Any = "linear",
        wrap_label_n_words: int = 9,
        **_tolerated: Any,
    ) -> str:
        """The graph as Mermaid flowchart text; without styles only its edges."""
        return _Mermaid(self, wrap_label_n_words, with_styles).text(curve_style)

    def draw_ascii(self) -> str:
        """The graph in letters, by LangChain and grandalf. Raises ImportError without them."""
        return str(self._langchain().draw_ascii())

    def print_ascii(self) -> None:
        """Print what `draw_ascii` returns."""
        print(self.draw_ascii())

    def draw_png(self, output_file_path: str | None = None, **options: Any) -> bytes | None:
        """A PNG by LangChain and pygraphviz. Raises ImportError without them."""
        image: bytes | None = self._langchain().draw_png(output_file_path, **options)
        return image

    def draw_mermaid_png(self, **options: Any) -> bytes:
        """A PNG by LangChain. Raises ImportError without langchain-core."""
        return bytes(self._langchain().draw_mermaid_png(**options))

    def _langchain(self) -> Any:
        try:
            from langchain_core.runnables import graph as langchain
        except ImportError as error:
            raise ImportError(
                "This drawing is made by LangChain: `pip install langchain-core grandalf`. "
                "draw_mermaid() needs nothing."
            ) from error
        return langchain.Graph(
            nodes={i: langchain.Node(*node) for i, node in self.nodes.items()},
            edges=[langchain.Edge(*edge) for edge in self.edges],
        )


def _only(nodes: Sequence[Node]) -> Node | None:
    return nodes[0] if len(nodes) == 1 else None


# --- JSON ------------------------------------------------------------------------------------


def _node_json(node: Node) -> dict[str, Any]:
    shown: dict[str, Any] = {"id": node.id}
    if node.data is not None:
        shown["type"] = "runnable"
        shown["data"] = {"id": _origin(node.data), "name": node.name}
    if node.metadata is not None:
        shown["metadata"] = node.metadata
    return shown


def _origin(data: Any) -> list[str]:
    """Module path and name of what runs: a function's own, otherwise its class's."""
    named = data if hasattr(data, "__qualname__") else type(data)
    module = getattr(named, "__module__", None) or "builtins"
    return [*module.split("."), named.__qualname__]


def _edge_json(edge: Edge) -> dict[str, Any]:
    shown: dict[str, Any] = {"source": edge.source, "target": edge.target}
    if edge.data is not None:
        shown["data"] = edge.data
    if edge.conditional:
        shown["conditional"] = True
    return shown


# --- Mermaid ---------------------------------------------------------------------------------


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

    def text(self, curve_style: Any) -> str:
        curve = getattr(curve_style, "value", curve_style)
        head = ["---", "config:", "  flowchart:", f"    curve: {curve}", "---", "graph TD;"]
        lines = [*(head if self.with_styles else head[-1:]), *self._box("")]
        if self.with_styles:
            lines += [f"\tclassDef {style}" for style in _STYLES]
        return "\n".join(lines) + "\n"

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
        if node == self.first:
            label = f"([{label}]):::first"
        elif node == self.last:
            label = f"([{label}]):::last"
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


# --- from a builder --------------------------------------------------------------------------


class BuilderLike(Protocol):
    """What a `StateGraph` declares, as far as a picture needs it."""

    nodes: Mapping[str, Any]
    """Name → what has ``runnable, metadata, ends, defer``."""
    edges: Iterable[tuple[str, str]]
    branches: Mapping[str, Mapping[str, Any]]
    """Source → name → what has ``ends``: label → target, or None where it may lead anywhere."""
    waiting_edges: Iterable[tuple[tuple[str, ...], str]]


def graph_of(
    declared: Any,
    *,
    xray: bool | int = False,
    interrupt_before: Any = None,
    interrupt_after: Any = None,
    children: Mapping[str, Graph] | None = None,
) -> Graph:
    """The picture of a program: a compiled one, or a `StateGraph` (see `BuilderLike`).

    ``xray``: draw nested graphs in the place of their nodes, to that depth (True: all the way).
    ``interrupt_before``, ``interrupt_after``: node names whose breakpoints to note (``"*"`` is not
    noted); a compiled program's own if None. ``children``: pictures of nested graphs by node name;
    a compiled program's own if None.
    """
    builder = getattr(declared, "builder", declared)
    if getattr(builder, "branches", None) is None:
        return graph_of_function(*_only_node(declared))
    if interrupt_before is None:
        interrupt_before = getattr(declared, "interrupt_before_nodes", ())
    if interrupt_after is None:
        interrupt_after = getattr(declared, "interrupt_after_nodes", ())
    if children is None:
        children = _children(declared, xray) if xray and declared is not builder else {}
    return _graph_of_builder(builder, interrupt_before, interrupt_after, children)


def _only_node(declared: Any) -> tuple[str, Any]:
    name = next(name for name in declared.nodes if name not in (START, END))
    return name, declared.nodes[name]


def _children(declared: Any, xray: bool | int) -> dict[str, Graph]:
    deeper = xray if isinstance(xray, bool) else xray - 1
    return {name: child.get_graph(xray=deeper) for name, child in declared.get_subgraphs()}


def _graph_of_builder(
    builder: BuilderLike, before: Any, after: Any, children: Mapping[str, Graph]
) -> Graph:
    drawn = _Walk(builder).edges()
    graph = Graph()
    graph.nodes[START] = Node(START, START, _start)
    for name, spec in builder.nodes.items():
        if name in (START, END):
            continue
        data = getattr(spec, "runnable", spec)
        notes = _notes(name, spec, data, before, after)
        graph.nodes[name] = Node(name, name, data, notes or None)
    if any(edge.target == END for edge in drawn):
        graph.nodes[END] = Node(END, END)
    graph.edges = drawn
    for name, child in children.items():
        _draw_inside(graph, name, child)
    return graph


def graph_of_function(name: str, data: Any = None) -> Graph:
    """The picture of an ``@entrypoint``: one node between start and end."""
    nodes = [Node(name, name, data if data is not None else _start), Node(START, START)]
    nodes.append(Node(END, END))
    edges = [Edge(START, name), Edge(name, END, None, True)]
    return Graph({node.id: node for node in nodes}, edges)


def _start() -> None:
    """What stands for the virtual start node in pictures."""


def _notes(name: str, spec: Any, data: Any, before: Any, after: Any) -> dict[str, Any]:
    notes = dict(getattr(spec, "metadata", None) or {})
    tools = getattr(data, "tools_by_name", None)
    if tools:
        notes["__tools"] = list(tools)
    if getattr(spec, "defer", False):
        notes["defer"] = True
    stops = [word for word, names in (("before", before), ("after", after)) if _lists(names, name)]
    if stops:
        notes["__interrupt"] = ",".join(stops)
    return notes


def _lists(names: Any, name: str) -> bool:
    return bool(names) and not isinstance(names, str) and name in names


class _Walk:
    """A run of the program in which every edge and every branch is taken."""

    def __init__(self, builder: BuilderLike) -> None:
        self.names = {START, *builder.nodes}
        self.plain: dict[str, list[str]] = {}
        self.jumps: dict[str, dict[str, str]] = {}
        for source, target in builder.edges:
            if target != END:
                self.plain.setdefault(source, []).append(target)
        for source, branches in builder.branches.items():
            for branch in branches.values():
                self._declare(source, (getattr(branch, "ends", None) or {}).items())
        for name, spec in builder.nodes.items():
            self._declare(name, _destinations(getattr(spec, "ends", None)))
        self.joins = [
            (frozenset(sources), target)
            for sources, target in sorted(builder.waiting_edges)
            if target != END
        ]

    def _declare(self, source: str, ends: Iterable[tuple[Any, str]]) -> None:
        """Of several labels for one target the first of the alphabet shows."""
        known = self.jumps.setdefault(source, {})
        for label, target in ends:
            known[target] = min(str(label), known.get(target, str(label)))

    def _leaving(self, source: str, again: bool) -> Iterator[Edge]:
        """The edges out of a node that runs. Its branches are taken the first time only."""
        jumps = {} if again else self.jumps.get(source, {})
        for target, label in jumps.items():
            yield Edge(source, target, None if label == target else label, True)
        for target in self.plain.get(source, ()):
            if target not in jumps:
                yield Edge(source, target)

    def edges(self) -> list[Edge]:
        """All edges taken, by source and target; after them those to the end that follow."""
        taken, stopped_on = self._taken()
        drawn = [taken[ends] for ends in sorted(taken)]
        leaving = {edge.source for edge in drawn}
        entered = {edge.target for edge in drawn} - {END}
        drawn += [Edge(name, END) for name in sorted(entered - leaving)]
        if len(stopped_on) == 1 and all(edge.target != END for edge in drawn):
            drawn.append(Edge(stopped_on.pop(), END, None, True))
        return drawn

    def _taken(self) -> tuple[dict[tuple[str, str], Edge], set[str]]:
        taken: dict[tuple[str, str], Edge] = {}
        joined: dict[tuple[str, str], Edge] = {}
        arrived: list[set[str]] = [set() for _ in self.joins]
        running = {START}
        seen: set[str] = set()
        for _ in range(WALK_LIMIT + 1):
            following: set[str] = set()
            for name in running:
                for edge in self._leaving(name, again=name in seen):
                    taken[name, edge.target] = edge
                    following.add(edge.target)
            seen |= running
            for edge in self._joins(running, following, arrived):
                joined[edge.source, edge.target] = edge
            following &= self.names
            if not following:
                break
            previous, running = running, following
        else:
            running = previous
        return taken | joined, running

    def _joins(
        self, running: set[str], following: set[str], arrived: list[set[str]]
    ) -> Iterator[Edge]:
        """Edges of the joins whose target runs next, be it for the join or for another edge."""
        for (sources, target), here in zip(self.joins, arrived, strict=True):
            here |= sources & running
            if here == sources:
                following.add(target)
        for (sources, target), here in zip(self.joins, arrived, strict=True):
            if target in following:
                yield from (Edge(source, target) for source in here)
            if here == sources:
                here.clear()


def _destinations(ends: Any) -> list[tuple[Any, str]]:
    """(label, target) of a node's own jumps, declared as names or as name → label."""
    if isinstance(ends, Mapping):
        return [(label, target) for target, label in ends.items()]
    return [(target, target) for target in ends or ()]


# --- nested graphs ---------------------------------------------------------------------------


def _draw_inside(graph: Graph, name: str, child: Graph) -> None:
    """Replace node ``name`` by ``child``, whose ids get ``name:`` before them.

    Nothing happens where the child has no single way in or out. Its virtual start and end are left
    out where one node can stand for them.
    """
    child = _trimmed(child)
    first, last = child.first_node(), child.last_node()
    if name not in graph.nodes or first is None or last is None:
        return
    del graph.nodes[name]
    entry, exit_ = f"{name}:{first.id}", f"{name}:{last.id}"
    for node in child.nodes.values():
        inner = f"{name}:{node.id}"
        graph.nodes[inner] = Node(inner, inner, node.data, node.metadata)
    graph.edges = [
        edge._replace(
            source=exit_ if edge.source == name else edge.source,
            target=entry if edge.target == name else edge.target,
        )
        for edge in graph.edges
    ]
    graph.edges += [
        edge._replace(source=f"{name}:{edge.source}", target=f"{name}:{edge.target}")
        for edge in child.edges
    ]


def _trimmed(graph: Graph) -> Graph:
    first = graph.first_node()
    if first is not None and sum(edge.source == first.id for edge in graph.edges) == 1:
        smaller = _removed(graph, first.id)
        graph = smaller if smaller.first_node() else graph
    last = graph.last_node()
    if last is not None and sum(edge.target == last.id for edge in graph.edges) == 1:
        smaller = _removed(graph, last.id)
        graph = smaller if smaller.last_node() else graph
    return graph


def _removed(graph: Graph, name: str) -> Graph:
    return Graph(
        {i: node for i, node in graph.nodes.items() if i != name},
        [edge for edge in graph.edges if name not in (edge.source, edge.target)],
    )
