"""Every error a user of the engine can meet, in one tree.

Each class has a stable ``code`` and a docstring that says what happened. Errors about answers are
refusals: nothing was changed, and ``open_interrupts`` lists what *is* waiting. Control signals
(`GraphBubbleUp` and below) are no ``Exception``: user code that catches ``Exception`` must not be
able to swallow a pause.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar, Literal

if TYPE_CHECKING:
    from caesura.types import Command, Interrupt


class ErrorCode(Enum):
    """Codes whose errors end in a link to the public troubleshooting page of that name."""

    GRAPH_RECURSION_LIMIT = "GRAPH_RECURSION_LIMIT"
    INVALID_CONCURRENT_GRAPH_UPDATE = "INVALID_CONCURRENT_GRAPH_UPDATE"
    INVALID_GRAPH_NODE_RETURN_VALUE = "INVALID_GRAPH_NODE_RETURN_VALUE"
    MULTIPLE_SUBGRAPHS = "MULTIPLE_SUBGRAPHS"
    INVALID_CHAT_HISTORY = "INVALID_CHAT_HISTORY"


def create_error_message(*, message: str, error_code: ErrorCode) -> str:
    """``message`` followed by the troubleshooting link of its code."""
    return (
        f"{message}\nFor troubleshooting, visit: "
        f"https://docs.langchain.com/oss/python/langgraph/errors/{error_code.value}"
    )


class CaesuraError(Exception):
    """Base of every error that the engine raises on its own account."""

    code: ClassVar[str] = "error"


# --- control signals -------------------------------------------------------------------------


class GraphBubbleUp(BaseException):
    """A control transfer on its way out of user code; never an error, never to be caught."""


class GraphInterrupt(GraphBubbleUp):
    """The pause signal: carries the interrupts that are open."""

    def __init__(self, interrupts: Sequence[Interrupt] = ()) -> None:
        super().__init__(interrupts)
        self.interrupts = tuple(interrupts)


class NodeInterrupt(GraphInterrupt):
    """Deprecated way to pause: raised by a node with a value. Use ``interrupt`` instead."""

    def __init__(self, value: Any, id: str | None = None) -> None:
        from warnings import warn

        from caesura.types import Interrupt
        from caesura.warnings import LangGraphDeprecatedSinceV10

        warn(
            "NodeInterrupt is deprecated. Please use `langgraph.types.interrupt` instead.",
            LangGraphDeprecatedSinceV10,
            stacklevel=2,
        )
        super().__init__([Interrupt(value=value) if id is None else Interrupt(value, id)])


class GraphDrained(GraphBubbleUp):
    """The run stopped between two steps because a drain was asked for; resume with ``None``."""

    def __init__(self, reason: str = "shutdown") -> None:
        super().__init__(f"Graph drained: {reason}")
        self.reason = reason


class ParentCommand(GraphBubbleUp):
    """Carries a ``Command(graph=Command.PARENT)`` out of a nested graph."""

    def __init__(self, command: Command[Any]) -> None:
        super().__init__(command)
        self.command = command


# --- programs --------------------------------------------------------------------------------


class GraphRecursionError(CaesuraError, RecursionError):
    """The run reached its recursion limit. What was done is saved; raise the limit and go on."""

    code = "recursion_limit"


class InvalidUpdateError(CaesuraError):
    """A node, an input or ``update_state`` wrote something its channels cannot take."""

    code = "invalid_update"


class EmptyInputError(CaesuraError):
    """The run got no input and the thread has nothing to go on with. Nothing was started."""

    code = "empty_input"


class EmptyChannelError(CaesuraError):
    """A channel was read that has never been written."""

    code = "empty_channel"


class TaskNotFound(CaesuraError):
    """The distributed executor could not find the task."""

    code = "task_not_found"


class NodeCancelledError(CaesuraError):
    """A node raised ``asyncio.CancelledError`` by itself."""

    code = "node_cancelled"


class NodeTimeoutError(CaesuraError):
    """A node ran, or made no progress, for longer than its timeout policy allows.

    What that attempt wrote is discarded; a retry policy may try again. ``kind``: which of the two
    limits it was; ``timeout``: that limit; ``elapsed``: how long it took. Times in seconds.
    """

    code = "node_timeout"

    def __init__(
        self,
        node: str,
        elapsed: float,
        *,
        kind: Literal["idle", "run"],
        idle_timeout: float | None = None,
        run_timeout: float | None = None,
    ) -> None:
        limit = run_timeout if kind == "run" else idle_timeout
        self.timeout = 0.0 if limit is None else limit
        idle = " without making progress" if kind == "idle" else ""
        super().__init__(
            f"Node {node!r} exceeded its {kind} timeout of {self.timeout:.3f}s{idle} "
            f"(elapsed: {elapsed:.3f}s)."
        )
        self.node, self.kind, self.elapsed = node, kind, elapsed
        self.run_timeout, self.idle_timeout = run_timeout, idle_timeout


class RestoredError(Exception):
    """Stands in for an exception that was read back from storage; nothing stored is imported.

    Its class has the name of the original's and derives from the nearest built-in exception, or from
    the class of this module; text, ``repr`` and plain attributes are the original's.
    """

    def __init__(self, text: str, shown: str) -> None:
        self._text, self._shown = text, shown

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return self._shown


class NodeError:
    """What an error handler is told: the node that failed and its exception.

    When the handler runs again after a pause or a crash, ``error`` is a `RestoredError`.
    """

    __slots__ = ("error", "node")

    def __init__(self, node: str, error: BaseException) -> None:
        self.node = node
        self.error = error

    def __repr__(self) -> str:
        return f"NodeError(node={self.node!r}, error={self.error!r})"


class SwallowedInterruptError(CaesuraError):
    """A task opened an interrupt and did not let the pause through."""

    code = "swallowed_interrupt"

    def __init__(self, node: str, where: str) -> None:
        super().__init__(
            f"Task {node!r} asked a person at {where}, but the pause did not leave the task: "
            "something caught it (`except BaseException`, `gather(return_exceptions=True)`, a "
            "thread whose result was not awaited). The task is not counted as done and its writes "
            "are discarded. Let GraphInterrupt pass: `except GraphInterrupt: raise`."
        )
        self.node, self.where = node, where


class SerializationError(CaesuraError, TypeError):
    """A value cannot be stored. ``path`` names where in the state it sits; nothing was saved."""

    code = "not_serializable"

    def __init__(self, message: str, path: str = "") -> None:
        super().__init__(message)
        self.path = path


class DeserializationError(CaesuraError, ValueError):
    """Stored bytes are damaged, foreign or hostile. Nothing was built from them."""

    code = "not_deserializable"


class DecryptionError(DeserializationError):
    """Stored bytes cannot be decrypted: changed, of another key, or not encrypted where they must be."""

    code = "not_decryptable"


class TaskReplayMismatchError(CaesuraError):
    """Under ``strict=True``: a replayed task call has other arguments than its stored result."""

    code = "task_replay_mismatch"


class EffectRefusedError(CaesuraError, RuntimeError):
    """A call with ``effect=True`` was made where it could happen twice; it was not made.

    Nothing is stored (no checkpointer, or one that the graph opted out of), or only at the end
    (``durability="exit"``). Or code inside such a call wanted to pause.
    """

    code = "effect_refused"


class EffectOutcomeUnknownError(CaesuraError):
    """Whether a call with ``effect=True`` happened is unknown, and the person asked gave up.

    ``task`` is its name, ``started_at`` when it was started. It is not made again.
    """

    code = "effect_outcome_unknown"

    def __init__(self, task: str, started_at: str) -> None:
        super().__init__(
            f"Task {task!r} was started at {started_at} and has no result; whoever was asked does "
            "not know whether it happened. It is not made again. Catch this error at the call to "
            "go on without it."
        )
        self.task, self.started_at = task, started_at


class DuplicateInterruptKeyError(CaesuraError):
    """Two interrupts of one task are open under the same ``key=``."""

    code = "duplicate_interrupt_key"


# --- threads ---------------------------------------------------------------------------------


class StaleThreadError(CaesuraError):
    """Another run moved this thread on, or it was cut back. This run's commit was refused and stored
    nothing.
    """

    code = "stale_thread"

    def __init__(self, thread_id: str, expected: str | None, found: str | None) -> None:
        if (found or "") < (expected or ""):
            what = (
                "was cut back while this run went on: its checkpoints were deleted, or its database "
                "crashed and lost those of the last moment"
            )
        else:
            what = "was moved on by another run"
        super().__init__(
            f"Thread {thread_id!r} {what}. This run stands on checkpoint {expected or '(none)'}, the "
            f"newest is {found or '(none)'}. Nothing was stored. Load the state again and decide anew."
        )
        self.thread_id, self.expected, self.found = thread_id, expected, found


class EffectUnderWayError(CaesuraError):
    """Another run of the thread is in the middle of a call with ``effect=True``.

    This run made no such call and ends; its thread is unchanged. Run it again when the other has
    ended.
    """

    code = "effect_under_way"

    def __init__(self, task: str, thread_id: str, started_at: str) -> None:
        super().__init__(
            f"Task {task!r} of thread {thread_id!r} was started at {started_at} by another run, which "
            "is still going on. Nothing was started here. Run the thread again when that run has ended."
        )
        self.task, self.thread_id, self.started_at = task, thread_id, started_at


class StorageError(CaesuraError):
    """The store refused or failed. The message says what is unchanged."""

    code = "storage"


class UnstorableTextError(StorageError, ValueError):
    """A name, id or key has a character that this database cannot hold. Nothing was changed."""

    code = "unstorable_text"


# --- the store -------------------------------------------------------------------------------


class InvalidNamespaceError(CaesuraError, ValueError):
    """A namespace of the store is empty where it may not be, or one of its labels is not allowed."""

    code = "invalid_namespace"


class InvalidFilterError(CaesuraError, ValueError):
    """The filter of a search uses an operator that does not exist. Nothing was searched."""

    code = "invalid_filter"


# --- answers ---------------------------------------------------------------------------------


def _listing(open_interrupts: Sequence[Any]) -> str:
    if not open_interrupts:
        return "Nothing is waiting on this thread."
    lines = [f"  {i.id}  {getattr(i, 'title', None) or _short(i.value)}" for i in open_interrupts]
    return "Waiting now:\n" + "\n".join(lines)


def _short(value: Any, limit: int = 80) -> str:
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"


class ResumeError(CaesuraError):
    """Base of the refusals: nothing was started and nothing was stored.

    ``open_interrupts`` lists what is waiting on the thread now.
    """

    code = "resume_refused"

    def __init__(self, message: str, open_interrupts: Sequence[Interrupt] = ()) -> None:
        super().__init__(f"{message} Nothing was changed. {_listing(open_interrupts)}")
        self.open_interrupts = tuple(open_interrupts)


class NothingToResumeError(ResumeError):
    """A resume was handed in, but no interrupt is open on the thread."""

    code = "nothing_to_resume"


class UnknownThreadError(NothingToResumeError):
    """A resume was handed in for a thread that does not exist."""

    code = "unknown_thread"


class UnknownInterruptError(ResumeError):
    """An answer names an interrupt that does not exist on this thread.

    ``reason`` is one of ``not_pending``, ``empty_map``, ``ambiguous``.
    """

    code = "unknown_interrupt"

    def __init__(
        self,
        message: str,
        *,
        reason: str = "not_pending",
        interrupt_ids: Sequence[str] = (),
        pending_ids: Sequence[str] = (),
        open_interrupts: Sequence[Interrupt] = (),
    ) -> None:
        super().__init__(message, open_interrupts)
        self.reason = reason
        self.interrupt_ids = tuple(interrupt_ids)
        self.pending_ids = tuple(pending_ids) or tuple(i.id for i in open_interrupts)


class AmbiguousResumeError(UnknownInterruptError, RuntimeError):
    """A bare value was handed in while several interrupts are open: name the one it answers."""

    code = "ambiguous_resume"

    def __init__(self, message: str, open_interrupts: Sequence[Interrupt] = ()) -> None:
        super().__init__(message, reason="ambiguous", open_interrupts=open_interrupts)


class AlreadyAnsweredError(ResumeError):
    """The interrupt was answered before. ``answer`` is what was recorded; it stays."""

    code = "already_answered"

    def __init__(
        self,
        interrupt_id: str,
        answer: Any = None,
        answered_at: str | None = None,
        open_interrupts: Sequence[Interrupt] = (),
    ) -> None:
        super().__init__(
            f"Interrupt {interrupt_id} was already answered"
            f"{f' at {answered_at}' if answered_at else ''} with {_short(answer)}.",
            open_interrupts,
        )
        self.interrupt_id, self.answer, self.answered_at = interrupt_id, answer, answered_at


class InterruptClosedError(ResumeError):
    """The interrupt is withdrawn, superseded or expired: it takes no answer any more."""

    code = "interrupt_closed"

    def __init__(
        self,
        interrupt_id: str,
        status: str,
        reason: str | None = None,
        open_interrupts: Sequence[Interrupt] = (),
    ) -> None:
        super().__init__(
            f"Interrupt {interrupt_id} is {status}{f' ({reason})' if reason else ''}.",
            open_interrupts,
        )
        self.interrupt_id, self.status, self.reason = interrupt_id, status, reason


class ProgramChangedError(ResumeError):
    """What waits on the thread was asked by a node that the program does not have any more.

    ``nodes`` names the askers. The interrupts stay open: bring the node back, or go on elsewhere with
    new input or ``update_state``, which withdraws them.
    """

    code = "program_changed"

    def __init__(self, nodes: Sequence[str], open_interrupts: Sequence[Interrupt] = ()) -> None:
        super().__init__(
            f"The program has changed: {', '.join(map(repr, nodes))} asked a person, and no task of "
            "this program would take the answer. Bring the node back under its name, or go on "
            "elsewhere with new input or update_state.",
            open_interrupts,
        )
        self.nodes = tuple(nodes)


class InvalidAnswerError(ResumeError, ValueError):
    """An answer does not fit the interrupt's ``response_schema``.

    ``errors`` is a list of ``{"pointer": JSON pointer, "message": text}``. The interrupt stays open.
    """

    code = "invalid_answer"

    def __init__(
        self,
        errors: Sequence[dict[str, str]],
        interrupt_id: str | None = None,
        open_interrupts: Sequence[Interrupt] = (),
    ) -> None:
        what = "; ".join(f"{e['pointer'] or '/'}: {e['message']}" for e in errors)
        name = f" to interrupt {interrupt_id}" if interrupt_id else ""
        super().__init__(f"The answer{name} does not fit: {what}.", open_interrupts)
        self.errors = list(errors)
        self.interrupt_id = interrupt_id


def is_invalid_resume(exc: BaseException) -> bool:
    """True if ``exc`` says that an answer did not fit its interrupt's schema."""
    return isinstance(exc, InvalidAnswerError) or bool(
        getattr(exc, "__caesura_invalid_resume__", False)
    )
