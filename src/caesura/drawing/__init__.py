"""Pictures of programs: nodes and edges as data, and what people draw of them.

`walking` makes a `Graph` of what was declared; the other modules turn it into texts and images. `Graph`,
`Node` and `Edge` have the attributes of LangChain's classes of these names and print the same texts,
so that tools written for one take the other; LangChain is not needed for any of it.
"""

from caesura.drawing.graph import Edge, Graph, Node
from caesura.drawing.mermaid import CurveStyle, MermaidDrawMethod, NodeStyles
from caesura.drawing.walking import graph_of, graph_of_function

__all__ = (
    "CurveStyle",
    "Edge",
    "Graph",
    "MermaidDrawMethod",
    "Node",
    "NodeStyles",
    "graph_of",
    "graph_of_function",
)
