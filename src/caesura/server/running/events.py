"""Engine events → the events of a run's HTTP stream: names, and what is said of messages. Pure.

The modes of the API are those of the engine, but for three: ``messages`` tells a message's metadata once
and then the message, or, while a model speaks, what it has said so far; ``messages-tuple`` tells both in
one event named ``messages``, and of a model each piece by itself; ``events`` tells the course of the
program in the form of LangChain's event stream.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from caesura.constants import CONF
from caesura.messages import read_messages
from caesura.pregel.driving import Finished
from caesura.records.shapes import Run

_OF_ENGINE: Final = frozenset({"values", "updates", "tasks", "checkpoints", "debug", "custom"})
_MESSAGES: Final = frozenset({"messages", "messages-tuple"})

Told = tuple[str, Any]


def engine_modes(modes: Sequence[str]) -> list[str]:
    """The engine's modes that these modes of the API are made of."""
    found = [mode for mode in modes if mode in _OF_ENGINE]
    if not _MESSAGES.isdisjoint(modes):
        found.append("messages")
    if "events" in modes:
        found += [mode for mode in ("tasks", "values") if mode not in found]
    return found


def events_of(run: Run, modes: Sequence[str], *, subgraphs: bool) -> Translator:
    """The translator of one run's events."""
    return Translator(run, frozenset(modes), subgraphs)


class Translator:
    """Takes the engine's events in order; gives those of the API."""

    def __init__(self, run: Run, modes: frozenset[str], subgraphs: bool) -> None:
        self.run, self.modes, self.subgraphs = run, modes, subgraphs
        self._told: set[str] = set()
        self._said: dict[str, Any] = {}
        """What was said so far of messages that come in pieces, by id."""
        self._metadata = {**run.kwargs["config"].get("metadata", {}), "run_id": run.run_id}
        known = ("run_id", "graph_id", "assistant_id")
        configurable = run.kwargs["config"].get(CONF) or {}
        self._ids = {name: configurable.get(name) for name in known}
        self._course = Course(run) if "events" in modes else None

    def take(self, ns: tuple[str, ...], mode: str, payload: Any) -> Iterator[Told]:
        """The events that an event of the engine becomes."""
        if mode == "messages":
            yield from self._message(ns, *payload)
        elif mode in self.modes:
            yield self._name(mode, ns), self._completed(mode, payload)
        if self._course is not None and not ns:
            for item in self._course.take(mode, payload):
                yield "events", item

    def end(self, finished: Finished) -> Iterator[Told]:
        """What is told when the run has ended well."""
        if self._course is not None:
            yield "events", self._course.end(finished.values)

    def _completed(self, mode: str, payload: Any) -> Any:
        """``payload`` with what a server adds: whose run it is, and where checkpoints are."""
        if mode == "debug":
            kind = {"task": "tasks", "checkpoint": "checkpoints"}.get(payload["type"], "")
            inner = self._completed(kind, payload["payload"])
            if kind == "checkpoints":
                tasks = [_debug_task(task) for task in inner["tasks"]]
                inner = {**inner, **_places(inner), "tasks": tasks}
            elif isinstance(inner.get("error"), BaseException):
                inner = {**inner, "error": error_of(inner["error"])}
            return {**payload, "payload": inner}
        if mode == "checkpoints":
            return self._checkpoint(payload)
        if mode == "tasks" and "input" in payload:
            return {**payload, "metadata": {**self._metadata, **(payload.get("metadata") or {})}}
        return payload

    def _checkpoint(self, payload: Any) -> Any:
        """A checkpoint with the configs that lead to it and to its parent written out."""
        parents = payload["metadata"].get("parents")
        configs = {
            name: config and {CONF: {**self._ids, **_mapped(config[CONF], parents)}}
            for name, config in payload.items()
            if name in ("config", "parent_config")
        }
        metadata = {"thread_id": self.run.thread_id, **payload["metadata"]}
        return {**payload, **configs, "metadata": metadata}

    def _name(self, mode: str, ns: tuple[str, ...]) -> str:
        return "|".join((mode, *ns)) if self.subgraphs and ns else mode

    def _message(self, ns: tuple[str, ...], message: Any, given: Any) -> Iterator[Told]:
        metadata = {**self._metadata, **given}
        if "messages-tuple" in self.modes:
            yield self._name("messages", ns), [message, metadata]
        if "messages" not in self.modes:
            return
        id = getattr(message, "id", None) or ""
        if id not in self._told:
            self._told.add(id)
            yield self._name("messages/metadata", ns), {id: {"metadata": metadata}}
        if not str(getattr(message, "type", "")).endswith("Chunk"):
            yield self._name("messages/complete", ns), [message]
            return
        said = self._said.get(id)
        said = self._said[id] = message if said is None else said + message
        yield self._name("messages/partial", ns), read_messages([said])


def _mapped(where: Any, parents: Any) -> dict[str, Any]:
    """An address; within a nested graph with those of the graphs around it."""
    if not where.get("checkpoint_ns"):
        return dict(where)
    own = {where["checkpoint_ns"]: where.get("checkpoint_id")}
    return {**where, "checkpoint_map": {**(parents or {}), **own}}


def _places(payload: Any) -> dict[str, Any]:
    """Where a checkpoint and its parent are, apart from the rest of their configs."""
    place, parent = payload.get("config"), payload.get("parent_config")
    return {"checkpoint": _address(place), "parent_checkpoint": _address(parent)}


def _debug_task(task: Any) -> dict[str, Any]:
    """A task as ``debug`` shows it: where its nested graph is stands under ``checkpoint``."""
    if not task.get("state"):
        return dict(task)
    rest = {k: v for k, v in task.items() if k != "state"}
    return {**rest, "checkpoint": _address(task["state"])}


def error_of(error: BaseException) -> dict[str, str]:
    """An exception as clients see it."""
    return {"error": type(error).__name__, "message": str(error)}


def _address(config: Any) -> dict[str, Any] | None:
    keys = ("thread_id", "checkpoint_ns", "checkpoint_id", "checkpoint_map")
    return config and {k: v for k, v in config[CONF].items() if k in keys}


class Course:
    """The course of a program as LangChain's events (``on_chain_start``, ``_stream``, ``_end``)."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self._started = False

    def take(self, mode: str, payload: Any) -> Iterator[dict[str, Any]]:
        """The events of a task's start or end, or of new values."""
        if not self._started:
            self._started = True
            yield self._event("on_chain_start", self.run.graph_id, {"input": self._input()})
        if mode == "tasks":
            start = "input" in payload
            name = "on_chain_start" if start else "on_chain_end"
            data = {"input": payload["input"]} if start else {"output": payload["result"]}
            yield self._event(name, payload["name"], data, payload["id"])
        elif mode == "values":
            yield self._event("on_chain_stream", self.run.graph_id, {"chunk": payload})

    def end(self, values: Any) -> dict[str, Any]:
        """The program has ended."""
        return self._event("on_chain_end", self.run.graph_id, {"output": values})

    def _input(self) -> Any:
        return self.run.kwargs.get("input")

    def _event(self, event: str, name: str, data: Any, id: str | None = None) -> dict[str, Any]:
        return {
            "event": event,
            "name": name,
            "run_id": id or self.run.run_id,
            "tags": list(self.run.kwargs["config"].get("tags") or ()),
            "metadata": dict(self.run.metadata),
            "data": data,
            "parent_ids": [] if id is None else [self.run.run_id],
        }
