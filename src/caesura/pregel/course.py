"""LangChain's event stream (``astream_events`` with "v1" or "v2"), made of the run's own stream.

`Course` is pure: it takes the parts of the stream in order and gives the events. A graph and each of its
tasks are chains that start, say something, and end; so is a nested graph, below the task it runs in.
What a chat model says is ``on_chat_model_stream``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from caesura.constants import CONF, INTERRUPT
from caesura.pregel.configs import merge_configs
from caesura.streaming.lives import part_of

if TYPE_CHECKING:
    from caesura.pregel.compiled import Pregel

Event = dict[str, Any]
Namespace = tuple[str, ...]
_FILTERS = ("names", "tags", "types")


@dataclass(slots=True)
class _Chain:
    """A graph or a task that has started."""

    name: str
    run_id: str
    parents: tuple[str, ...]
    tags: list[str]
    metadata: dict[str, Any]
    given: Any = None
    step: int = 0
    """The newest step of a graph."""
    values: Any = None
    busy: set[str] = field(default_factory=set)
    """Tasks of a graph's newest step that have not ended."""


class Course:
    """The events of one run.

    ``names``: those of the graph, under "", and of the graphs nested in it, under the nodes that they
    are. ``shown``: the modes whose payloads the graph itself is said to stream.
    """

    def __init__(
        self,
        names: Mapping[str, str],
        config: Mapping[str, Any],
        shown: frozenset[str],
        *,
        version: str,
    ) -> None:
        self._names, self._shown, self._old = names, shown, version == "v1"
        self._tags = list(config.get("tags") or ())
        metadata = dict(config.get("metadata") or {})
        own = dict(metadata)
        thread_id = (config.get(CONF) or {}).get("thread_id")
        if thread_id is not None:
            metadata.setdefault("thread_id", thread_id)
        self._base = metadata
        if not self._old:
            own = {**metadata, "ls_integration": "langgraph"}
        run_id = str(config.get("run_id") or uuid4())
        root = _Chain(config.get("run_name") or names[""], run_id, (), self._tags, own)
        self._graphs: dict[Namespace, _Chain] = {(): root}
        self._tasks: dict[str, _Chain] = {}
        self._said: Any = None
        self._held: list[Any] = []
        """What tasks wrote that have not been told to end."""

    def begin(self, given: Any) -> Event:
        """The graph starts."""
        return self._event("start", self._graphs[()], {"input": given})

    def take(self, ns: Namespace, mode: str, payload: Any) -> Iterator[Event]:
        """The events that a part of the run's stream becomes."""
        if mode == "tasks":
            yield from self._task(ns, payload)
        elif mode == "values" and (graph := self._graphs.get(ns)) is not None:
            graph.values = _without_pause(payload)
        elif mode == "messages" and str(getattr(payload[0], "type", "")).endswith("Chunk"):
            yield self._spoken(*payload)
        yield from self._release()
        if mode in self._shown and not ns:
            self._held.append(payload)
            if mode != "updates":
                yield from self._release()

    def end(self) -> Iterator[Event]:
        """The graph has ended."""
        yield from self._release()
        root = self._graphs[()]
        yield self._event("end", root, {"output": self._said if self._old else root.values})

    def _release(self) -> Iterator[Event]:
        held, self._held = self._held, []
        for self._said in held:
            yield self._event("stream", self._graphs[()], {"chunk": self._said})

    def _task(self, ns: Namespace, payload: Mapping[str, Any]) -> Iterator[Event]:
        if "input" in payload:
            yield from self._enter(ns, payload)
            task = self._begin(ns, payload)
            yield self._event("start", task, {"input": task.given})
            return
        task, graph = self._tasks.pop(payload["id"]), self._graphs[ns]
        graph.busy.discard(payload["id"])
        inner = self._graphs.pop((*ns, f"{task.name}:{payload['id']}"), None)
        if payload["error"] is not None or payload["interrupts"]:
            return
        if inner is not None:
            yield self._event("end", inner, {"output": inner.values, "input": inner.given})
        result = payload["result"] or None
        yield self._event("stream", task, {"chunk": result})
        yield self._event("end", task, {"output": result, "input": task.given})

    def _enter(self, ns: Namespace, payload: Mapping[str, Any]) -> Iterator[Event]:
        """The first task of a nested graph: the graph has started."""
        if ns in self._graphs:
            return
        task = self._tasks.get(ns[-1].partition(":")[2])
        if task is None:
            self._graphs[ns] = self._graphs[ns[:-1]]
            return
        parents = (*task.parents, task.run_id)
        name = self._names.get("|".join(part_of(part)[0] for part in ns), "LangGraph")
        metadata = {**task.metadata, "checkpoint_ns": "|".join(ns)}
        graph = _Chain(name, str(uuid4()), parents, ["seq:step:1", *self._tags], metadata)
        graph.given = payload["input"]
        self._graphs[ns] = graph
        yield self._event("start", graph, {"input": graph.given})

    def _begin(self, ns: Namespace, payload: Mapping[str, Any]) -> _Chain:
        graph, name, id = self._graphs[ns], payload["name"], payload["id"]
        if not graph.busy:
            graph.step += 1
        graph.busy.add(id)
        around = "|".join(ns)
        metadata = {
            **self._base,
            **payload.get("metadata", {}),
            "ls_integration": "langgraph",
            "langgraph_step": graph.step,
            "langgraph_node": name,
            "langgraph_triggers": payload["triggers"],
            "langgraph_checkpoint_ns": "|".join((*ns, f"{name}:{id}")),
            **({"checkpoint_ns": around} if around else {}),
        }
        metadata.pop("tags", None)
        tags = [f"graph:step:{graph.step}", *self._tags]
        parents = (*graph.parents, graph.run_id)
        self._tasks[id] = _Chain(name, str(uuid4()), parents, tags, metadata, payload["input"])
        return self._tasks[id]

    def _spoken(self, chunk: Any, metadata: Mapping[str, Any]) -> Event:
        where = str(metadata.get("langgraph_checkpoint_ns"))
        task = self._tasks.get(where.rpartition(":")[2])
        parents = () if task is None else (*task.parents, task.run_id)
        name = str(metadata.get("ls_model_name") or metadata.get("ls_provider") or "chat_model")
        model = _Chain(name, str(chunk.id), parents, list(metadata.get("tags") or ()), {**metadata})
        return self._event("stream", model, {"chunk": chunk}, kind="chat_model")

    def _event(self, what: str, chain: _Chain, data: Event, *, kind: str = "chain") -> Event:
        return {
            "event": f"on_{kind}_{what}",
            "name": chain.name,
            "run_id": chain.run_id,
            "tags": list(chain.tags),
            "metadata": dict(chain.metadata),
            "data": data,
            "parent_ids": [] if self._old else list(chain.parents),
        }


def _without_pause(values: Any) -> Any:
    if isinstance(values, dict) and INTERRUPT in values:
        return {key: value for key, value in values.items() if key != INTERRUPT}
    return values


async def course_events(
    graph: Pregel, input: Any, config: Mapping[str, Any] | None, version: str, how: dict[str, Any]
) -> AsyncIterator[Event]:
    """Run ``graph``; yields the events. Raises NotImplementedError for an unknown version, and what
    nodes raise."""
    if version not in ("v1", "v2"):
        raise NotImplementedError(
            f"Unsupported version: {version!r}. Expected 'v1', 'v2', or 'v3'."
        )
    wanted = _Wanted(how)
    modes = how.pop("stream_mode", None) or graph.stream_mode
    shown = frozenset({modes} if isinstance(modes, str) else modes)
    names = {name: inner.name for name, inner in graph.get_subgraphs(recurse=True)}
    merged = merge_configs(graph.config, config)
    course = Course({**names, "": graph.name}, merged, shown, version=version)
    needed = [*dict.fromkeys([*shown, "tasks", "values", "messages"])]
    stream = graph.astream(input, config, stream_mode=needed, subgraphs=True, **how)
    if wanted(first := course.begin(input)):
        yield first
    async with aclosing(stream) as parts:  # type: ignore[type-var]
        async for ns, mode, payload in parts:
            for event in course.take(ns, mode, payload):
                if wanted(event):
                    yield event
    for event in course.end():
        if wanted(event):
            yield event


class _Wanted:
    """Which events the caller asked for: ``include_names``, ``exclude_tags`` and the like."""

    def __init__(self, how: dict[str, Any]) -> None:
        self._only = {kind: how.pop(f"include_{kind}", None) for kind in _FILTERS}
        self._without = {kind: how.pop(f"exclude_{kind}", None) for kind in _FILTERS}

    def __call__(self, event: Event) -> bool:
        has = {
            "names": {event["name"]},
            "tags": set(event["tags"]),
            "types": {event["event"].removeprefix("on_").rpartition("_")[0]},
        }
        only = {kind: set(names) for kind, names in self._only.items() if names is not None}
        if only and not any(has[kind] & names for kind, names in only.items()):
            return False
        return not any(has[kind] & set(names or ()) for kind, names in self._without.items())
