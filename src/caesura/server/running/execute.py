"""One run from start to end: open the graph, drive it, publish its events, say how it ended.

A run that is taken up again (its process died, or its lease ended) goes on from the last checkpoint that
it stored itself; if it stored none, it begins anew. Everything it stores is fenced: as soon as another
attempt has begun, this one's commits are refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from caesura.checkpoint import operations as checkpoints
from caesura.constants import INTERRUPT
from caesura.pregel.configs import coerce_context
from caesura.pregel.driving import Finished, drive
from caesura.pregel.opening import Ask
from caesura.records.operations import Fenced
from caesura.records.shapes import Run
from caesura.runtime import RunControl
from caesura.server.encoding import encode
from caesura.server.running.events import engine_modes, events_of
from caesura.server.running.streams import Result, RunStream
from caesura.types import Command, Send, interrupt_as_dict

if TYPE_CHECKING:
    from caesura.pregel.compiled import Pregel
    from caesura.server.services import Server

_WRITING: Final = (
    checkpoints.Commit,
    checkpoints.PutWrites,
    checkpoints.PutTogether,
    checkpoints.Accept,
)


class FencedSaver:
    """The database as one attempt at a run may use it."""

    def __init__(self, database: Any, run: Run, notify: Any) -> None:
        self._database, self._run, self._notify = database, run, notify

    async def aexecute(self, operation: Any) -> Any:
        """Perform an operation of `caesura.checkpoint.operations`; writes are fenced."""
        return self._told(operation, await self._database.aexecute(self._fenced(operation)))

    def execute(self, operation: Any) -> Any:
        """`aexecute` for synchronous tasks."""
        return self._told(operation, self._database.execute(self._fenced(operation)))

    def _fenced(self, operation: Any) -> Any:
        if isinstance(operation, _WRITING):
            return Fenced(operation, self._run.run_id, self._run.attempt)
        return operation

    def _told(self, operation: Any, result: Any) -> Any:
        if _touches_interrupts(operation):
            self._notify()
        return result


def _touches_interrupts(operation: Any) -> bool:
    if type(operation) is checkpoints.PutTogether:
        return any(map(_touches_interrupts, operation.puts))
    if type(operation) is checkpoints.PutWrites:
        return bool(operation.opened or operation.superseded)
    return type(operation) is checkpoints.Commit and operation.withdraw is not None


@dataclass(slots=True, frozen=True)
class Ending:
    """How a run came to its end by itself."""

    kind: str
    values: Any
    interrupts: tuple[Any, ...]

    def result(self, status: str = "success") -> Result:
        """What those who wait for the run are told."""
        return Result(status, self._body())

    def _body(self) -> bytes:
        if not self.interrupts:
            return encode(self.values)
        shown = dict(self.values) if isinstance(self.values, dict) else {}
        shown[INTERRUPT] = [interrupt_as_dict(item) for item in self.interrupts]
        return encode(shown)


async def execute(server: Server, run: Run, stream: RunStream, control: RunControl) -> Ending:
    """Run it. Raises what the program raises; publishes events as they come."""
    await stream.publish("metadata", {"run_id": run.run_id, "attempt": run.attempt})
    given = run.kwargs
    config = dict(given["config"])
    modes: Sequence[str] = given["stream_mode"]
    subgraphs = bool(given.get("subgraphs"))
    again = run.attempt > 1 and await _went_on(server, run)
    if again:
        config = _from_head(config)
    async with server.graphs.open(run.graph_id, config, purpose="threads.create_run") as graph:
        ask = Ask(
            input=None if again else input_of(run),
            config=config,
            context=_context(graph, given),
            interrupt_before=given.get("interrupt_before"),
            interrupt_after=given.get("interrupt_after"),
            durability=given.get("durability"),
            control=control,
            asynchronous=True,
            saver=FencedSaver(
                graph.opened(server.database), run, server.streams.changed_interrupts.set
            ),
            lenient=server.graphs.lenient(run.graph_id),
        )
        return await _drive(graph, ask, run, stream, modes, subgraphs)


async def _drive(
    graph: Pregel, ask: Ask, run: Run, stream: RunStream, modes: Sequence[str], subgraphs: bool
) -> Ending:
    wanted = engine_modes(modes)
    translate = events_of(run, modes, subgraphs=subgraphs)
    items = drive(graph, ask, wanted, subgraphs=subgraphs)
    try:
        async for item in items:
            if isinstance(item, Finished):
                for name, value in translate.end(item):
                    await stream.publish(name, value)
                return Ending(item.kind, item.values, item.interrupts)
            for name, value in translate.take(*item):
                await stream.publish(name, value)
    finally:
        await items.aclose()
    raise AssertionError("a run always ends")


async def _went_on(server: Server, run: Run) -> bool:
    """True if an earlier attempt stored a checkpoint: then the run goes on from there."""
    head = await server.do(checkpoints.Load(run.thread_id, ""))
    return head is not None and head.metadata.get("run_id") == run.run_id


def _from_head(config: dict[str, Any]) -> dict[str, Any]:
    where = {k: v for k, v in config["configurable"].items() if k != "checkpoint_id"}
    return {**config, "configurable": where}


def input_of(run: Run) -> Any:
    """What the engine is handed: new input, a command, or None to go on.

    Answers that were accepted with the run are in the database already: it only has to go on.
    """
    command = run.kwargs.get("command")
    if not command or not any(command.get(k) not in (None, []) for k in _SAYING):
        return run.kwargs.get("input")
    resume = None if run.accepted else command.get("resume")
    update, goto = command.get("update"), _goto(command.get("goto"))
    if resume is None and update is None and not goto:
        return None
    if isinstance(update, list):
        update = [tuple(pair) for pair in update]
    return Command(resume=resume, update=update, goto=goto)


_SAYING: Final = ("resume", "update", "goto")


def _goto(given: Any) -> list[str | Send]:
    items = given if isinstance(given, list) else [] if given is None else [given]
    return [Send(i["node"], i.get("input")) if isinstance(i, dict) else str(i) for i in items]


def _context(graph: Pregel, given: Any) -> Any:
    """The run's context, as the graph declares it; other keys of it are left out."""
    context = given.get("context")
    schema = graph.context_schema
    if not context or schema is None:
        return context or None
    names = getattr(schema, "__annotations__", None) or getattr(schema, "model_fields", {})
    known = _all_fields(schema) or set(names)
    return coerce_context(schema, {k: v for k, v in context.items() if k in known})


def _all_fields(schema: Any) -> set[str]:
    found: set[str] = set()
    for kind in getattr(schema, "__mro__", ()):
        found |= set(getattr(kind, "__annotations__", {}))
    return found
