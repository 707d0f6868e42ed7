"""What surrounds running code: the invocation (`Setting`), one graph of it (`Frame`), one task (`TaskScope`).

A `Setting` is made by the outermost ``invoke`` or ``stream`` and shared by every graph nested in it. A
`Frame` pairs a `Turn` with the setting. A `TaskScope` is what `caesura.config.current_scope` returns
inside a task: it answers ``interrupt``, numbers calls and nested graphs, and gathers what pauses.
"""

from __future__ import annotations

import sys
import threading
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from caesura.asking import Question
from caesura.checkpoint.operations import InterruptRow
from caesura.config import Scope
from caesura.constants import NS_SEP, PREVIOUS, RETURN
from caesura.core.answers import Ledger
from caesura.core.program import Action, Write
from caesura.core.state import Task
from caesura.core.turn import Turn
from caesura.errors import GraphInterrupt, SwallowedInterruptError
from caesura.execution import langchain
from caesura.execution.cache import TaskCache
from caesura.execution.clock import clock
from caesura.execution.gathering import Gathering
from caesura.execution.tokens import RunToken
from caesura.execution.watch import Watch
from caesura.interrupts.lifecycle import as_interrupt
from caesura.runtime import ExecutionInfo, RunControl, Runtime, no_heartbeat
from caesura.warnings import InterruptDigestWarning

if TYPE_CHECKING:
    from uuid import UUID

Sink = Callable[["Frame", str, Any, str | None], None]


def _no_sink(frame: Frame, mode: str, payload: Any, ns: str | None) -> None:
    """Nobody listens."""


@dataclass(slots=True, eq=False, repr=False)
class Setting:
    """What all graphs of one invocation share."""

    config: dict[str, Any]
    thread_id: str
    saver: Any = None
    """Has ``execute`` and ``aexecute``; None: nothing is stored."""
    raw_saver: Any = None
    """The saver as the user gave it."""
    context: Any = None
    store: Any = None
    control: RunControl | None = None
    durability: str = "async"
    wants: frozenset[str] = frozenset()
    subgraphs: bool = False
    lenient: bool = False
    sink: Sink = _no_sink
    run_id: str | None = None
    actor: str | None = None
    server_info: Any = None
    listeners: tuple[Any, ...] = ()
    """Lifecycle callbacks: what of ``config["callbacks"]`` is a `GraphCallbackHandler`."""
    telling: UUID | None = None
    """What they know the run by; None if there are none."""
    token: RunToken = field(default_factory=RunToken)
    seen_messages: set[str] = field(default_factory=set)
    """Ids of the messages that the ``messages`` stream told already."""

    def copy(self) -> Setting:
        """One like it, for a nested graph to differ from."""
        return Setting(*_all_fields(self))


_all_fields = attrgetter(*(each.name for each in fields(Setting)))


@dataclass(slots=True, eq=False, repr=False)
class Frame:
    """One graph of an invocation, while it runs."""

    setting: Setting
    turn: Turn
    graph: Any
    driver: Any
    wants: frozenset[str]
    outer: TaskScope | None = None
    cache: TaskCache | None = None
    watch: Watch | None = None
    """The timeout that runs around this graph."""
    gathering: Gathering = field(init=False)
    """Where what its calls left is stored."""

    def __post_init__(self) -> None:
        self.gathering = Gathering(self.turn)

    def emit(self, mode: str, payload: Any, ns: str | None = None) -> None:
        """Hand an event on. ``ns``: where it is said to happen, if not in this graph."""
        self.setting.sink(self, mode, payload, ns)

    def over(self) -> None:
        """The graph has ended, in whatever way; the task around it learns what it must know."""
        if self.outer is None:
            self.setting.token.end()
            return
        if self.turn.resumed:
            self.outer.mark_personal()
        if self.turn.lazy:
            self.outer.frame.turn.lazy = True


class TaskScope(Scope):
    """The running task."""

    __slots__ = (
        "_calls",
        "_config",
        "_graphs",
        "_ledger",
        "_lock",
        "_runtime",
        "ancestry",
        "attempt",
        "caller",
        "children",
        "delivered",
        "first_attempt",
        "frame",
        "inner",
        "loop",
        "pushed",
        "task",
        "watch",
        "where",
    )

    def __init__(self, frame: Frame, task: Task, ancestors: tuple[str, ...]) -> None:
        self.frame = frame
        self.task = task
        self.attempt = 1
        self.first_attempt = 0.0
        self.loop: Any = None
        """The event loop of the driver, where it has one."""
        self.caller: TaskScope | None = None
        """Of an ``@task`` call: who calls."""
        self._lock = threading.Lock()
        self._config: dict[str, Any] | None = None
        self._runtime: Runtime[Any] | None = None
        self.ancestry = ancestors
        self.watch = frame.watch
        """The innermost timeout that runs around this task, or for it."""
        self._ledger: Ledger | None = None
        self._calls = 0
        self._graphs = 0
        self.children: list[Any] = []
        self.inner: list[InterruptRow] = []
        """Open interrupts of graphs and calls inside this task."""
        self.pushed: list[Write] = []
        """What the task wrote on its way; it comes before what it returns."""
        self.delivered = False
        """A pause was raised into the code of this task."""
        self.where = ""

    def _questions(self) -> Ledger:
        """This attempt's questions; most tasks have none."""
        if self._ledger is None:
            task, turn = self.task, self.frame.turn
            template = InterruptRow(
                id="",
                thread_id=turn.state.thread_id,
                ns=turn.state.ns,
                checkpoint_id=turn.request.row_checkpoint or turn.state.checkpoint_id,
                task_id=task.id,
                ancestors=(*self.ancestry, *task.within()),
                node=task.name,
                slot=0,
                digest="",
                payload=None,
            )
            lenient = self.frame.setting.lenient
            self._ledger = Ledger(template, task.rows, lenient=lenient, loose=task.loose or [])
        return self._ledger

    def again(self) -> None:
        """Begin another attempt: nothing written, nothing asked; answers are kept."""
        self.attempt += 1
        self._runtime = self._ledger = None
        self._calls = self._graphs = 0
        self.children, self.inner, self.pushed = [], [], []
        self.delivered, self.where = False, ""

    # --- what code in the task may ask ------------------------------------------------------

    def ask(self, questions: Sequence[Question]) -> list[Any]:
        with self._lock:
            ledger = self._questions()
            answers = ledger.ask(questions, clock().now())
            notes, ledger.notes = ledger.notes, []
        for note in notes:
            warnings.warn(note, InterruptDigestWarning, stacklevel=4)
        if answers is not None:
            return answers
        self.delivered = True
        self.where = _user_line()
        raise GraphInterrupt([as_interrupt(r) for r in ledger.asked if r.status == "open"])

    def config(self) -> dict[str, Any]:
        if self._config is None:
            self._config = self._make_config()
        return self._config

    def _make_config(self) -> dict[str, Any]:
        base, task, state = self.frame.setting.config, self.task, self.frame.turn.state
        node = task.node
        metadata: dict[str, Any] = {}
        if "thread_id" in base.get("configurable", {}):
            metadata["thread_id"] = base["configurable"]["thread_id"]
        metadata |= base.get("metadata", {})
        metadata |= {
            "langgraph_step": task.step,
            "langgraph_node": task.name,
            "langgraph_triggers": task.triggers,
            "langgraph_path": task.path,
            "langgraph_checkpoint_ns": task.ns,
        }
        if self.frame.turn.request.ns:
            metadata["checkpoint_ns"] = self.frame.turn.request.ns
        if node is not None and node.metadata:
            metadata |= node.metadata
        configurable = dict(base.get("configurable", {}))
        configurable["checkpoint_ns"] = task.ns
        configurable.setdefault("checkpoint_id", None)
        configurable["__pregel_read"] = state.read
        configurable["__pregel_task_id"] = task.id
        if configurable["checkpoint_id"] is None:
            del configurable["checkpoint_id"]
        made = {**base, "metadata": metadata, "configurable": configurable}
        for name in ("run_id", "run_name"):  # Those of the run; what is called in it has its own.
            made.pop(name, None)
        tags = [*base.get("tags", ()), *(node.tags if node is not None else ())]
        if tags:
            made["tags"] = tags
        made["callbacks"] = langchain.callbacks_of(self, base.get("callbacks"), made)
        return made

    def runtime(self) -> Runtime[Any]:
        if self._runtime is None:
            setting, state = self.frame.setting, self.frame.turn.state
            previous = state.channels.get(PREVIOUS)
            self._runtime = Runtime(
                context=setting.context,
                store=setting.store,
                stream_writer=self.write_custom,
                heartbeat=no_heartbeat if self.watch is None else self.watch.beat,
                previous=previous.get()
                if previous is not None and previous.is_available()
                else None,
                execution_info=ExecutionInfo(
                    checkpoint_id=state.checkpoint_id,
                    checkpoint_ns=self.task.ns,
                    task_id=self.task.id,
                    thread_id=setting.thread_id or None,
                    run_id=setting.run_id,
                    node_attempt=self.attempt,
                    node_first_attempt_time=self.first_attempt or None,
                ),
                server_info=setting.server_info,
                control=setting.control,
            )
        return self._runtime

    def write_custom(self, value: Any) -> None:
        if self.watch is not None:
            self.watch.progress()
        if "custom" in self.frame.wants:
            self.frame.emit("custom", value, self.task.ns.rpartition(NS_SEP)[0])

    def push(self, key: str, value: Any) -> None:
        with self._lock:
            self.pushed.append((key, value))

    def push_message(self, message: Any, key: str | None) -> None:
        frame = self.frame
        if self.watch is not None:
            self.watch.progress()
        if "messages" in frame.wants:
            frame.setting.seen_messages.add(message.id)
            frame.emit("messages", (message, self.message_metadata()))
        if key is not None:
            self.push(key, message)

    def message_metadata(self) -> dict[str, Any]:
        """What the ``messages`` stream says about where a message comes from."""
        return dict(self.config()["metadata"])

    def injected(self, action: Action) -> dict[str, Any]:
        """The keyword arguments that ``action`` wants from its surroundings."""
        given: dict[str, Any] = {}
        for name in action.inject:
            if name == "config":
                given[name] = self.config()
            elif name == "writer":
                given[name] = self.write_custom
            elif name == "runtime":
                given[name] = self.runtime()
            elif name == "store":
                given[name] = self.frame.setting.store
            elif name == "previous":
                given[name] = self.runtime().previous
            elif name == "error":
                given[name] = self.task.failure()
        return given

    # --- what runs inside the task ----------------------------------------------------------

    def ancestors(self) -> tuple[str, ...]:
        """The tasks around what runs inside this one, outermost first."""
        return (*self.ancestry, *self.task.within(), self.task.id)

    def next_call(self) -> int:
        """The ordinal of the next ``@task`` call."""
        with self._lock:
            ordinal, self._calls = self._calls, self._calls + 1
            return ordinal

    def next_graph(self) -> int:
        """The ordinal of the next nested graph."""
        with self._lock:
            ordinal, self._graphs = self._graphs, self._graphs + 1
            return ordinal

    def graph_ns(self, ordinal: int) -> str:
        """The checkpoint namespace of the nested graph with that ordinal."""
        return f"{self.task.ns}{NS_SEP}{ordinal}" if ordinal else self.task.ns

    def add_pause(self, rows: Sequence[InterruptRow]) -> None:
        """Something inside this task waits for ``rows``."""
        with self._lock:
            known = {row.id for row in self.inner}
            self.inner += [row for row in rows if row.id not in known]

    def mark_personal(self) -> None:
        """A graph in this task went on after a pause: the task's result, and that of the task that
        calls it, may hold what a person said there."""
        scope: TaskScope | None = self
        while scope is not None:
            scope.task.personal = True
            scope = scope.caller

    # --- how it ended -------------------------------------------------------------------------

    def paused(self) -> tuple[InterruptRow, ...]:
        """The open interrupts that this attempt ran into."""
        asked = self._ledger.asked if self._ledger is not None else ()
        return (*(row for row in asked if row.status == "open"), *self.inner)

    def end(self, error: BaseException | None) -> None:
        """Record how the attempt ended, other than by a plain result."""
        task = self.task
        if (
            error is None
            and self._ledger is None
            and not self.inner
            and "messages" not in self.frame.wants
        ):
            return
        if self._ledger is not None:
            task.superseded = self._ledger.superseded
        rows = self.paused()
        if isinstance(error, GraphInterrupt):
            task.pause, task.writes = rows or self._by_hand(error), None
        elif rows and (self.delivered or error is not None):
            swallowed = SwallowedInterruptError(task.name, self.where or "a nested graph or task")
            swallowed.__cause__ = error
            task.error, task.writes = swallowed, None
        elif rows:
            task.pause, task.writes = rows, None
        elif error is not None:
            task.error, task.writes = error, None
        elif (
            "messages" in self.frame.wants
            and task.name not in self.frame.turn.request.program.hidden
        ):
            self._tell_messages()
        if task.error is not None:
            _add_note(task.error, f"During task with name '{task.name}' and id '{task.id}'")

    def _tell_messages(self) -> None:
        """Tell the messages that the task wrote, or that a call returned; it gives them ids."""
        from caesura.messages.telling import message_ids, new_messages

        task, frame = self.task, self.frame
        seen = frame.setting.seen_messages
        given = task.input if task.args is None else [*task.args[0], *task.args[1].values()]
        seen |= message_ids(given)
        written = task.writes or [(RETURN, task.result)]
        metadata = {"ls_integration": "langgraph", **self.message_metadata()}
        for message in new_messages(written, seen):
            frame.emit("messages", (message, dict(metadata)))

    def _by_hand(self, error: GraphInterrupt) -> tuple[InterruptRow, ...]:
        """A pause that user code raised itself, without asking: its values become questions."""
        now = clock().now()
        for item in error.interrupts:
            self._questions().ask((Question(item.value),), now)
        return self.paused()


def _add_note(error: BaseException, note: str) -> None:
    if note not in getattr(error, "__notes__", ()):
        error.add_note(note)


def _user_line() -> str:
    """File and line of the innermost code that is not ours."""
    frame = sys._getframe(1)
    while frame.f_back is not None and "caesura" in frame.f_globals.get("__name__", "").split("."):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
