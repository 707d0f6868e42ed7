"""The transformers of v3 streams: those that every run has, and one for each further stream mode."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, Literal, NotRequired, TypeAlias, TypedDict

from caesura.errors import GraphBubbleUp, GraphDrained
from caesura.messages import is_message
from caesura.stream._messages import kind_of, whole_message
from caesura.stream._types import ProtocolEvent, StreamTransformer
from caesura.stream.chat_model_stream import AsyncChatModelStream, ChatModelStream, Telling
from caesura.stream.run_stream import AsyncSubgraphRunStream, SubgraphRunStream
from caesura.stream.stream_channel import StreamChannel
from caesura.streaming.lives import Lives, part_of, status_of

SubgraphStatus: TypeAlias = Literal["started", "completed", "failed", "interrupted", "drained"]
"""How a nested graph stands."""

_Handle: TypeAlias = SubgraphRunStream | AsyncSubgraphRunStream


class LifecyclePayload(TypedDict):
    """A nested graph has begun or ended."""

    event: SubgraphStatus
    namespace: list[str]
    graph_name: NotRequired[str]
    trigger_call_id: NotRequired[str]
    """The task that runs it."""
    cause: NotRequired[dict[str, Any]]
    error: NotRequired[str]


# --- a channel for each stream mode -----------------------------------------------------------


class _ModeTransformer(StreamTransformer):
    """The events of one stream mode, of its own graph only."""

    _native: ClassVar[bool] = True
    _mode: ClassVar[str]

    def __init__(self, scope: tuple[str, ...] = ()) -> None:
        super().__init__(scope)
        self._log: StreamChannel[Any] = StreamChannel()
        self._scope_list = list(scope)

    def init(self) -> dict[str, Any]:
        return {self._mode: self._log}

    def process(self, event: ProtocolEvent) -> bool:
        if event["method"] == self._mode and event["params"]["namespace"] == self._scope_list:
            self._log.push(event["params"]["data"])
        return True


class ValuesTransformer(_ModeTransformer):
    """``run.values``: the state after each step."""

    required_stream_modes = ("values",)
    _mode = "values"


class UpdatesTransformer(_ModeTransformer):
    """``run.updates``: what each task wrote."""

    required_stream_modes = ("updates",)
    _mode = "updates"


class CustomTransformer(_ModeTransformer):
    """``run.custom``: what nodes wrote themselves."""

    required_stream_modes = ("custom",)
    _mode = "custom"


class CheckpointsTransformer(_ModeTransformer):
    """``run.checkpoints``: each saved step."""

    required_stream_modes = ("checkpoints",)
    _mode = "checkpoints"


class DebugTransformer(_ModeTransformer):
    """``run.debug``: tasks and checkpoints in one form."""

    required_stream_modes = ("debug",)
    _mode = "debug"


class TasksTransformer(_ModeTransformer):
    """``run.tasks``: starts and ends of tasks."""

    required_stream_modes = ("tasks",)
    _mode = "tasks"


# --- messages ---------------------------------------------------------------------------------


class MessagesTransformer(StreamTransformer):
    """``run.messages``: a stream for each message that a node of its graph writes or a model answers."""

    required_stream_modes = ("messages",)
    _native: ClassVar[bool] = True

    def __init__(self, scope: tuple[str, ...] = ()) -> None:
        super().__init__(scope)
        self._log: StreamChannel[ChatModelStream | AsyncChatModelStream] = StreamChannel()
        self._open: dict[str, ChatModelStream | AsyncChatModelStream] = {}
        self._is_async = False
        self._pump_fn: Callable[[], bool] | None = None
        self._apump_fn: Callable[[], Awaitable[bool]] | None = None

    def init(self) -> dict[str, Any]:
        return {"messages": self._log}

    def process(self, event: ProtocolEvent) -> bool:
        params = event["params"]
        if event["method"] == "messages" and params["namespace"] == list(self.scope):
            payload, metadata = params["data"]
            node = metadata.get("langgraph_node")
            if is_message(payload):
                self._take_whole(payload, node)
            elif isinstance(payload, dict) and "event" in payload:
                self._take_event(payload, str(metadata.get("run_id")), node)
        return True

    def finalize(self) -> None:
        self._open.clear()

    def fail(self, err: BaseException) -> None:
        for stream in self._open.values():
            stream.fail(err)
        self._open.clear()

    def _take_whole(self, message: Any, node: str | None) -> None:
        stream = self._make_stream(node, message.id, kind_of(message))
        for event in whole_message(message):
            stream.dispatch(event)
        self._log.push(stream)

    def _take_event(self, event: dict[str, Any], run_id: str, node: str | None) -> None:
        stream = self._open.get(run_id)
        if stream is None:
            if event["event"] != "message-start":
                return
            stream = self._make_stream(node, event.get("id"), str(event.get("role", "ai")))
            self._open[run_id] = stream
            stream.dispatch(event)
            self._log.push(stream)
            return
        stream.dispatch(event)
        if stream.done:
            del self._open[run_id]

    def _make_stream(
        self, node: str | None, message_id: str | None, kind: str
    ) -> ChatModelStream | AsyncChatModelStream:
        telling = Telling(namespace=[], node=node, message_id=message_id, kind=kind)
        if self._is_async:
            return AsyncChatModelStream(telling, self._apump_fn)
        return ChatModelStream(telling, self._pump_fn)

    def _on_register(self, mux: Any) -> None:
        self._is_async = mux.is_async

    def _bind_pump(self, fn: Callable[[], bool]) -> None:
        self._pump_fn = fn

    def _bind_apump(self, fn: Callable[[], Awaitable[bool]]) -> None:
        self._apump_fn = fn


# --- nested graphs ----------------------------------------------------------------------------


class _TasksLifecycleBase(StreamTransformer):
    """Sees nested graphs begin and end, and calls `_on_started` and `_on_terminal` for those that
    `_should_track` takes."""

    required_stream_modes = ("tasks",)

    def __init__(self, scope: tuple[str, ...] = ()) -> None:
        super().__init__(scope)
        self._lives = Lives()

    def process(self, event: ProtocolEvent) -> bool:
        if event["method"] != "tasks":
            return True
        for ns, status, error in self._take_task(event):
            self._on_terminal(ns, status, error)
        return False

    def finalize(self) -> None:
        for ns in self._lives.end_all():
            self._on_terminal(ns, "completed", None)

    def fail(self, err: BaseException) -> None:
        status, error = _status_from_exception(err)
        for ns in self._lives.end_all():
            self._on_terminal(ns, status, error)

    def _take_task(
        self, event: ProtocolEvent
    ) -> list[tuple[tuple[str, ...], SubgraphStatus, str | None]]:
        """Note what a task says; returns the graphs that ended with it."""
        ns, data = tuple(event["params"]["namespace"]), event["params"]["data"]
        if "result" in data:
            return self._pop_terminal_transitions(ns, data)
        self._handle_task_start(ns, data)
        return []

    def _handle_task_start(self, ns: tuple[str, ...], data: dict[str, Any]) -> None:
        if not self._should_track(ns) or not ns:
            return
        node, task = part_of(ns[-1])
        if task is not None and self._lives.begin(ns):
            name = (data.get("metadata") or {}).get("lc_agent_name") or node
            self._on_started(ns, name, task)

    def _pop_terminal_transitions(
        self, ns: tuple[str, ...], data: dict[str, Any]
    ) -> list[tuple[tuple[str, ...], SubgraphStatus, str | None]]:
        child = self._lives.end_of(ns, data)
        return [] if child is None else [(child, *_terminal_from_result(data))]

    def _should_track(self, ns: tuple[str, ...]) -> bool:
        raise NotImplementedError

    def _on_started(
        self, ns: tuple[str, ...], graph_name: str | None, trigger_call_id: str | None
    ) -> None:
        """The nested graph ``ns`` has begun."""

    def _on_terminal(self, ns: tuple[str, ...], status: SubgraphStatus, error: str | None) -> None:
        """The nested graph ``ns`` has ended."""


class LifecycleTransformer(_TasksLifecycleBase):
    """``run.lifecycle``: beginnings and ends of all graphs nested in its own, at any depth."""

    _native: ClassVar[bool] = True

    def __init__(self, scope: tuple[str, ...] = ()) -> None:
        super().__init__(scope)
        self._log: StreamChannel[LifecyclePayload] = StreamChannel("lifecycle")

    def init(self) -> dict[str, Any]:
        return {"lifecycle": self._log}

    def _should_track(self, ns: tuple[str, ...]) -> bool:
        return len(ns) > len(self.scope) and ns[: len(self.scope)] == self.scope

    def _on_started(
        self, ns: tuple[str, ...], graph_name: str | None, trigger_call_id: str | None
    ) -> None:
        told: LifecyclePayload = {"event": "started", "namespace": list(ns)}
        if graph_name is not None:
            told["graph_name"] = graph_name
        if trigger_call_id is not None:
            told["trigger_call_id"] = trigger_call_id
        self._log.push(told)

    def _on_terminal(self, ns: tuple[str, ...], status: SubgraphStatus, error: str | None) -> None:
        told: LifecyclePayload = {"event": status, "namespace": list(ns)}
        if error is not None:
            told["error"] = error
        self._log.push(told)


class SubgraphTransformer(_TasksLifecycleBase):
    """``run.subgraphs``: a run stream for each graph nested directly in its own.

    It hands events from inside a nested graph on to the mux of that graph.
    """

    _native: ClassVar[bool] = True
    supports_sync = True

    def __init__(self, scope: tuple[str, ...] = ()) -> None:
        super().__init__(scope)
        self._log: StreamChannel[_Handle] = StreamChannel()
        self._handles: dict[tuple[str, ...], _Handle] = {}
        self._mux: Any = None

    def init(self) -> dict[str, Any]:
        return {"subgraphs": self._log}

    def process(self, event: ProtocolEvent) -> bool:
        ended = self._take_task(event) if event["method"] == "tasks" else []
        handle = self._handle_for_event(event)
        if handle is not None:
            handle._observe_event(event)
            handle._mux.push(event)
        for ns, status, error in ended:
            self._on_terminal(ns, status, error)
        return event["method"] != "tasks"

    async def aprocess(self, event: ProtocolEvent) -> bool:
        ended = self._take_task(event) if event["method"] == "tasks" else []
        handle = self._handle_for_event(event)
        if handle is not None:
            handle._observe_event(event)
            await handle._mux.apush(event)
        for ns, status, error in ended:
            await self._aon_terminal(ns, status, error)
        return event["method"] != "tasks"

    async def afinalize(self) -> None:
        for ns in self._lives.end_all():
            await self._aon_terminal(ns, "completed", None)

    async def afail(self, err: BaseException) -> None:
        status, error = _status_from_exception(err)
        for ns in self._lives.end_all():
            await self._aon_terminal(ns, status, error)

    def _on_register(self, mux: Any) -> None:
        self._mux = mux

    def _should_track(self, ns: tuple[str, ...]) -> bool:
        return len(ns) == len(self.scope) + 1 and ns[:-1] == self.scope

    def _on_started(
        self, ns: tuple[str, ...], graph_name: str | None, trigger_call_id: str | None
    ) -> None:
        kind: Any = AsyncSubgraphRunStream if self._mux.is_async else SubgraphRunStream
        handle: _Handle = kind(
            self._mux._make_child(ns),
            path=ns,
            graph_name=graph_name,
            trigger_call_id=trigger_call_id,
        )
        self._handles[ns] = handle
        self._log.push(handle)

    def _on_terminal(self, ns: tuple[str, ...], status: SubgraphStatus, error: str | None) -> None:
        handle = self._handles[ns]
        if not self._mark_terminal(handle, status, error):
            return
        if handle._error is not None:
            handle._mux.fail(handle._error)
        else:
            handle._mux.close()

    async def _aon_terminal(
        self, ns: tuple[str, ...], status: SubgraphStatus, error: str | None
    ) -> None:
        handle = self._handles[ns]
        if not self._mark_terminal(handle, status, error):
            return
        if handle._error is not None:
            await handle._mux.afail(handle._error)
        else:
            await handle._mux.aclose()

    def _mark_terminal(self, handle: _Handle, status: SubgraphStatus, error: str | None) -> bool:
        """Note how a nested graph ended; false if that is known."""
        if handle._seen_terminal:
            return False
        handle.status, handle.error, handle._seen_terminal = status, error, True
        if status == "failed":
            handle._error = RuntimeError(error)
        handle._exhausted = True
        return True

    def _handle_for_event(self, event: ProtocolEvent) -> _Handle | None:
        """The nested graph that ``event`` comes from the inside of, if it has begun and not ended."""
        ns = tuple(event["params"]["namespace"])
        handle = self._handles.get(ns[: len(self.scope) + 1])
        return None if handle is None or handle._exhausted else handle


def _status_from_exception(err: BaseException) -> tuple[SubgraphStatus, str | None]:
    """How the exception that ended a run ended the graphs that were open."""
    if isinstance(err, GraphDrained):
        return "drained", None
    if isinstance(err, GraphBubbleUp):
        return "interrupted", None
    return "failed", str(err)


def _terminal_from_result(payload: dict[str, Any]) -> tuple[SubgraphStatus, str | None]:
    """How the result of a task ended the graph in it."""
    return status_of(payload)


def _parse_ns_segment(segment: str) -> tuple[str, str | None]:
    """Node and task in one part of a namespace."""
    return part_of(segment)
