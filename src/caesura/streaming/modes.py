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
        coerce: Callable[[Any], Any] | None = None,
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
        self.coerce = coerce
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

    def sink(self, frame: Frame, mode: str, payload: Any) -> None:
        """Take an event; may be called from any thread."""
        for name, item in self._items(frame, mode, payload):
            if name in self.printed:
                print(f"\x1b[1m[{name}]\x1b[0m {item!r}")
            if name in self.asked:
                self.chunks.append(self._shape(frame, name, item))
        if self.notify is not None:
            self.notify()

    def _items(self, frame: Frame, mode: str, payload: Any) -> list[tuple[str, Any]]:
        items = [(mode, payload)]
        if "debug" in self.asked | self.printed and mode in ("tasks", "checkpoints"):
            items.append(("debug", _debug(frame, mode, payload)))
        return items

    def _shape(self, frame: Frame, mode: str, payload: Any) -> Any:
        ns = _namespace(frame.turn.request.ns)
        if self.placed:
            return ns, mode, payload
        if self.version == "v2":
            return self._part(mode, ns, payload)
        if self.subgraphs:
            return (ns, mode, payload) if self.tagged else (ns, payload)
        return (mode, payload) if self.tagged else payload

    def _part(self, mode: str, ns: tuple[str, ...], payload: Any) -> dict[str, Any]:
        part = {"type": mode, "ns": ns, "data": payload}
        if mode == "values":
            part["interrupts"] = ()
            if isinstance(payload, dict) and INTERRUPT in payload:
                part["interrupts"] = payload[INTERRUPT]
                part["data"] = {k: v for k, v in payload.items() if k != INTERRUPT}
        if self.coerce is not None and not ns:
            if mode == "values":
                part["data"] = self.coerce(part["data"])
            elif mode == "checkpoints":
                part["data"] = {**payload, "values": self.coerce(payload["values"])}
        return part


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
