"""What was declared → a `Graph`.

It is drawn by walking: the virtual start node runs first, then in each step every node that an edge, a
branch or a complete join of the step before leads to. An edge is drawn when the walk takes it, so
nodes that nothing leads to stand alone, and a join whose sources cannot all be reached is not drawn.
The walk ends when nothing is left to do or after `WALK_LIMIT` steps (a loop never runs dry). A node
that the walk enters and that leads nowhere gets an edge to the end; if there is no way to the end at
all but the walk stopped on one node, that node gets a conditional one: the only honest guess.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, Protocol

from caesura.constants import END, START
from caesura.drawing.graph import Edge, Graph, Node

WALK_LIMIT: Final = 250


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
    child = Graph(dict(child.nodes), list(child.edges))
    child.trim_first_node()
    child.trim_last_node()
    if name not in graph.nodes or child.first_node() is None or child.last_node() is None:
        return
    del graph.nodes[name]
    outside, graph.edges = graph.edges, []
    first, last = graph.extend(child, prefix=name)
    assert first is not None
    assert last is not None
    inside, graph.edges = graph.edges, []
    for edge in outside:
        source = last.id if edge.source == name else edge.source
        target = first.id if edge.target == name else edge.target
        graph.edges.append(edge._replace(source=source, target=target))
    graph.edges += inside
