"""One call of a remote program: what to send, in which order. Rules only; `pregel.remote` sends.

Outside a task it is one run. In a task, the remote program has a thread whose id follows from the place
of the task. When the task runs again - after a pause, after a crash - the conversation first looks where
that thread stands, so nothing is started twice. What the remote program asks is asked here, under the
same id; the answers are forwarded by id. Somebody may answer on the server itself: then the remote
program goes on with that answer, and one given here later is not used.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from caesura.asking import Question
from caesura.client.encoding import command_body
from caesura.client.errors import ApiError, NotFoundError
from caesura.client.remote import Item, Listening
from caesura.client.requests import Request, StreamRequest, runs, threads
from caesura.client.shapes import StreamPart, ThreadState
from caesura.core.turn import Turn
from caesura.errors import GraphInterrupt
from caesura.execution.context import Frame, TaskScope
from caesura.types import Command

CALLER: Final = "caesura_caller"
"""Metadata of the remote run: which task started it."""

Step = Request[Any] | StreamRequest[StreamPart]
Steps = Generator[Step, Any, None]


@dataclass(slots=True)
class CallingTask:
    """The local task that a call of a remote graph is made in."""

    scope: TaskScope
    ns: str
    own_thread: bool
    """The remote thread is this call's alone, not one that was named."""
    frames: dict[tuple[str, ...], Frame] = field(default_factory=dict)

    def key(self, *what: str) -> str:
        """An idempotency key that is the same whenever this task runs again."""
        return str(uuid5(NAMESPACE_URL, "\x1f".join((self.ns, *what))))

    def wants(self) -> frozenset[str]:
        """The stream modes that the program around it shows of nested programs."""
        setting = self.scope.frame.setting
        return setting.wants if setting.subgraphs else frozenset()

    def forward(self, item: Item) -> None:
        """Show an event of the remote program as one of a nested program."""
        ns, mode, payload = item
        if mode not in self.wants():
            return
        if mode == "messages" and isinstance(payload[0], dict) and payload[0].get("id"):
            self.scope.frame.setting.seen_messages.add(payload[0]["id"])
        self._frame(ns).emit(mode, payload)

    def _frame(self, ns: tuple[str, ...]) -> Frame:
        if ns not in self.frames:
            outer = self.scope.frame
            turn = Turn(replace(outer.turn.request, ns="|".join((self.ns, *ns))))
            turn.state = outer.turn.state
            self.frames[ns] = replace(outer, turn=turn, outer=self.scope, graph=None)
        return self.frames[ns]


@dataclass(slots=True)
class Call:
    """One call of ``invoke`` or ``stream``."""

    assistant_id: str
    input: Any
    thread_id: str | None
    options: dict[str, Any]
    task: CallingTask | None
    listening: Listening = field(default_factory=Listening)

    def run(self, input: Any, key: str | None = None) -> StreamRequest[StreamPart]:
        """A run with this input; it goes on from where the thread stands."""
        options = dict(self.options)
        if isinstance(input, Command):
            options |= {"command": command_body(input), "strict_resume": input.resume is not None}
        else:
            options["input"] = input
        if self.thread_id is not None:
            options["if_not_exists"] = "create"
        if key is not None:
            options["headers"] = {**(options.get("headers") or {}), "Idempotency-Key": key}
        self.listening.begin()
        return runs.stream(self.thread_id, self.assistant_id, **options)


def _conversation(call: Call) -> Steps:
    """The requests of one call. In a task, it goes on until the remote program is done or waits."""
    heard, task = call.listening, call.task
    if task is None or call.thread_id is None:
        yield call.run(call.input)
        return
    newest, state = yield from _standing(call, task, call.thread_id)
    if state is None:
        yield call.run(call.input, task.key("start", newest))
    else:
        heard.stand(state)
        if state["next"] and not heard.open:
            yield call.run(None, task.key("go on", newest))
    while heard.open or heard.stopped:
        if not heard.open:
            raise GraphInterrupt()
        answers = _ask_here(task, heard)
        yield call.run(Command(resume=answers), task.key("answer", *sorted(answers)))


def _standing(
    call: Call, task: CallingTask, thread_id: str
) -> Generator[Step, Any, tuple[str, ThreadState | None]]:
    """The newest run of the remote thread, and where it stands; None if this task has not begun there."""
    try:
        found = yield runs.list_runs(thread_id, limit=1)
    except NotFoundError:
        return "", None
    newest = found[0] if found else None
    mine = newest is not None and (newest.get("metadata") or {}).get(CALLER) == task.ns
    if newest is None or not (mine or task.own_thread):
        return newest["run_id"] if newest else "", None
    if newest["status"] in ("pending", "running"):
        yield runs.join(thread_id, newest["run_id"])
    state = yield threads.get_state(thread_id)
    return newest["run_id"], state if state["checkpoint"] else None


def _ask_here(task: CallingTask, heard: Listening) -> dict[str, Any]:
    """The answers to what the remote program asks, by id; or the pause of this task."""
    asked = list(heard.open.values())
    answers = task.scope.ask(
        [
            Question(i.value, i.response_schema, key=i.id, title=i.title, id=i.id)
            for i in asked
        ]
    )  # fmt: skip
    return {item.id: answer for item, answer in zip(asked, answers, strict=True)}


class Talk:
    """A conversation as its drivers need it: ``step`` is what to send now, None at the end."""

    def __init__(self, call: Call) -> None:
        self._steps = _conversation(call)
        self.step: Step | None = None
        self.go_on(None)

    def go_on(self, answer: Any) -> None:
        """The step is done, with this reply."""
        self.step = self._moved(lambda: self._steps.send(answer))

    def refused(self, error: ApiError) -> None:
        """The server refused the step. Raises ``error`` unless the conversation can do without."""
        self.step = self._moved(lambda: self._steps.throw(error))

    def _moved(self, move: Callable[[], Step]) -> Step | None:
        try:
            return move()
        except StopIteration:
            return None


def heard(call: Call, part: StreamPart) -> Item | None:
    """An event of the remote program, told to whom it concerns here."""
    item = call.listening.hear(part)
    if item is not None and call.task is not None:
        call.task.forward(item)
    return item
