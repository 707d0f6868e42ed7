"""Nodes and edges as data: `Graph` holds them, can be edited, and knows how to show itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID, uuid4


class Edge(NamedTuple):
    """A way from ``source`` to ``target``; ``data`` is its label."""

    source: str
    target: str
    data: Any = None
    conditional: bool = False

    def copy(self, *, source: str | None = None, target: str | None = None) -> Edge:
        """The same edge between other nodes."""
        return self._replace(source=source or self.source, target=target or self.target)


class Node(NamedTuple):
    """A node: ``data`` is what runs there (None for virtual nodes)."""

    id: str
    name: str
    data: Any = None
    metadata: dict[str, Any] | None = None

    def copy(self, *, id: str | None = None, name: str | None = None) -> Node:
        """The same node under another id or name."""
        return self._replace(id=id or self.id, name=name or self.name)


@dataclass
class Graph:
    """What a program looks like: nodes by id, in the order of declaration, and edges."""

    nodes: dict[str, Node] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.nodes)

    # --- its ends ----------------------------------------------------------------------------

    def first_node(self) -> Node | None:
        """The one node that no edge leads to; None if there are none or several."""
        return _only(self._without({edge.target for edge in self.edges}))

    def last_node(self) -> Node | None:
        """The one node that no edge leaves; None if there are none or several."""
        return _only(self._without({edge.source for edge in self.edges}))

    def _without(self, ids: set[str]) -> list[Node]:
        return [node for node in self.nodes.values() if node.id not in ids]

    def trim_first_node(self) -> None:
        """Take the first node away if one other node can stand for it."""
        first = self.first_node()
        if first is not None and sum(edge.source == first.id for edge in self.edges) == 1:
            smaller = self._removed(first.id)
            if smaller.first_node():
                self.nodes, self.edges = smaller.nodes, smaller.edges

    def trim_last_node(self) -> None:
        """Take the last node away if one other node can stand for it."""
        last = self.last_node()
        if last is not None and sum(edge.target == last.id for edge in self.edges) == 1:
            smaller = self._removed(last.id)
            if smaller.last_node():
                self.nodes, self.edges = smaller.nodes, smaller.edges

    def _removed(self, id: str) -> Graph:
        return Graph(
            {name: node for name, node in self.nodes.items() if name != id},
            [edge for edge in self.edges if id not in (edge.source, edge.target)],
        )

    # --- editing -----------------------------------------------------------------------------

    def next_id(self) -> str:
        """An id for a node that has none: random, and not shown where it can be avoided."""
        return uuid4().hex

    def add_node(
        self, data: Any, id: str | None = None, *, metadata: dict[str, Any] | None = None
    ) -> Node:
        """Add a node, named by its id or else by what it runs. Raises ValueError for a known id."""
        if id is not None and id in self.nodes:
            raise ValueError(f"Node with id {id} already exists")
        known = id or self.next_id()
        node = Node(known, id or _name_of(data) or known, data, metadata)
        self.nodes[known] = node
        return node

    def remove_node(self, node: Node) -> None:
        """Take a node and its edges away. Raises KeyError if it is not there."""
        del self.nodes[node.id]
        self.edges = self._removed(node.id).edges

    def add_edge(
        self, source: Node, target: Node, data: Any = None, conditional: bool = False
    ) -> Edge:
        """Add an edge. Raises ValueError if one of the nodes is not in the graph."""
        for kind, node in (("Source", source), ("Target", target)):
            if node.id not in self.nodes:
                raise ValueError(f"{kind} node {node.id} not in graph")
        edge = Edge(source.id, target.id, data, conditional)
        self.edges.append(edge)
        return edge

    def extend(self, graph: Graph, *, prefix: str = "") -> tuple[Node | None, Node | None]:
        """Add another graph's nodes and edges; returns its first and last node, as they are here.

        ``prefix`` goes before its ids, unless they are all random.
        """
        if all(is_random(id) for id in graph.nodes):
            prefix = ""
        ids = {id: f"{prefix}:{id}" if prefix else id for id in graph.nodes}
        self.nodes |= {ids[id]: node._replace(id=ids[id]) for id, node in graph.nodes.items()}
        self.edges += [e._replace(source=ids[e.source], target=ids[e.target]) for e in graph.edges]
        ends = [
            node and self.nodes[ids[node.id]] for node in (graph.first_node(), graph.last_node())
        ]
        return ends[0], ends[1]

    def reid(self) -> Graph:
        """A copy whose nodes with random ids are called by their names, numbered if need be."""
        counts = Counter(node.name for node in self.nodes.values())
        numbers: Counter[str] = Counter()
        ids: dict[str, str] = {}
        for id, node in self.nodes.items():
            numbers[node.name] += 1
            unique = counts[node.name] == 1
            name = node.name if unique else f"{node.name}_{numbers[node.name]}"
            ids[id] = name if is_random(id) else id
        return Graph(
            {ids[id]: node._replace(id=ids[id]) for id, node in self.nodes.items()},
            [e._replace(source=ids[e.source], target=ids[e.target]) for e in self.edges],
        )

    # --- showing -----------------------------------------------------------------------------

    def to_json(self, *, with_schemas: bool = False) -> dict[str, list[dict[str, Any]]]:
        """``{"nodes": [...], "edges": [...]}`` of plain values.

        ``with_schemas``: a node that is a model's class has its JSON Schema instead of its name.
        """
        from caesura.drawing.plain import graph_as_plain

        return graph_as_plain(self, with_schemas=with_schemas)

    def draw_mermaid(
        self,
        *,
        with_styles: bool = True,
        curve_style: Any = "linear",
        node_colors: Any = None,
        wrap_label_n_words: int = 9,
        frontmatter_config: dict[str, Any] | None = None,
    ) -> str:
        """The graph as Mermaid flowchart text; without styles only its edges.

        ``curve_style``: a `caesura.drawing.CurveStyle`, or its value. ``node_colors``: a
        `caesura.drawing.NodeStyles`. ``wrap_label_n_words``: words of a label on one line.
        ``frontmatter_config``: what stands above the text, as YAML.
        """
        from caesura.drawing.mermaid import mermaid_text

        return mermaid_text(
            self,
            with_styles=with_styles,
            curve_style=curve_style,
            node_colors=node_colors,
            words=wrap_label_n_words,
            frontmatter=frontmatter_config,
        )

    def draw_ascii(self) -> str:
        """The graph in letters. Raises ImportError without grandalf (``caesura[draw]``)."""
        from caesura.drawing.letters import in_letters

        return in_letters(self)

    def print_ascii(self) -> None:
        """Print what `draw_ascii` returns."""
        print(self.draw_ascii())

    def draw_png(
        self,
        output_file_path: str | None = None,
        fontname: str | None = None,
        labels: dict[str, dict[str, str]] | None = None,
    ) -> bytes | None:
        """A PNG by Graphviz: its bytes, or None if it was written to ``output_file_path``.

        ``labels``: other texts for nodes and edges, ``{"nodes": {...}, "edges": {...}}``. Raises
        ImportError without pygraphviz.
        """
        from caesura.drawing.images import png_by_graphviz

        return png_by_graphviz(self, output_file_path, fontname or "arial", labels or {})

    def draw_mermaid_png(
        self,
        *,
        curve_style: Any = "linear",
        node_colors: Any = None,
        wrap_label_n_words: int = 9,
        output_file_path: str | None = None,
        draw_method: Any = None,
        background_color: str | None = "white",
        padding: int = 10,
        max_retries: int = 1,
        retry_delay: float = 1.0,
        frontmatter_config: dict[str, Any] | None = None,
        base_url: str | None = None,
        proxies: dict[str, str] | None = None,
    ) -> bytes:
        """A PNG by a Mermaid service: the graph, with all its names, is sent there.

        Nothing is sent unless you say where to: with ``base_url``, the environment variable
        ``CAESURA_MERMAID_URL``, or ``draw_method="api"``, which is https://mermaid.ink. (Programs that
        came in through `caesura.compat.langgraph` use that one without being told.) ``retry_delay`` is
        in seconds. ``padding`` has no effect. ``proxies``: scheme → URL.

        Raises ValueError if nothing says where to, or the service cannot be reached.
        """
        from caesura.drawing.images import png_by_mermaid

        text = self.draw_mermaid(
            curve_style=curve_style,
            node_colors=node_colors,
            wrap_label_n_words=wrap_label_n_words,
            frontmatter_config=frontmatter_config,
        )
        image = png_by_mermaid(
            text, draw_method, base_url, background_color, max_retries, retry_delay, proxies
        )
        if output_file_path is not None:
            with open(output_file_path, "wb") as file:
                file.write(image)
        return image


def _only(nodes: Sequence[Node]) -> Node | None:
    return nodes[0] if len(nodes) == 1 else None


def is_random(id: str) -> bool:
    """True for ids as `Graph.next_id` makes them."""
    try:
        UUID(id)
    except ValueError:
        return False
    return True


def _name_of(data: Any) -> str | None:
    if data is None:
        return None
    if hasattr(data, "get_name"):
        return str(data.get_name())
    return str(getattr(data, "__name__", None) or type(data).__name__)
