"""A run's frames → its events of the thread protocol. Pure: the same frames give the same events.

A `Translation` takes the frames of one run in order. Most become an event of their own; what the
protocol says beyond them is told once each: a question (``input.requested``) at the innermost place that
shows it, the life of every nested graph, and messages block by block (see ``messages``). Events that
have no frame of their own have ids that start with ``synth:``, made of the run and of what they tell; a
run that is taken up again after a crash is given those that are stored already, and leaves them out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from caesura.constants import INTERRUPT
from caesura.server.encoding import encode
from caesura.server.protocol.messages import Messages, slim
from caesura.streaming.lives import Lives, part_of, status_of

TERMINAL: Final = frozenset({"completed", "failed", "interrupted"})
Namespace = tuple[str, ...]
Json = dict[str, Any]


class Told(NamedTuple):
    """One event, without its number, which it gets when it is stored."""

    id: str
    method: str
    namespace: Namespace
    data: Any
    millis: int
    node: str | None = None

    def body(self) -> bytes:
        """``{"method", "params"}`` as it is stored."""
        params: Json = {"namespace": self.namespace, "timestamp": self.millis, "data": self.data}
        if self.node is not None:
            params["node"] = self.node
        return encode({"method": self.method, "params": params})


class Translation:
    """The events of one run. ``told``: ids of its events that are stored already."""

    def __init__(self, run_id: str, graph: str, told: Iterable[str] = ()) -> None:
        self.run_id, self.graph = run_id, graph
        self.told = set(told)
        self.paused = False
        """A question was asked, or a breakpoint reached, in the newest attempt."""
        self._attempt = 1
        self._lives = Lives()
        self._messages = Messages()

    def take(self, id: str, name: str, data: bytes) -> list[Told]:
        """The events of one frame."""
        millis = int(id.partition("-")[0])
        mode, *rest = name.split("|")
        ns = tuple(rest)
        value = msgspec.json.decode(data)
        if mode == "metadata":
            self._begin_attempt(value)
        told = self._root("running", millis)
        if (
            ns and mode != "custom"
        ):  # A task's own events come from below its caller: no graph is there.
            told += self._started(ns, millis)
        for number, (method, space, event, node) in enumerate(self._frame(mode, ns, value)):
            if method == "input.requested":
                told += self._once(f"input|{'|'.join(space)}|{event['interrupt_id']}", method,
                                   space, event, millis)  # fmt: skip
                continue
            suffix = f".{number}" if number else ""
            told.append(Told(self._own_id(id) + suffix, method, space, event, millis, node))
        if mode == "tasks" and "result" in value:
            told += self._child_ended(ns, value, millis)
        return told

    def end(self, phase: str, error: str | None, millis: int) -> list[Told]:
        """The run has ended: ``phase`` is one of `TERMINAL`."""
        told = [
            Told(
                f"synth:{self.run_id}:end.{n}@{self._attempt}", "messages", ns, event, millis, node
            )
            for n, (ns, event, node) in enumerate(self._messages.end())
        ]
        for ns in self._lives.end_all():
            told += self._child(ns, phase, millis, error)
        return told + self._root(phase, millis, error)

    # --- frames ---

    def _begin_attempt(self, value: Mapping[str, Any]) -> None:
        self._attempt = int(value.get("attempt") or 1)
        self.paused = False
        self._lives = Lives()
        self._messages = Messages()

    def _own_id(self, frame_id: str) -> str:
        return f"{self.run_id}:{self._attempt}:{frame_id}"

    def _frame(
        self, mode: str, ns: Namespace, value: Any
    ) -> Iterator[tuple[str, Namespace, Any, str | None]]:
        if mode.partition("/")[0] != "messages" and mode in ("updates", "values"):
            for space, event, node in self._messages.settle(ns):
                yield "messages", space, event, node
        if mode == "values":
            yield from self._values(ns, value)
        elif mode == "updates":
            yield from self._updates(ns, value)
        elif mode in ("tasks", "checkpoints"):
            yield mode, ns, value, None
        elif mode == "custom":
            yield "custom", ns, _custom(value), None
        elif mode.partition("/")[0] == "messages":
            yield from self._messages.take(mode, ns, value)

    def _values(
        self, ns: Namespace, value: Any
    ) -> Iterator[tuple[str, Namespace, Any, str | None]]:
        asked: Sequence[Json] = ()
        if isinstance(value, dict) and INTERRUPT in value:
            value = dict(value)
            asked = value.pop(INTERRUPT)
        yield "values", ns, slim(value), None
        yield from self._asked(ns, asked)

    def _updates(
        self, ns: Namespace, value: Any
    ) -> Iterator[tuple[str, Namespace, Any, str | None]]:
        for node, update in value.items() if isinstance(value, dict) else ():
            if node == INTERRUPT:
                self.paused = True
                yield from self._asked(ns, update)
            else:
                yield "updates", ns, update, node

    def _asked(
        self, ns: Namespace, items: Iterable[Json]
    ) -> Iterator[tuple[str, Namespace, Any, str | None]]:
        for item in items:
            self.paused = True
            mark = f"asked:{item['id']}"
            if mark in self.told:
                continue
            self.told.add(mark)
            question = {
                "interrupt_id": item["id"],
                "payload": item["value"],
                "value": item["value"],
            }
            if item.get("response_schema") is not None:
                question["response_schema"] = item["response_schema"]
            yield "input.requested", ns, question, None

    # --- lifecycle ---

    def _once(self, what: str, method: str, ns: Namespace, data: Any, millis: int) -> list[Told]:
        id = f"synth:{self.run_id}:{what}"
        if id in self.told:
            return []
        self.told.add(id)
        return [Told(id, method, ns, data, millis)]

    def _root(self, phase: str, millis: int, error: str | None = None) -> list[Told]:
        data: Json = {"event": phase, "graph_name": self.graph}
        if phase == "failed":
            data["error"] = error or "The run failed."
        return self._once(f"lc||{phase}", "lifecycle", (), data, millis)

    def _started(self, ns: Namespace, millis: int) -> list[Told]:
        told: list[Told] = []
        for child in self._lives.begin_all(ns):
            told += self._child(child, "started", millis)
        return told

    def _child(
        self, ns: Namespace, phase: str, millis: int, error: str | None = None
    ) -> list[Told]:
        name, call = part_of(ns[-1])
        data: Json = {"event": phase, "namespace": ns, "graph_name": name}
        if call:
            data["trigger_call_id"] = call
        if phase == "failed":
            data["error"] = error or "The graph failed."
        return self._once(f"lc|{'|'.join(ns)}|{phase}", "lifecycle", ns, data, millis)

    def _child_ended(self, ns: Namespace, task: Mapping[str, Any], millis: int) -> list[Told]:
        child = self._lives.end_of(ns, task)
        if child is None:
            return []
        status, error = status_of(task)
        return self._child(child, status, millis, error)


def _custom(value: Any) -> Json:
    """What a program wrote; a name of its own lets clients subscribe to ``custom:<name>``."""
    if isinstance(value, dict) and value.keys() == {"name", "payload"}:
        return value
    return {"payload": value}
