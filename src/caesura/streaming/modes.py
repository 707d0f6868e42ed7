"""Engine events → the items of the public stream modes (source: semantics §6.1, §6.2)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from caesura.constants import INTERRUPT
from caesura.execution.clock import clock
from caesura.execution.context import Frame

KNOWN = frozenset(
    {"values", "updates", "checkpoints", "tasks", "debug", "messages", "custom", "tools"}
)


class Stream:
    """Collects the items of one stream; `chunks` are those not yet taken."""

    def __init__(
        self,
        modes: str | Sequence[str],
        *,
        subgraphs: bool = False,
        version: str = "v1",
        print_modes: Sequence[str] = (),
        notify: Callable[[], None] | None = None,
    ) -> None:
        self.tagged = not isinstance(modes, str)
        self.placed = False
        """Every item comes as ``(namespace, mode, payload)``, nested graphs shown or not."""
        self.asked = frozenset({modes} if isinstance(modes, str) else modes)
        self.printed = frozenset(print_modes)
        self.subgraphs = subgraphs
        self.version = version
        self.notify = notify
        self.chunks: deque[Any] = deque()

    @property
    def wants(self) -> frozenset[str]:
        """The engine events these modes are made of."""
        wants = (self.asked | self.printed) & KNOWN
        return wants | {"tasks", "checkpoints"} if "debug" in wants else wants

    @property
    def live(self) -> bool:
        """True if events must be seen while a task still runs."""
        return self.subgraphs or bool(self.asked & {"custom", "messages"})

    def sink(self, frame: Frame, mode: str, payload: Any, ns: str | None = None) -> None:
        """Take an event; may be called from any thread. ``ns``: where, if not in the frame's graph."""
        if mode == "tasks" and "input" in payload:
            payload = _with_metadata(frame, payload)
        place = _namespace(frame.turn.request.ns if ns is None else ns)
        for name, item in self._items(frame, mode, payload):
            if name in self.printed:
                print(_line(name, place if self.subgraphs else (), item))
            if name in self.asked:
                self.chunks.append(self._shape(frame, place, name, item))
        if self.notify is not None:
            self.notify()

    def _items(self, frame: Frame, mode: str, payload: Any) -> list[tuple[str, Any]]:
        items = [(mode, payload)]
        if "debug" in self.asked | self.printed and mode in ("tasks", "checkpoints"):
            items.append(("debug", _debug(frame, mode, payload)))
        return items

    def _shape(self, frame: Frame, ns: tuple[str, ...], mode: str, payload: Any) -> Any:
        if self.placed:
            return ns, mode, payload
        if self.version == "v2":
            return _part(frame.graph, mode, ns, payload)
        if self.subgraphs:
            return (ns, mode, payload) if self.tagged else (ns, payload)
        return (mode, payload) if self.tagged else payload


def _part(graph: Any, mode: str, ns: tuple[str, ...], payload: Any) -> dict[str, Any]:
    """An item of ``version="v2"``; a graph's values are an instance of its class, if it has one."""
    part = {"type": mode, "ns": ns, "data": payload}
    if mode == "values":
        part["interrupts"] = ()
        if isinstance(payload, dict) and INTERRUPT in payload:
            part["interrupts"] = payload[INTERRUPT]
            part["data"] = {k: v for k, v in payload.items() if k != INTERRUPT}
        if graph is not None:
            part["data"] = graph.coerce_output(part["data"])
    elif mode == "checkpoints" and graph is not None and payload["metadata"]["source"] != "input":
        part["data"] = {**payload, "values": graph.coerce_state(payload["values"])}
    return part


def _with_metadata(frame: Frame, payload: dict[str, Any]) -> dict[str, Any]:
    """The start of a task with the metadata of the run and of the node, if there are any."""
    config = frame.setting.config
    metadata = {**(config.get("metadata") or {}), **payload.get("metadata", {})}
    if config.get("tags"):
        metadata["tags"] = list(config["tags"])
    return {**payload, "metadata": metadata} if metadata else payload


def _line(mode: str, ns: tuple[str, ...], payload: Any) -> str:
    """An event as it is printed; the mode in bold, the graph it comes from in yellow."""
    graph = f" \x1b[1;30;33m[graph={ns!r}]\x1b[0m" if ns else ""
    return f"\x1b[1m[{mode}]\x1b[0m{graph} {payload!r}"


def _namespace(ns: str) -> tuple[str, ...]:
    return tuple(ns.split("|")) if ns else ()


def _debug(frame: Frame, mode: str, payload: Any) -> dict[str, Any]:
    """A tasks or checkpoints payload as ``debug`` shows it."""
    if mode == "checkpoints":
        kind, step = "checkpoint", payload["metadata"]["step"]
    else:
        kind = "task" if "input" in payload else "task_result"
        step = frame.turn.state.step + 1
    return {"step": step, "timestamp": clock().now(), "type": kind, "payload": payload}
