"""The picture of a program made by hand: an edge where one node writes what makes another run."""

from __future__ import annotations

from caesura.constants import END, START
from caesura.drawing import Edge, Graph, Node
from caesura.pregel.building import Parts


def picture_of(parts: Parts) -> Graph:
    """Nodes as declared, then start and end; edges by source and target, as far as a run can come."""
    names = sorted(parts.nodes)
    inputs = parts.input_channels
    written = {START: {inputs} if isinstance(inputs, str) else set(inputs)}
    for name in names:
        written[name] = {entry.channel for entry in parts.nodes[name].writers}
    leads = {
        source: [name for name in names if not channels.isdisjoint(parts.nodes[name].triggers)]
        for source, channels in written.items()
    }
    reached = _reached(leads)
    edges = [Edge(START, name) for name in leads[START]]
    edges += [
        Edge(source, target) for source in names if source in reached for target in leads[source]
    ]
    edges += _ends(parts, written, leads, reached)
    nodes = {name: Node(name, name, parts.nodes[name]) for name in parts.nodes}
    return Graph({**nodes, START: Node(START, START), END: Node(END, END)}, edges)


def _reached(leads: dict[str, list[str]]) -> set[str]:
    found: set[str] = set()
    waiting = list(leads[START])
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += leads[name]
    return found


def _ends(
    parts: Parts, written: dict[str, set[str]], leads: dict[str, list[str]], reached: set[str]
) -> list[Edge]:
    """The edges to the end: from nodes that make no other run; or else from those that give output."""
    last = [name for name in sorted(reached) if not leads[name]]
    if last:
        alone = all(not leads[name] for name in reached)
        return [Edge(name, END, None, alone) for name in last]
    outputs = parts.output_channels
    given = {outputs} if isinstance(outputs, str) else set(outputs)
    giving = [name for name in sorted(reached) if not written[name].isdisjoint(given)]
    return [Edge(name, END, None, True) for name in giving or sorted(reached)]
