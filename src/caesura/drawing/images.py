"""A graph as an image: by a Mermaid service over the network, or by Graphviz on this machine."""

from __future__ import annotations

import base64
import os
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import TYPE_CHECKING, Any, Final

from caesura.config import lenient
from caesura.constants import END, START

if TYPE_CHECKING:
    from caesura.drawing.graph import Graph

MERMAID_INK: Final = "https://mermaid.ink"
_TIMEOUT: Final = 10.0
"""Seconds to wait for the service."""


def png_by_mermaid(
    text: str,
    method: Any,
    base_url: str | None,
    background: str | None,
    retries: int,
    delay: float,
    proxies: dict[str, str] | None,
) -> bytes:
    """See `Graph.draw_mermaid_png`."""
    url = _image_url(text, _service(method, base_url), background)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler(proxies))
    for attempt in range(retries + 1):
        try:
            with opener.open(url, timeout=_TIMEOUT) as response:
                return bytes(response.read())
        except urllib.error.HTTPError as refused:
            reason = f"it answered {refused.code}"
            if refused.code < 500:
                break
        except OSError as error:
            reason = str(getattr(error, "reason", error))
        if attempt < retries:
            time.sleep(delay * 2**attempt)
    raise ValueError(
        f"The graph was not drawn: {url.split('/img/')[0]} could not be used ({reason}). "
        "draw_mermaid() gives the text, which any Mermaid editor shows; draw_ascii() and draw_png() "
        "draw on this machine."
    )


def _service(method: Any, base_url: str | None) -> str:
    """Where to send the graph. Raises ValueError if nobody said so."""
    if getattr(method, "value", method) == "pyppeteer":
        raise ValueError(
            "draw_method PYPPETEER is not supported. Use draw_png(), which draws on this machine, "
            "or a Mermaid service of your own: base_url=…"
        )
    found = base_url or os.environ.get("CAESURA_MERMAID_URL")
    if found is None and (method is not None or lenient()):
        found = MERMAID_INK
    if found is None:
        raise ValueError(
            "draw_mermaid_png sends the graph to a service on the network, and nothing says to which. "
            f"Pass base_url={MERMAID_INK!r} (a public service) or that of your own, or set "
            "CAESURA_MERMAID_URL. draw_ascii() and draw_png() draw on this machine."
        )
    return found.rstrip("/")


def _image_url(text: str, service: str, background: str | None) -> str:
    coded = base64.urlsafe_b64encode(text.encode()).decode("ascii")
    query = {"type": "png"}
    if background is not None:
        # A name needs the mark; a colour in hex is one without.
        query["bgColor"] = (
            background.removeprefix("#") if background[:1] == "#" else f"!{background}"
        )
    return f"{service}/img/{coded}?{urllib.parse.urlencode(query, safe='!')}"


def png_by_graphviz(
    graph: Graph, path: str | None, font: str, labels: dict[str, dict[str, str]]
) -> bytes | None:
    """See `Graph.draw_png`."""
    try:
        import pygraphviz
    except ImportError as error:
        raise ImportError("Install pygraphviz to draw graphs: `pip install pygraphviz`.") from error
    drawn = pygraphviz.AGraph(directed=True, nodesep=0.9, ranksep=1.0)
    names, edges = labels.get("nodes", {}), labels.get("edges", {})
    colours = {START: "lightblue", END: "orange"}
    for id, node in graph.nodes.items():
        colour = colours.get(id, "yellow")
        label = names.get(node.name, node.name)
        drawn.add_node(id, label=label, style="filled", fillcolor=colour, fontname=font)
    for edge in graph.edges:
        text = "" if edge.data is None else str(edge.data)
        style = "dotted" if edge.conditional else "solid"
        label = edges.get(text, text)
        drawn.add_edge(edge.source, edge.target, label=label, style=style, fontname=font)
    _boxes(drawn, graph)
    try:
        image: bytes | None = drawn.draw(path, format="png", prog="dot")
        return image
    finally:
        drawn.close()


def _boxes(drawn: Any, graph: Graph) -> None:
    """A frame around each nested graph."""
    inside: dict[str, list[str]] = {}
    for id in graph.nodes:
        parts = id.split(":")
        for depth in range(1, len(parts)):
            inside.setdefault(":".join(parts[:depth]), []).append(id)
    for name, ids in inside.items():
        drawn.add_subgraph(ids, name=f"cluster_{name}", label=name.rpartition(":")[2])
