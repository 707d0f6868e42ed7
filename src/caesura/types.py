"""The public words of a program: what it asks with, jumps with, and what it is told back."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import KW_ONLY, dataclass, field, is_dataclass
from datetime import timedelta
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Final,
    Generic,
    Literal,
    NamedTuple,
    TypedDict,
    TypeVar,
    Union,
    final,
)

from caesura.asking import Question, interrupt, interrupts
from caesura.errors import InvalidUpdateError, SerializationError

if TYPE_CHECKING:
    from caesura.checkpoint.base import BaseCheckpointSaver

__all__ = (
    "All", "CacheKey", "CachePolicy", "CheckpointPayload", "CheckpointStreamPart",
    "CheckpointTask", "Checkpointer", "Command", "CustomStreamPart", "DebugPayload",
    "DebugStreamPart", "Durability", "GraphOutput", "Interrupt", "MessagesStreamPart", "Overwrite",
    "PregelExecutableTask", "PregelTask", "Question", "RetryPolicy", "Send", "StateSnapshot", "StateUpdate",
    "StreamMode", "StreamPart", "StreamWriter", "TaskPayload", "TaskResultPayload",
    "TasksStreamPart", "TimeoutPolicy", "TracePolicy", "UpdatesStreamPart", "ValuesStreamPart",
    "default_retry_on", "ensure_valid_checkpointer", "interrupt", "interrupts", "omit_payload",
)  # fmt: skip

N = TypeVar("N", bound=Hashable)
OutputT = TypeVar("OutputT")

All = Literal["*"]
Checkpointer = Union[None, bool, "BaseCheckpointSaver[Any]"]
"""None: inherit the parent's saver. True: a nested graph with a lasting history. False: none."""
Durability = Literal["sync", "async", "exit"]
StreamMode = Literal[
    "values", "updates", "checkpoints", "tasks", "debug", "messages", "custom", "tools"
]
StreamWriter = Callable[[Any], None]


class Interrupt:
    """A question to a person: its payload (``value``) and the id that an answer names.

    ``response_schema`` is the JSON Schema of the answer, or None. ``key``, ``title`` and ``digest``
    are what the program gave; ``digest`` is the SHA-256 of the payload's canonical JSON.
    """

    __slots__ = ("digest", "id", "key", "record", "response_schema", "title", "value")
    __match_args__ = ("value", "id")

    def __init__(
        self,
        value: Any,
        id: str = "placeholder-id",
        *,
        response_schema: Any = None,
        key: str | None = None,
        title: str | None = None,
        digest: str | None = None,
        record: dict[str, Any] | None = None,
        ns: Sequence[str] | None = None,
        **_tolerated: Any,
    ) -> None:
        self.value: Any = value
        if ns is not None and id == "placeholder-id":
            id = Interrupt.from_ns(value, "|".join(ns)).id
        self.id: str = id
        self.response_schema = response_schema
        self.key, self.title, self.digest = key, title, digest
        self.record = record
        """The stored row, for savers that keep interrupts as writes."""

    @classmethod
    def from_ns(cls, value: Any, ns: str) -> Interrupt:
        """An interrupt whose id is derived from a checkpoint namespace."""
        from caesura.core.ids import hash_hex

        return cls(value, hash_hex(ns))

    @property
    def interrupt_id(self) -> str:
        """Deprecated: use ``id``."""
        from warnings import warn

        from caesura.warnings import LangGraphDeprecatedSinceV10

        warn(
            "`interrupt_id` is deprecated. Use `id` instead.",
            LangGraphDeprecatedSinceV10,
            stacklevel=2,
        )
        return self.id

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Interrupt):
            return NotImplemented
        return bool(self.value == other.value and self.id == other.id)

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        return f"Interrupt(value={self.value!r}, id={self.id!r})"


class Send:
    """Run ``node`` in the next step with ``arg`` as its input, as is."""

    __slots__ = ("arg", "node", "timeout")
    __match_args__ = ("node", "arg")
    node: str
    arg: Any
    timeout: TimeoutPolicy | None

    def __init__(self, /, node: str, arg: Any, *, timeout: Any = None) -> None:
        self.node = node
        self.arg = arg
        self.timeout = TimeoutPolicy.coerce(timeout)

    def __hash__(self) -> int:
        return hash((self.node, repr(self.arg)))

    def __repr__(self) -> str:
        extra = f", timeout={self.timeout!r}" if self.timeout is not None else ""
        return f"Send(node={self.node!r}, arg={self.arg!r}{extra})"

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Send)
            and self.node == other.node
            and self.arg == other.arg
            and self.timeout == other.timeout
        )


@dataclass(frozen=True, slots=True)
class Command(Generic[N]):
    """Update the state and say what runs next; as input, answer interrupts with ``resume``.

    ``graph``: None is this graph, `Command.PARENT` the nearest enclosing one. ``update``: dict, list
    of (key, value), annotated object, or the root value. ``resume``: an answer, or a map of interrupt
    ids to answers. ``goto``: node name, `Send`, or a sequence of these.
    """

    _: KW_ONLY
    graph: str | None = None
    update: Any | None = None
    resume: dict[str, Any] | Any | None = None
    goto: Send | Sequence[Send | N] | N = ()

    PARENT: ClassVar[Literal["__parent__"]] = "__parent__"

    def __repr__(self) -> str:
        shown = (
            f"{name}={value!r}"
            for name in ("graph", "update", "resume", "goto")
            if (value := getattr(self, name))
        )
        return f"Command({', '.join(shown)})"


def update_as_tuples(update: Any) -> Sequence[tuple[str, Any]]:
    """A ``Command.update`` as (key, value) pairs; a bare value goes to ``__root__``."""
    if update is None:
        return ()
    if isinstance(update, dict):
        return list(update.items())
    if isinstance(update, (list, tuple)) and all(
        isinstance(t, tuple) and len(t) == 2 and isinstance(t[0], str) for t in update
    ):
        return list(update)
    pairs = annotated_pairs(update)
    return [("__root__", update)] if pairs is None else pairs


def is_pydantic(value: Any) -> bool:
    """True for an instance or class of a pydantic model; never imports pydantic."""
    pydantic = sys.modules.get("pydantic")
    if pydantic is None or not hasattr(pydantic, "BaseModel"):
        return False
    kind = value if isinstance(value, type) else type(value)
    return issubclass(kind, pydantic.BaseModel)


def annotated_pairs(value: Any) -> list[tuple[str, Any]] | None:
    """The (key, value) writes of a dataclass or pydantic instance; None if it is neither.

    A pydantic field that holds its default None and was not set explicitly is no write.
    """
    if isinstance(value, type):
        return None
    if is_pydantic(value):
        fields: dict[str, Any] = type(value).model_fields
        given: set[str] = value.model_fields_set
        return [
            (name, item)
            for name, info in fields.items()
            if (item := getattr(value, name, None)) is not None
            or info.default is not None
            or name in given
        ]
    if is_dataclass(value):
        return [(name, getattr(value, name)) for name in value.__dataclass_fields__]
    return None


class PregelTask(NamedTuple):
    """One task of a step, as a state snapshot shows it."""

    id: str
    name: str
    path: tuple[Any, ...]
    error: Any = None
    interrupts: tuple[Interrupt, ...] = ()
    state: Any = None
    result: Any = None


class StateSnapshot(NamedTuple):
    """A thread's state at one checkpoint."""

    values: dict[str, Any] | Any
    next: tuple[str, ...]
    config: Any
    metadata: Any
    created_at: str | None
    parent_config: Any
    tasks: tuple[PregelTask, ...]
    interrupts: tuple[Interrupt, ...]


class StateUpdate(NamedTuple):
    """One update of ``bulk_update_state``."""

    values: Any
    as_node: str | None = None
    task_id: str | None = None


@dataclass(slots=True)
class Overwrite:
    """Replace a reduced value instead of folding into it."""

    value: Any
    type: Literal["__overwrite__"] = "__overwrite__"


def default_retry_on(exc: Exception) -> bool:
    """Retry what may pass by itself: lost connections, HTTP 5xx; not mistakes in the program."""
    for module, error in (("httpx", "HTTPStatusError"), ("requests", "HTTPError")):
        kind = getattr(sys.modules.get(module), error, None)
        if kind is not None and isinstance(exc, kind):
            status = getattr(getattr(exc, "response", None), "status_code", None)
            return True if status is None else 500 <= status < 600
    if isinstance(exc, ConnectionError):
        return True
    return not isinstance(
        exc,
        (
            ValueError, TypeError, ArithmeticError, ImportError, LookupError, NameError,
            SyntaxError, RuntimeError, ReferenceError, StopIteration, StopAsyncIteration, OSError,
        ),
    )  # fmt: skip


class RetryPolicy(NamedTuple):
    """When and how often a failed task is tried again. Times in seconds."""

    initial_interval: float = 0.5
    backoff_factor: float = 2.0
    max_interval: float = 128.0
    max_attempts: int = 3
    jitter: bool = True
    retry_on: type[Exception] | Sequence[type[Exception]] | Callable[[Exception], bool] = (
        default_retry_on
    )


def default_cache_key(*args: Any, **kwargs: Any) -> str:
    """A digest of the arguments, the same for equal ones in every process.

    It covers whatever can be stored; lists and tuples count as the same. Raises SerializationError
    for anything else.
    """
    from caesura.checkpoint.serde.canonical import canonical_digest

    try:
        return canonical_digest([args, kwargs])
    except SerializationError as error:
        where = ("args" if error.path.startswith("[0]") else "kwargs") + error.path[3:]
        reason = str(error).partition(" (at ")[0]
        raise SerializationError(
            f"No cache key can be made of {where}: {reason}. It was not run. Give "
            "CachePolicy(key_func=...) a function that makes one, as text, of what counts.",
            where,
        ) from None


@dataclass(kw_only=True, slots=True, frozen=True)
class CachePolicy:
    """Reuse a node's or task's result for equal inputs. ``ttl`` in seconds.

    ``key_func`` gets what the function gets (the node's input, or the task's arguments) and returns
    the key, as text or bytes.
    """

    key_func: Callable[..., str | bytes] = default_cache_key
    ttl: int | None = None


def _positive_seconds(name: str, limit: Any) -> float | None:
    if limit is None:
        return None
    seconds = limit.total_seconds() if isinstance(limit, timedelta) else float(limit)
    if not seconds > 0:
        raise ValueError(f"{name} must be greater than 0")
    return seconds


@dataclass(kw_only=True, slots=True, frozen=True)
class TimeoutPolicy:
    """How long an async task may run. Times in seconds or as ``timedelta``.

    ``run_timeout`` limits an attempt as a whole, ``idle_timeout`` the time without progress.
    ``refresh_on``: "auto" counts stream events, calls of tasks and what nested graphs do as progress;
    "heartbeat" counts ``runtime.heartbeat()`` alone.
    """

    run_timeout: float | timedelta | None = None
    idle_timeout: float | timedelta | None = None
    refresh_on: Literal["auto", "heartbeat"] = "auto"

    @classmethod
    def coerce(cls, value: Any) -> TimeoutPolicy | None:
        """A policy in seconds; a number or ``timedelta`` is a run timeout.

        Raises ValueError for what is not positive, no number, or an unknown ``refresh_on``.
        """
        if value is None:
            return None
        policy = value if isinstance(value, TimeoutPolicy) else cls(run_timeout=value)
        if policy.refresh_on not in ("auto", "heartbeat"):
            raise ValueError("refresh_on must be 'auto' or 'heartbeat'")
        return cls(
            run_timeout=_positive_seconds("run_timeout", policy.run_timeout),
            idle_timeout=_positive_seconds("idle_timeout", policy.idle_timeout),
            refresh_on=policy.refresh_on,
        )


def omit_payload(value: Any) -> Any:
    """A trace processor that drops the payload."""
    return {}


@dataclass(kw_only=True, slots=True, frozen=True)
class TracePolicy:
    """Shapes what traces show of a node; no effect on results."""

    process_inputs: Callable[[Any], Any] | None = None
    process_outputs: Callable[[Any], Any] | None = None


class CacheKey(NamedTuple):
    """Where a cached result lives."""

    ns: tuple[str, ...]
    key: str
    ttl: int | None


@dataclass(slots=True)
class PregelExecutableTask:
    """A task as executors see it."""

    name: str
    input: Any
    id: str
    path: tuple[Any, ...]
    triggers: Sequence[str] = ()
    config: Any = None
    writes: deque[tuple[str, Any]] = field(default_factory=deque)


@dataclass(frozen=True)
class GraphOutput(Generic[OutputT]):
    """What ``invoke(..., version="v2")`` returns."""

    value: OutputT
    interrupts: tuple[Interrupt, ...] = ()

    def __getitem__(self, key: str) -> Any:
        self._warn("result[key]")
        if key == "__interrupt__":
            return self.interrupts
        return self.value[key]  # type: ignore[index]

    def __contains__(self, key: object) -> bool:
        self._warn("key in result")
        if key == "__interrupt__":
            return bool(self.interrupts)
        return isinstance(self.value, dict) and key in self.value

    def _warn(self, form: str) -> None:
        from warnings import warn

        from caesura.warnings import LangGraphDeprecatedSinceV11

        warn(
            f"Accessing GraphOutput via `{form}` is deprecated. Use `result.value` to access the "
            "output value directly, or `result.interrupts` for interrupts.",
            LangGraphDeprecatedSinceV11,
            stacklevel=3,
        )


class TaskPayload(TypedDict, total=False):
    """Payload of a task start event."""

    id: str
    name: str
    input: Any
    triggers: list[str]
    metadata: dict[str, Any]


class TaskResultPayload(TypedDict):
    """Payload of a task end event."""

    id: str
    name: str
    error: Any
    interrupts: list[dict[str, Any]]
    result: dict[str, Any]


class CheckpointTask(TypedDict, total=False):
    """A task inside a checkpoint event."""

    id: str
    name: str
    error: Any
    interrupts: list[dict[str, Any]]
    state: Any
    result: Any


class CheckpointPayload(TypedDict):
    """Payload of a checkpoint event."""

    config: Any
    metadata: Any
    values: Any
    next: list[str]
    parent_config: Any
    tasks: list[CheckpointTask]


class DebugPayload(TypedDict):
    """Payload of a debug event."""

    step: int
    timestamp: str
    type: Literal["checkpoint", "task", "task_result"]
    payload: Any


class _Part(TypedDict):
    ns: tuple[str, ...]


class ValuesStreamPart(_Part):
    """A ``values`` item under ``version="v2"``."""

    type: Literal["values"]
    data: Any
    interrupts: tuple[Interrupt, ...]


class UpdatesStreamPart(_Part):
    """An ``updates`` item under ``version="v2"``."""

    type: Literal["updates"]
    data: dict[str, Any]


class MessagesStreamPart(_Part):
    """A ``messages`` item under ``version="v2"``."""

    type: Literal["messages"]
    data: tuple[Any, dict[str, Any]]


class CustomStreamPart(_Part):
    """A ``custom`` item under ``version="v2"``."""

    type: Literal["custom"]
    data: Any


class CheckpointStreamPart(_Part):
    """A ``checkpoints`` item under ``version="v2"``."""

    type: Literal["checkpoints"]
    data: CheckpointPayload


class TasksStreamPart(_Part):
    """A ``tasks`` item under ``version="v2"``."""

    type: Literal["tasks"]
    data: TaskPayload | TaskResultPayload


class DebugStreamPart(_Part):
    """A ``debug`` item under ``version="v2"``."""

    type: Literal["debug"]
    data: DebugPayload


StreamPart = (
    ValuesStreamPart
    | UpdatesStreamPart
    | MessagesStreamPart
    | CustomStreamPart
    | CheckpointStreamPart
    | TasksStreamPart
    | DebugStreamPart
)


def ensure_valid_checkpointer(checkpointer: Any) -> Any:
    """``checkpointer`` itself. Raises TypeError if it is no saver, bool or None."""
    from caesura.checkpoint.base import BaseCheckpointSaver

    if checkpointer in (None, True, False) or isinstance(checkpointer, BaseCheckpointSaver):
        return checkpointer
    raise TypeError(
        "Invalid checkpointer provided. Expected an instance of `BaseCheckpointSaver`, `True`, "
        f"`False`, or `None`. Received {type(checkpointer).__name__}. Pass a proper saver "
        "(e.g. InMemorySaver, SqliteSaver); if it comes from a context manager "
        "(`with SqliteSaver.from_conn_string(...) as saver`), pass the value it yields."
    )


@final
class _Unset:
    """Marker for an argument that was not given."""


UNSET: Final = _Unset()


def overwrite_of(value: Any) -> tuple[bool, Any]:
    """Whether ``value`` is an overwrite (object or dict form), and what it replaces with."""
    if isinstance(value, Overwrite):
        return True, value.value
    if isinstance(value, dict):
        if len(value) == 1 and "__overwrite__" in value:
            return True, value["__overwrite__"]
        if len(value) == 2 and value.get("type") == "__overwrite__" and "value" in value:
            return True, value["value"]
    return False, None


def iterate_goto(goto: Any) -> Iterable[Any]:
    """The targets of ``Command.goto`` as an iterable. Raises TypeError for other kinds."""
    targets = goto if isinstance(goto, (list, tuple)) else (goto,)
    for target in targets:
        if not isinstance(target, (str, Send)):
            raise TypeError(f"In Command.goto, expected Send/str, got {type(target).__name__}")
    return targets


def interrupt_as_dict(item: Interrupt) -> dict[str, Any]:
    """An interrupt as stream payloads show it."""
    return {"value": item.value, "id": item.id, "response_schema": item.response_schema}


def invalid_command_target() -> InvalidUpdateError:
    """The error of a ``Command(graph=PARENT)`` handed to a root graph."""
    return InvalidUpdateError("There is no parent graph")
