"""What the server sends and takes, as types. At run time they are plain dicts; nothing is checked.

Times are ISO-8601 texts in UTC. Fields that a server may leave out are `NotRequired`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple, NotRequired, TypedDict

Json = dict[str, Any] | None
All = Literal["*"]
RunStatus = Literal["pending", "running", "error", "success", "timeout", "interrupted"]
ThreadStatus = Literal["idle", "busy", "interrupted", "error"]
InterruptStatus = Literal["open", "answered", "withdrawn", "superseded"]
ThreadStreamMode = Literal["run_modes", "lifecycle", "state_update"]
StreamMode = Literal[
    "values", "messages", "updates", "events", "tasks", "checkpoints", "debug", "custom",
    "messages-tuple", "tools", "lifecycle",
]  # fmt: skip
DisconnectMode = Literal["cancel", "continue"]
MultitaskStrategy = Literal["reject", "interrupt", "rollback", "enqueue"]
OnConflictBehavior = Literal["raise", "do_nothing"]
OnCompletionBehavior = Literal["delete", "keep"]
Durability = Literal["sync", "async", "exit"]
IfNotExists = Literal["create", "reject"]
PruneStrategy = Literal["delete", "keep_latest"]
CancelAction = Literal["interrupt", "rollback"]
BulkCancelRunsStatus = Literal["pending", "running", "all"]
SortOrder = Literal["asc", "desc"]
AssistantSortBy = Literal["assistant_id", "graph_id", "name", "created_at", "updated_at"]
ThreadSortBy = Literal["thread_id", "status", "created_at", "updated_at", "state_updated_at"]
CronSortBy = Literal[
    "cron_id", "assistant_id", "thread_id", "created_at", "updated_at", "next_run_date", "end_time"
]
Headers = Mapping[str, str] | None
Params = Mapping[str, Any] | None


class Config(TypedDict, total=False):
    """Configuration of a run."""

    tags: list[str]
    recursion_limit: int
    configurable: dict[str, Any]
    metadata: dict[str, Any]


class Checkpoint(TypedDict):
    """The address of a checkpoint."""

    thread_id: NotRequired[str]
    checkpoint_ns: NotRequired[str]
    checkpoint_id: NotRequired[str | None]
    checkpoint_map: NotRequired[dict[str, Any] | None]


class GraphSchema(TypedDict):
    """JSON Schemas of a graph; None where it has none."""

    graph_id: NotRequired[str]
    input_schema: dict[str, Any] | None
    output_schema: dict[str, Any] | None
    state_schema: dict[str, Any] | None
    config_schema: dict[str, Any] | None
    context_schema: NotRequired[dict[str, Any] | None]


Subgraphs = dict[str, GraphSchema]


class AssistantVersion(TypedDict):
    """One version of an assistant."""

    assistant_id: str
    graph_id: str
    config: Config
    context: dict[str, Any]
    created_at: str
    metadata: dict[str, Any]
    version: int
    name: str
    description: str | None


class Assistant(AssistantVersion):
    """A graph with its settings."""

    updated_at: str


class AssistantsSearchResponse(TypedDict):
    """A page of assistants; ``next`` is the offset of the next one."""

    assistants: list[Assistant]
    next: str | None


class Interrupt(TypedDict):
    """An open question, as threads and outputs show it."""

    id: str
    value: Any
    response_schema: NotRequired[dict[str, Any] | None]
    title: NotRequired[str | None]


class Thread(TypedDict):
    """A conversation with a program."""

    thread_id: str
    created_at: str
    updated_at: str
    state_updated_at: NotRequired[str]
    metadata: dict[str, Any]
    status: ThreadStatus
    config: NotRequired[Config]
    values: NotRequired[Any]
    interrupts: NotRequired[dict[str, list[Interrupt]]]
    error: NotRequired[Any]
    extracted: NotRequired[dict[str, Any]]
    ttl: NotRequired[Any]


class ThreadTask(TypedDict):
    """One task of a step."""

    id: str
    name: str
    path: NotRequired[list[Any]]
    error: str | None
    interrupts: list[Interrupt]
    checkpoint: Checkpoint | None
    state: ThreadState | None
    result: NotRequired[Any]


class ThreadState(TypedDict):
    """A thread at one checkpoint."""

    values: Any
    next: list[str]
    tasks: list[ThreadTask]
    metadata: Json
    created_at: str | None
    checkpoint: Checkpoint | None
    parent_checkpoint: Checkpoint | None
    interrupts: list[Interrupt]


class ThreadUpdateStateResponse(TypedDict):
    """The checkpoint that an update made."""

    checkpoint: Checkpoint


class Run(TypedDict):
    """One invocation on a thread."""

    run_id: str
    thread_id: str
    assistant_id: str
    created_at: str
    updated_at: str
    status: RunStatus
    metadata: dict[str, Any]
    kwargs: NotRequired[dict[str, Any]]
    multitask_strategy: MultitaskStrategy


class RunCreateMetadata(TypedDict):
    """What is known of a run as soon as the server has accepted it."""

    run_id: str
    thread_id: str | None


class Send(TypedDict):
    """A node to run with an input of its own."""

    node: str
    input: Any


class Command(TypedDict, total=False):
    """Where to go on, what to change, what was answered."""

    goto: Send | str | Sequence[Send | str]
    update: dict[str, Any] | Sequence[tuple[str, Any]]
    resume: Any


class RunSettings(TypedDict, total=False):
    """What every way to start a run takes."""

    input: Any
    """The input; or None to go on where the thread stands."""
    metadata: Mapping[str, Any] | None
    config: Config | None
    context: Any
    checkpoint_during: bool | None
    """Deprecated: use ``durability``."""
    interrupt_before: All | Sequence[str] | None
    interrupt_after: All | Sequence[str] | None
    webhook: str | None
    multitask_strategy: MultitaskStrategy | None
    durability: Durability | None
    headers: Headers
    params: Params


class RunOptions(RunSettings, total=False):
    """What `create`, `wait` and `stream` take."""

    command: Command | None
    """Used instead of ``input``: answers, an update, where to go on."""
    checkpoint: Checkpoint | None
    checkpoint_id: str | None
    if_not_exists: IfNotExists | None
    on_completion: OnCompletionBehavior | None
    after_seconds: float | None
    langsmith_tracing: Mapping[str, str] | None
    strict_resume: bool | None
    """An answer that names nothing that waits is refused (this server always refuses it)."""
    on_run_created: Callable[[RunCreateMetadata], None] | None
    """Called once, when the server has accepted the run."""


class CreateOptions(RunOptions, total=False):
    """What `create` takes beside."""

    stream_mode: StreamMode | Sequence[StreamMode]
    stream_subgraphs: bool
    stream_resumable: bool


class WaitOptions(RunOptions, total=False):
    """What `wait` takes beside."""

    on_disconnect: DisconnectMode | None
    raise_error: bool
    """False: a failed run returns ``{"__error__": {"error", "message"}}`` instead of raising."""


class StreamOptions(CreateOptions, total=False):
    """What `stream` takes beside."""

    feedback_keys: Sequence[str] | None
    on_disconnect: DisconnectMode | None


class RunCreate(TypedDict, total=False):
    """One run of a batch, as the server takes it."""

    assistant_id: str
    input: Any
    command: Command | None
    metadata: dict[str, Any] | None
    config: Config | None
    context: Any
    interrupt_before: All | list[str] | None
    interrupt_after: All | list[str] | None
    webhook: str | None
    on_completion: OnCompletionBehavior | None
    after_seconds: float | None


class CronSettings(RunSettings, total=False):
    """What crons take beside a run's settings."""

    end_time: datetime | None
    enabled: bool | None
    timezone: Any
    """An IANA name, or a ``tzinfo`` that has one."""
    stream_mode: StreamMode | Sequence[StreamMode] | None
    stream_subgraphs: bool | None
    stream_resumable: bool | None


class CronOptions(CronSettings, total=False):
    """What `crons.create` takes beside."""

    on_run_completed: OnCompletionBehavior | None


class CronChanges(CronOptions, total=False):
    """What `crons.update` can change. ``end_time=None`` clears it."""

    schedule: str | None


class Cron(TypedDict):
    """A run that starts on a schedule."""

    cron_id: str
    assistant_id: str
    thread_id: str | None
    on_run_completed: NotRequired[OnCompletionBehavior | None]
    end_time: str | None
    schedule: str
    timezone: str | None
    created_at: str
    updated_at: str
    payload: dict[str, Any]
    user_id: str | None
    next_run_date: str | None
    metadata: dict[str, Any]
    enabled: bool


class Item(TypedDict):
    """A value of the store."""

    namespace: list[str]
    key: str
    value: dict[str, Any]
    created_at: str
    updated_at: str


class SearchItem(Item):
    """A value that a search found; ``score`` is None without an index."""

    score: NotRequired[float | None]


class SearchItemsResponse(TypedDict):
    """What a search of the store found."""

    items: list[SearchItem]


class ListNamespaceResponse(TypedDict):
    """Namespaces of the store."""

    namespaces: list[list[str]]


class InterruptRecord(TypedDict):
    """A question to a person, as the server keeps it, whatever became of it."""

    id: str
    thread_id: str
    graph_id: str | None
    status: InterruptStatus
    value: Any
    title: str | None
    key: str | None
    node: str
    namespace: str
    digest: str
    response_schema: Any
    asked_at: str
    answer: Any
    answered_at: str | None
    answered_by: str | None
    reason: str | None
    superseded_by: str | None
    closed_at: str | None


class InterruptFilter(TypedDict, total=False):
    """Which interrupts to list, and how."""

    status: str | Sequence[str]
    """One or more of `InterruptStatus`, or "all"."""
    thread_id: str
    graph_id: str
    assignee: str
    group: str
    mine: bool
    unclaimed: bool
    due_before: str
    created_after: str
    priority_min: int
    q: str
    sort: str
    limit: int
    cursor: str
    headers: Headers
    params: Params


class AnswerItem(TypedDict):
    """One answer of a batch."""

    interrupt_id: str
    answer: Any
    thread_id: NotRequired[str]
    decision: NotRequired[str]
    reason: NotRequired[str]


class Answered(TypedDict):
    """An accepted answer: the interrupt as it is now, and the run that carries the answer on."""

    interrupt: InterruptRecord
    run_id: str
    thread_id: str


class StreamPart(NamedTuple):
    """One event of a stream. ``id`` is what ``last_event_id`` takes; None if it cannot be resumed."""

    event: str
    data: Any
    id: str | None = None


class StreamPartV2(TypedDict):
    """One event under ``version="v2"``: ``type`` is the stream mode, ``ns`` where it happened."""

    type: str
    ns: list[str]
    data: Any
    interrupts: NotRequired[list[Interrupt]]
