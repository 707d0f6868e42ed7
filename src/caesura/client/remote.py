"""What a remote program says, in the words of a local one: snapshots, stream items, drawings. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, cast

from caesura.client.errors import RunError
from caesura.client.shapes import Checkpoint, StreamPart, ThreadState
from caesura.constants import CONF, END, INTERRUPT, START
from caesura.drawing import Edge, Graph, Node
from caesura.errors import ParentCommand
from caesura.types import Command, Interrupt, PregelTask, Send, StateSnapshot

ADDRESS: Final = ("thread_id", "checkpoint_ns", "checkpoint_id", "checkpoint_map")
"""What of ``configurable`` says where, and is not for the program."""
_ON_THE_WIRE: Final = {"messages": "messages-tuple"}
Item = tuple[tuple[str, ...], str, Any]
"""Namespace, stream mode, payload."""


def wire_modes(modes: Iterable[str]) -> list[str]:
    """Stream modes as the server names them, and those that tell of pauses and of the output."""
    return sorted({_ON_THE_WIRE.get(mode, mode) for mode in (*modes, "values", "updates")})


def interrupts_of(shown: Any) -> tuple[Interrupt, ...]:
    """The interrupts in a list of their JSON forms."""
    return tuple(Interrupt(**item) for item in shown or ())


class Listening:
    """Folds the events of remote runs: `hear` gives each as an item, the attributes what came of it."""

    def __init__(self) -> None:
        self.values: Any = None
        """The output so far."""
        self.open: dict[str, Interrupt] = {}
        """What it waits for, by id."""
        self.stopped = False
        """It stopped at a breakpoint: it waits, but for nobody's answer."""

    def begin(self) -> None:
        """Another run is about to begin."""
        self.open, self.stopped = {}, False

    def stand(self, state: ThreadState) -> None:
        """No run is needed to know where the thread stands."""
        self.begin()
        self.values = state["values"]
        shown = [*state["interrupts"], *(i for task in state["tasks"] for i in task["interrupts"])]
        self.open = {item.id: item for item in interrupts_of(shown)}

    def hear(self, part: StreamPart) -> Item | None:
        """What a local program would stream. Raises `RunError` and `ParentCommand`."""
        mode, *ns = part.event.split("|")
        data = part.data
        if mode == "error":
            raise _run_error(data)
        if mode == "command":
            raise ParentCommand(_command(data))
        if mode in ("metadata", "end", "feedback"):
            return None
        if mode in ("values", "updates") and isinstance(data, dict) and INTERRUPT in data:
            data = {**data, INTERRUPT: interrupts_of(data[INTERRUPT])}
            self._paused(mode, data[INTERRUPT], inside=bool(ns))
        elif mode == "values" and not ns:
            self.values = data
        elif mode == "messages" and isinstance(data, list):
            data = tuple(data)
        return tuple(ns), mode, data

    def _paused(self, mode: str, shown: tuple[Interrupt, ...], *, inside: bool) -> None:
        if inside:
            return
        self.open |= {item.id: item for item in shown}
        self.stopped |= mode == "updates" and not shown

    def output(self) -> Any:
        """What ``invoke`` returns: the values, and with a pause the interrupts beside them."""
        if not self.open:
            return self.values
        shown = dict(self.values) if isinstance(self.values, dict) else {}
        return {**shown, INTERRUPT: list(self.open.values())}


def _run_error(data: Any) -> RunError:
    said = data if isinstance(data, dict) else {}
    return RunError(str(said.get("error", "Error")), str(said.get("message", data)))


def _command(data: Mapping[str, Any]) -> Command[Any]:
    """A command for the program around the remote one."""
    goto = data.get("goto") or ()
    targets = goto if isinstance(goto, list) else [goto] if goto else []
    return Command(
        graph=data.get("graph") or Command.PARENT,
        update=data.get("update"),
        goto=[Send(t["node"], t.get("input")) if isinstance(t, dict) else t for t in targets],
    )


def shaped(item: Item, *, tagged: bool, subgraphs: bool, version: str) -> Any:
    """An item as ``stream`` yields it: see `Pregel.stream`."""
    ns, mode, payload = item
    if version == "v2":
        return _part(ns, mode, payload)
    if subgraphs:
        return (ns, mode, payload) if tagged else (ns, payload)
    return (mode, payload) if tagged else payload


def _part(ns: tuple[str, ...], mode: str, payload: Any) -> dict[str, Any]:
    part: dict[str, Any] = {"type": mode, "ns": ns, "data": payload}
    if mode == "values":
        part["interrupts"] = ()
        if isinstance(payload, dict) and INTERRUPT in payload:
            part["interrupts"] = payload[INTERRUPT]
            part["data"] = {k: v for k, v in payload.items() if k != INTERRUPT}
    return part


# --- states ----------------------------------------------------------------------------------


def checkpoint_in(config: Mapping[str, Any]) -> tuple[str, Checkpoint]:
    """The thread that a config names, and the address. Raises ValueError if it names none."""
    where = config.get(CONF) or {}
    if not where.get("thread_id"):
        raise ValueError("The config names no thread: configurable.thread_id is needed.")
    thread_id = str(where["thread_id"])
    found = {name: where[name] for name in ADDRESS if where.get(name) is not None}
    return thread_id, cast(Checkpoint, {**found, "thread_id": thread_id})


def config_of(checkpoint: Mapping[str, Any] | None, thread_id: str) -> dict[str, Any]:
    """The config that addresses a checkpoint; of a thread that never ran, the thread's."""
    known = {k: v for k, v in (checkpoint or {}).items() if v is not None}
    return {CONF: {"thread_id": thread_id, "checkpoint_ns": "", **known}}


def snapshot_of(state: ThreadState, thread_id: str) -> StateSnapshot:
    """A remote state as `Pregel.get_state` would return it."""
    parent = state.get("parent_checkpoint")
    return StateSnapshot(
        values=state["values"],
        next=tuple(state["next"]),
        config=config_of(state.get("checkpoint"), thread_id),
        metadata=state.get("metadata") or {},
        created_at=state.get("created_at"),
        parent_config=config_of(parent, thread_id) if parent else None,
        tasks=tuple(_task(task, thread_id) for task in state["tasks"]),
        interrupts=interrupts_of(state.get("interrupts")),
    )


def _task(task: Mapping[str, Any], thread_id: str) -> PregelTask:
    inner, pointer = task.get("state"), task.get("checkpoint")
    state = snapshot_of(inner, thread_id) if inner else None
    return PregelTask(
        id=task["id"],
        name=task["name"],
        path=tuple(task.get("path") or ()),
        error=task.get("error"),
        interrupts=interrupts_of(task.get("interrupts")),
        state=state or (config_of(pointer, thread_id) if pointer else None),
        result=task.get("result"),
    )


def drawing_of(shown: Mapping[str, Sequence[Mapping[str, Any]]], runs_there: Any) -> Graph:
    """A remote graph as one that can be drawn; ``runs_there`` is what its nodes are said to run."""
    return Graph(
        nodes={node.id: node for node in _nodes(shown["nodes"], runs_there)},
        edges=[
            Edge(e["source"], e["target"], e.get("data"), bool(e.get("conditional")))
            for e in shown["edges"]
        ],
    )


def _nodes(shown: Iterable[Mapping[str, Any]], runs_there: Any) -> Iterator[Node]:
    for node in shown:
        id, data = str(node["id"]), node.get("data")
        name = data.get("name", id) if isinstance(data, Mapping) else str(data or id)
        virtual = id.split(":")[-1] in (START, END)
        yield Node(id, name, None if virtual else runs_there, node.get("metadata"))
