"""What a run offers to the code it runs: context, store, stream writer, execution info."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Protocol, cast, runtime_checkable

from caesura.config import current_scope
from caesura.typing import ContextT


@runtime_checkable
class BaseUser(Protocol):
    """The person or machine on whose behalf a run goes, where a server knows it."""

    @property
    def identity(self) -> str:
        """Stable id of the user."""


def _no_writer(_: Any) -> None:
    """Nobody listens."""


def no_heartbeat() -> None:
    """No timeout is running."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionInfo:
    """Where the running task stands. ``node_attempt`` counts from 1; times are epoch seconds."""

    checkpoint_id: str
    checkpoint_ns: str
    task_id: str
    thread_id: str | None = None
    run_id: str | None = None
    node_attempt: int = 1
    node_first_attempt_time: float | None = None

    def patch(self, **changes: Any) -> ExecutionInfo:
        """A copy with ``changes``."""
        return replace(self, **changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerInfo:
    """Which assistant a server runs, and for whom."""

    assistant_id: str
    graph_id: str
    user: BaseUser | None = None


class RunControl:
    """Handed to a run as ``control=``; lets another thread ask it to stop after its step."""

    __slots__ = ("_reason",)

    def __init__(self) -> None:
        self._reason: str | None = None

    def request_drain(self, reason: str = "shutdown") -> None:
        """Ask the run to stop once its current step is saved."""
        self._reason = reason

    @property
    def drain_requested(self) -> bool:
        """True once a drain was asked for."""
        return self._reason is not None

    @property
    def drain_reason(self) -> str | None:
        """Why, if a drain was asked for."""
        return self._reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime(Generic[ContextT]):
    """Injected into nodes and tasks that take a parameter ``runtime``."""

    context: ContextT = field(default=cast(ContextT, None))
    store: Any = None
    stream_writer: Callable[[Any], None] = _no_writer
    heartbeat: Callable[[], None] = no_heartbeat
    previous: Any = None
    execution_info: ExecutionInfo | None = None
    server_info: ServerInfo | None = None
    control: RunControl | None = None

    def merge(self, other: Runtime[ContextT]) -> Runtime[ContextT]:
        """A copy in which what ``other`` has set wins."""
        return Runtime(
            context=other.context or self.context,
            store=other.store or self.store,
            stream_writer=self.stream_writer
            if other.stream_writer is _no_writer
            else other.stream_writer,
            heartbeat=self.heartbeat if other.heartbeat is no_heartbeat else other.heartbeat,
            previous=self.previous if other.previous is None else other.previous,
            execution_info=other.execution_info or self.execution_info,
            server_info=other.server_info or self.server_info,
            control=other.control or self.control,
        )

    def override(self, **changes: Any) -> Runtime[ContextT]:
        """A copy with ``changes``."""
        return replace(self, **changes)

    def patch_execution_info(self, **changes: Any) -> Runtime[ContextT]:
        """A copy whose execution info has ``changes``. Raises ``RuntimeError`` if there is none."""
        if self.execution_info is None:
            raise RuntimeError("Cannot patch execution_info before it has been set")
        return replace(self, execution_info=self.execution_info.patch(**changes))

    @property
    def drain_requested(self) -> bool:
        """True once a drain of this run was asked for."""
        return self.control is not None and self.control.drain_requested

    @property
    def drain_reason(self) -> str | None:
        """Why, if a drain was asked for."""
        return None if self.control is None else self.control.drain_reason


DEFAULT_RUNTIME: Runtime[Any] = Runtime()
"""What there is before anything is known of a run."""


def get_runtime(context_schema: type[ContextT] | None = None) -> Runtime[ContextT]:
    """The runtime of the running task. Raises ``RuntimeError`` outside a run."""
    return current_scope().runtime()
