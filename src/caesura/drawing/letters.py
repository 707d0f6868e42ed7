"""A graph in letters: boxes of ``+-|``, edges of ``*``, conditional ones of ``.``.

grandalf places the nodes in layers and routes the edges; here its coordinates become rows and columns.
What hangs together with the first node is drawn, but for edges that lead back to their own node.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import count, pairwise
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from caesura.drawing.graph import Graph

_HEIGHT: Final = 3
"""Rows of a node's box, and between two layers."""

Point = tuple[float, float]


class _Box:
    """What grandalf needs to know of a node, and where it put it."""

    def __init__(self, name: str) -> None:
        self.h, self.w = _HEIGHT, len(name) + 4
        self.xy: Point = (0.0, 0.0)

    @property
    def corner(self) -> Point:
        return self.xy[0] - self.w / 2, self.xy[1]


class _Way:
    """Where grandalf put an edge."""

    def __init__(self) -> None:
        self.points: Sequence[Point] = ()

    def setpath(self, points: Sequence[Point]) -> None:
        self.points = points


def in_letters(graph: Graph) -> str:
    """See `Graph.draw_ascii`."""
    placed = _placed(graph)
    if not graph.nodes:
        return ""
    boxes = [(vertex.data, vertex.view) for vertex in placed.sV]
    edges = sorted(placed.sE, key=hash)
    ways = [("." if edge.data else "*", edge.view.points) for edge in edges]
    corners = [box.corner for _, box in boxes]
    ends = [(x + box.w, y + box.h) for (_, box), (x, y) in zip(boxes, corners, strict=True)]
    points = [*corners, *ends, *(point for _, way in ways for point in way)]
    left, top = min(x for x, _ in points), min(y for _, y in points)
    right, bottom = max(x for x, _ in points), max(y for _, y in points)
    page = _Page(math.ceil(math.ceil(right) - math.floor(left)) + 1, round(bottom - top))
    for sign, way in ways:
        shifted = [(round(x - left), round(y - top)) for x, y in way]
        for start, end in pairwise(shifted):
            for column, row in _line(start, end):
                page.put(column, row, sign)
    for (name, box), (x, y) in zip(boxes, corners, strict=True):
        page.box(round(x - left), round(y - top), name, box.w)
    return page.text()


def _placed(graph: Graph) -> Any:
    """grandalf's graph of the first component, laid out."""
    try:
        from grandalf.graphs import Edge, Graph, Vertex
        from grandalf.layouts import SugiyamaLayout
        from grandalf.routing import route_with_lines
    except ImportError as error:
        raise ImportError("Install grandalf to draw graphs: `pip install grandalf`.") from error
    if not graph.nodes:
        return None
    # grandalf goes through sets of these: with hashes of their own they stand in the same order always.
    numbers = count()
    vertex_kind, edge_kind = _numbered(Vertex, numbers), _numbered(Edge, numbers)
    vertices = {id: vertex_kind(node.name) for id, node in graph.nodes.items()}
    for vertex in vertices.values():
        vertex.view = _Box(vertex.data)
    edges = [
        edge_kind(vertices[e.source], vertices[e.target], data=e.conditional)
        for e in graph.edges
        if e.source != e.target
    ]
    for edge in edges:
        edge.view = _Way()
    placed = Graph(vertices.values(), edges).C[0]
    layout = SugiyamaLayout(placed)
    layout.init_all(roots=[v for v in placed.sV if not v.e_in()], optimize=True)
    layout.yspace, layout.xspace = _HEIGHT, min(v.view.w for v in vertices.values())
    layout.route_edge = route_with_lines
    layout.draw()
    return placed


def _numbered(kind: Any, numbers: Iterator[int]) -> Any:
    """``kind`` with hashes that do not depend on where in memory its objects are."""

    class Numbered(kind):  # type: ignore[misc]
        def __init__(self, *args: Any, **more: Any) -> None:
            self.number = next(numbers)
            super().__init__(*args, **more)

        def __hash__(self) -> int:
            return self.number

    return Numbered


def _line(start: tuple[int, int], end: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """The cells between two cells: one for each step along the longer way."""
    (x0, y0), (x1, y1) = sorted((start, end), key=lambda cell: cell[0])
    wide, high = x1 - x0, y1 - y0
    if wide >= abs(high):
        for x in range(x0, x1 + 1):
            yield x, y0 + (round((x - x0) * high / wide) if wide else 0)
    else:
        (xa, ya), yb = ((x0, y0), y1) if high > 0 else ((x1, y1), y0)
        for y in range(ya, yb + 1):
            yield xa + round((y - ya) * wide / high), y


class _Page:
    """A sheet of cells."""

    def __init__(self, columns: int, rows: int) -> None:
        self.rows = [[" "] * columns for _ in range(rows)]

    def put(self, column: int, row: int, sign: str) -> None:
        self.rows[row][column] = sign

    def box(self, column: int, row: int, name: str, width: int) -> None:
        edge = f"+{'-' * (width - 2)}+"
        for below, text in enumerate((edge, f"| {name} |", edge)):
            for right, sign in enumerate(text):
                self.put(column + right, row + below, sign)

    def text(self) -> str:
        return "\n".join("".join(row) for row in self.rows)
