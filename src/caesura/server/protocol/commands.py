"""The commands of the thread protocol, whatever brought them: read, done, answered.

A command is ``{"id", "method", "params"}``; its reply says ``success`` with a result or ``error`` with a
code that clients know. Nothing here waits for a run: ``run.start`` is answered when the run is accepted.
Runs started here tell all they can (every stream mode, nested graphs) and can be replayed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import msgspec

from caesura import errors
from caesura.checkpoint.operations import FindInterrupts
from caesura.records.operations import FindRuns, GetThread
from caesura.records.shapes import Event, Thread
from caesura.server import wire
from caesura.server.auth import AuthRefusal
from caesura.server.drafting import Origin
from caesura.server.http.problems import problem_of
from caesura.server.logs import log
from caesura.server.threads import graph_of
from caesura.server.views import interrupt_view

if TYPE_CHECKING:
    from caesura.server.services import Server

Json = dict[str, Any]
MODES: Final = ("values", "updates", "messages-tuple", "tasks", "checkpoints", "custom")
BAD_ENVELOPE: Final = "Protocol commands must include an integer id and string method."
_START: Final = (
    "input", "config", "context", "metadata", "multitask_strategy", "interrupt_before",
    "interrupt_after", "durability", "webhook", "langsmith_tracer",
)  # fmt: skip


class CommandError(Exception):
    """A command that is refused. ``code``: one of the protocol's."""

    def __init__(self, code: str, message: str, **more: Any) -> None:
        super().__init__(message)
        self.code, self.message, self.more = code, message, more


@dataclass(frozen=True, slots=True)
class Command:
    """A command as it came."""

    id: int
    method: str
    params: Mapping[str, Any]


def read_command(given: Any) -> Command:
    """The command in a JSON value. Raises `CommandError`."""
    id, method = (given.get("id"), given.get("method")) if isinstance(given, dict) else (None, None)
    if not isinstance(id, int) or isinstance(id, bool) or id < 0 or not isinstance(method, str):
        raise CommandError("invalid_argument", BAD_ENVELOPE)
    params = given.get("params")
    if params is not None and not isinstance(params, dict):
        raise CommandError("invalid_argument", "params must be an object")
    return Command(id, method, params or {})


def success(id: int, result: Mapping[str, Any], seq: int = 0) -> Json:
    """The reply to a command that was done. ``seq``: the newest event that the client has been sent."""
    meta = {"applied_through_seq": seq}
    return {"type": "success", "id": id, "result": dict(result), "meta": meta}


def failure(id: int | None, error: CommandError) -> Json:
    """The reply to a command that was refused."""
    told = {"type": "error", "id": id, "error": error.code, "message": error.message}
    return {**told, **error.more}


def refusal_of(error: Exception) -> CommandError:
    """What a client is told of an error; what nobody expected is logged."""
    if isinstance(error, CommandError):
        return error
    if isinstance(error, AuthRefusal):
        return CommandError("permission_denied", error.detail)
    if isinstance(error, errors.ResumeError):
        return _refused_answer(error)
    problem = problem_of(error)
    if problem is not None:
        return CommandError(_CODES.get(problem.status, "unknown_error"), problem.detail)
    log.error("command failed", exc_info=error)
    return CommandError("unknown_error", "Internal error. The server's log says what happened.")


_CODES: Final = {
    400: "invalid_argument",
    403: "permission_denied",
    404: "invalid_argument",
    422: "invalid_argument",
}


def _refused_answer(error: errors.ResumeError) -> CommandError:
    shown = [interrupt_view(item) for item in error.open_interrupts]
    if isinstance(error, errors.InvalidAnswerError):
        return CommandError(
            "invalid_argument", str(error), errors=list(error.errors), interrupts=shown
        )
    return CommandError("no_such_interrupt", str(error), interrupts=shown)


class Commands:
    """Does the commands of one client on one thread."""

    def __init__(self, server: Server, origin: Origin, thread_id: str) -> None:
        self._server, self._origin, self._thread_id = server, origin, thread_id
        self._by_method: dict[str, Callable[[Mapping[str, Any]], Awaitable[Json]]] = {
            "run.start": self._run_start,
            "input.respond": self._input_respond,
            "agent.getTree": self._agent_tree,
        }

    async def perform(self, command: Command) -> Json:
        """Do it; returns the result. Raises `CommandError`, and what the services raise."""
        do = self._by_method.get(command.method)
        if do is None:
            raise CommandError("unknown_command", f"Unknown protocol command: {command.method}")
        return await do(command.params)

    async def _run_start(self, params: Mapping[str, Any]) -> Json:
        if not isinstance(params.get("assistant_id"), str):
            raise CommandError("invalid_argument", "run.start requires an assistant_id.")
        given = {name: params[name] for name in _START if params.get(name) is not None}
        if params.get("multitaskStrategy") is not None:
            given.setdefault("multitask_strategy", params["multitaskStrategy"])
        body = _body({**given, "assistant_id": params["assistant_id"], "if_not_exists": "create"})
        started = await self._server.runs.start(self._origin, self._thread_id, body)
        return {"run_id": started.run.run_id}

    async def _input_respond(self, params: Mapping[str, Any]) -> Json:
        answers = read_answers(params)
        value: Json = {"thread_id": self._thread_id}
        filters = await self._server.authoriser.authorise(
            self._origin.caller, "threads", "read", value
        )
        thread: Thread | None = await self._server.do(GetThread(self._thread_id, filters))
        if thread is None:
            raise _unknown(next(iter(answers)))
        await self._check_known(answers)
        command = {"resume": answers, "update": params.get("update"), "goto": params.get("goto")}
        name = thread.metadata.get("assistant_id") or graph_of(thread)
        given = {k: params[k] for k in ("config", "metadata") if params.get(k) is not None}
        body = _body({**given, "assistant_id": str(name), "command": command})
        await self._server.runs.start(self._origin, self._thread_id, body)
        return {}

    async def _check_known(self, answers: Mapping[str, Any]) -> None:
        """Every answer names an interrupt of this thread: a resume by other keys would be a value."""
        for id in answers:
            find = FindInterrupts(self._thread_id, id, None, 1)
            if not await self._server.do(find):
                raise _unknown(id)

    async def _agent_tree(self, params: Mapping[str, Any]) -> Json:
        value = {"thread_id": self._thread_id}
        filters = await self._server.authoriser.authorise(
            self._origin.caller, "threads", "read", value
        )
        thread = await self._server.do(GetThread(self._thread_id, filters))
        runs = [] if thread is None else await self._server.do(FindRuns(self._thread_id, limit=1))
        if not runs:
            raise CommandError("no_such_run", "No active run is bound to this thread.")
        events = self._server.journal.events_of(self._thread_id, runs[0].run_id)
        return {"tree": await tree_of(runs[0].graph_id, events)}


def _unknown(interrupt_id: str) -> CommandError:
    text = f"Unknown or already-consumed interrupt: {interrupt_id}"
    return CommandError("no_such_interrupt", text)


def read_answers(params: Mapping[str, Any]) -> Json:
    """Interrupt id → response, of ``input.respond`` in either form. Raises `CommandError`."""
    items: Any = params.get("responses")
    if items is None:
        items = [params]
    if not isinstance(items, list) or not items:
        raise CommandError("invalid_argument", "responses must be a non-empty array.")
    answers: Json = {}
    for item in items:
        id = item.get("interrupt_id") if isinstance(item, dict) else None
        if not isinstance(id, str) or not id:
            raise CommandError("invalid_argument", "input.respond requires an interrupt_id.")
        if "response" not in item:
            raise CommandError("invalid_argument", f"There is no response to interrupt {id}.")
        if id in answers:
            raise CommandError("invalid_argument", f"Interrupt {id} is answered twice.")
        answers[id] = item["response"]
    return answers


def _body(given: Mapping[str, Any]) -> wire.RunCreate:
    told = {"stream_mode": list(MODES), "stream_subgraphs": True, "stream_resumable": True}
    try:
        return msgspec.convert({**given, **told}, wire.RunCreate)
    except msgspec.ValidationError as error:
        raise CommandError("invalid_argument", str(error)) from None


@dataclass(slots=True)
class _Node:
    namespace: Sequence[str]
    graph_name: str
    status: str = "running"
    children: list[_Node] = field(default_factory=list)

    def view(self) -> Json:
        view: Json = {
            "namespace": list(self.namespace),
            "status": self.status,
            "graph_name": self.graph_name,
        }
        if self.children:
            view["children"] = [child.view() for child in self.children]
        return view


async def tree_of(graph: str, events: AsyncIterator[Event]) -> Json:
    """The graphs of one run, each with how it stands, from what was told of their lives."""
    nodes: dict[tuple[str, ...], _Node] = {(): _Node((), graph)}
    async for event in events:
        if event.name != "lifecycle":
            continue
        params = msgspec.json.decode(event.data)["params"]
        ns, data = tuple(params["namespace"]), params["data"]
        node = nodes.get(ns)
        if node is None:
            node = nodes[ns] = _Node(ns, data["graph_name"])
            nodes[ns[:-1]].children.append(node)
        node.status = data["event"]
    return nodes[()].view()
