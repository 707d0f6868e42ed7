"""What goes over the wire: the bodies and queries of requests, and the forms of responses.

Requests are checked against these classes; unknown fields are ignored, and null counts as absent where
None is allowed. Responses are made as plain dicts by ``caesura.server.views``; their classes stand here
for the OpenAPI description alone; a field with the default UNSET may be missing, as ``select`` leaves it
out. Field names are the LangGraph API's.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

Id = Annotated[str, Meta(max_length=64)]
Limit = Annotated[int, Meta(ge=1, le=1000)]
Offset = Annotated[int, Meta(ge=0, le=2**62)]
Object = dict[str, Any]
Order = Literal["asc", "desc"]
StreamMode = Literal[
    "values", "messages", "messages-tuple", "updates", "events", "tasks", "checkpoints", "debug",
    "custom",
]  # fmt: skip
RunStatus = Literal["pending", "running", "success", "error", "timeout", "interrupted"]
ThreadStatus = Literal["idle", "busy", "interrupted", "error"]
Minutes = Annotated[float, Meta(ge=0, le=5_000_000_000)]


# --- assistants --------------------------------------------------------------------------------


class AssistantCreate(Struct):
    graph_id: str
    assistant_id: Id | None = None
    config: Object | None = None
    context: Object | None = None
    metadata: Object | None = None
    if_exists: Literal["raise", "do_nothing"] | None = None
    name: str | None = None
    description: str | None = None


class AssistantPatch(Struct):
    graph_id: str | None = None
    config: Object | None = None
    context: Object | None = None
    metadata: Object | None = None
    name: str | None = None
    description: str | None = None


AssistantField = Literal[
    "assistant_id", "graph_id", "name", "description", "config", "context", "created_at",
    "updated_at", "metadata", "version",
]  # fmt: skip


class AssistantSearch(Struct):
    metadata: Object | None = None
    graph_id: str | None = None
    name: str | None = None
    limit: Limit | None = None
    offset: Offset | None = None
    sort_by: Literal["assistant_id", "created_at", "updated_at", "name", "graph_id"] | None = None
    sort_order: Order | None = None
    select: list[AssistantField] | None = None


class AssistantCount(Struct):
    metadata: Object | None = None
    graph_id: str | None = None
    name: str | None = None


class VersionsSearch(Struct):
    metadata: Object | None = None
    limit: Limit | None = None
    offset: Offset | None = None


class VersionChoice(Struct):
    version: int


class GraphQuery(Struct):
    xray: str | None = None


class SubgraphsQuery(Struct):
    recurse: bool = False


class DeleteAssistantQuery(Struct):
    delete_threads: bool = False


class Assistant(Struct):
    assistant_id: str | UnsetType = UNSET
    graph_id: str | UnsetType = UNSET
    config: Object | UnsetType = UNSET
    context: Object | UnsetType = UNSET
    metadata: Object | UnsetType = UNSET
    name: str | UnsetType = UNSET
    created_at: str | UnsetType = UNSET
    updated_at: str | UnsetType = UNSET
    version: int | UnsetType = UNSET
    description: str | None = None


class AssistantVersion(Struct):
    assistant_id: str
    graph_id: str
    config: Object
    context: Object
    metadata: Object
    name: str
    created_at: str
    version: int
    description: str | None = None


class GraphSchemas(Struct):
    graph_id: str
    input_schema: Object | None
    output_schema: Object | None
    state_schema: Object | None
    config_schema: Object | None
    context_schema: Object | None


class Drawing(Struct):
    nodes: list[Object]
    edges: list[Object]


# --- threads -----------------------------------------------------------------------------------


class TtlConfig(Struct):
    ttl: Minutes
    strategy: Literal["delete", "keep_latest"] | None = None


class StateUpdateItem(Struct):
    as_node: str
    values: Any = None
    command: Object | None = None


class Superstep(Struct):
    updates: list[StateUpdateItem]


class ThreadCreate(Struct):
    thread_id: Id | None = None
    metadata: Object | None = None
    if_exists: Literal["raise", "do_nothing"] | None = None
    ttl: TtlConfig | None = None
    supersteps: list[Superstep] | None = None


class ThreadPatch(Struct):
    metadata: Object | None = None
    ttl: TtlConfig | None = None


ThreadField = Literal[
    "thread_id", "created_at", "updated_at", "state_updated_at", "metadata", "config", "context",
    "status", "values", "interrupts", "error",
]  # fmt: skip


class ThreadSearch(Struct):
    ids: list[Id] | None = None
    metadata: Object | None = None
    values: Object | None = None
    status: ThreadStatus | None = None
    limit: Limit | None = None
    offset: Offset | None = None
    sort_by: (
        Literal["thread_id", "status", "created_at", "updated_at", "state_updated_at"] | None
    ) = None
    sort_order: Order | None = None
    select: list[ThreadField] | None = None
    extract: Annotated[dict[str, str], Meta(max_length=10)] | None = None


class ThreadCount(Struct):
    metadata: Object | None = None
    values: Object | None = None
    status: ThreadStatus | None = None


class ThreadPrune(Struct):
    thread_ids: Annotated[list[Id], Meta(max_length=1000)]
    strategy: Literal["delete", "keep_latest"] | None = None


class Pruned(Struct):
    pruned_count: int


class ThreadQuery(Struct):
    include: list[str] | None = None


class CheckpointConfig(Struct):
    thread_id: str | None = None
    checkpoint_ns: str | None = None
    checkpoint_id: str | None = None
    checkpoint_map: Object | None = None


class StateQuery(Struct):
    subgraphs: bool = False
    select: list[str] | None = None


class StateAtCheckpoint(Struct):
    checkpoint: CheckpointConfig
    subgraphs: bool | None = None
    select: list[str] | None = None


class StateWrite(Struct):
    values: Object | list[Any] | None = None
    as_node: str | None = None
    checkpoint: CheckpointConfig | None = None
    checkpoint_id: str | None = None


class StateMetadataPatch(Struct):
    metadata: Object | None = None
    checkpoint: CheckpointConfig | None = None


class HistorySearch(Struct):
    limit: Limit | None = None
    before: Any = None
    metadata: Object | None = None
    checkpoint: CheckpointConfig | None = None
    select: list[str] | None = None


class HistoryQuery(Struct):
    limit: Limit = 10
    before: str | None = None


class Thread(Struct):
    thread_id: str | UnsetType = UNSET
    created_at: str | UnsetType = UNSET
    updated_at: str | UnsetType = UNSET
    state_updated_at: str | UnsetType = UNSET
    metadata: Object | UnsetType = UNSET
    status: ThreadStatus | UnsetType = UNSET
    config: Object | UnsetType = UNSET
    values: Any = None
    error: Any = None
    interrupts: Object | UnsetType = UNSET
    ttl: Object | UnsetType = UNSET


class Checkpoint(Struct):
    thread_id: str
    checkpoint_ns: str
    checkpoint_id: str | None = None
    checkpoint_map: Object | UnsetType = UNSET


class ThreadState(Struct):
    values: Any | UnsetType = UNSET
    next: list[str] | UnsetType = UNSET
    tasks: list[Object] | UnsetType = UNSET
    metadata: Object | UnsetType | None = UNSET
    created_at: str | UnsetType | None = UNSET
    checkpoint: Checkpoint | UnsetType | None = UNSET
    parent_checkpoint: Checkpoint | UnsetType | None = UNSET
    interrupts: list[Object] | UnsetType = UNSET
    checkpoint_id: str | UnsetType | None = UNSET
    parent_checkpoint_id: str | UnsetType | None = UNSET


class StateWritten(Struct):
    checkpoint: Checkpoint
    configurable: Object
    checkpoint_id: str


class Storage(Struct):
    thread_id: str
    total_bytes: int
    checkpoints: Object
    channel_values: Object
    pending_writes: Object


# --- runs --------------------------------------------------------------------------------------


class SendBody(Struct):
    node: str
    input: Any = None


class CommandBody(Struct):
    resume: Any = UNSET
    update: Object | list[Any] | UnsetType | None = UNSET
    goto: str | SendBody | list[str | SendBody] | UnsetType | None = UNSET


class RunBody(Struct, kw_only=True):
    """What every way of starting a run takes."""

    assistant_id: str
    input: Any = None
    command: CommandBody | None = None
    config: Object | None = None
    context: Object | None = None
    metadata: Object | None = None
    stream_mode: StreamMode | list[StreamMode] | None = None
    stream_subgraphs: bool | None = None
    stream_resumable: bool | None = None
    interrupt_before: Literal["*"] | list[str] | None = None
    interrupt_after: Literal["*"] | list[str] | None = None
    checkpoint: CheckpointConfig | None = None
    checkpoint_id: str | None = None
    checkpoint_during: bool | None = None
    durability: Literal["sync", "async", "exit"] | None = None
    after_seconds: Annotated[float, Meta(ge=0, le=10**10)] | None = None
    webhook: Annotated[str, Meta(min_length=1, max_length=65536)] | None = None
    feedback_keys: list[str] | None = None
    on_disconnect: Literal["cancel", "continue"] | None = None
    strict_resume: bool | None = None
    langsmith_tracer: Object | None = None


class RunCreate(RunBody, kw_only=True):
    multitask_strategy: Literal["reject", "rollback", "interrupt", "enqueue"] | None = None
    if_not_exists: Literal["create", "reject"] | None = None


class RunCreateStateless(RunBody, kw_only=True):
    on_completion: Literal["delete", "keep"] | None = None


RunField = Literal[
    "run_id", "thread_id", "assistant_id", "created_at", "updated_at", "status", "metadata",
    "kwargs", "multitask_strategy",
]  # fmt: skip


class RunListQuery(Struct):
    limit: Limit = 10
    offset: Offset = 0
    status: RunStatus | None = None
    select: list[RunField] | None = None


class JoinQuery(Struct):
    cancel_on_disconnect: bool = False


class JoinStreamQuery(Struct):
    cancel_on_disconnect: bool = False
    stream_mode: list[str] | None = None


class CancelQuery(Struct):
    wait: bool = False
    action: Literal["interrupt", "rollback"] = "interrupt"
    reason: str | None = None


class CancelManyQuery(Struct):
    action: Literal["interrupt", "rollback"] = "interrupt"


class CancelMany(Struct):
    status: Literal["pending", "running", "all"] | None = None
    thread_id: Id | None = None
    run_ids: list[Id] | None = None


class ThreadStreamQuery(Struct):
    stream_mode: list[str] | None = None
    stream_modes: list[str] | None = None


class Run(Struct):
    run_id: str | UnsetType = UNSET
    thread_id: str | UnsetType = UNSET
    assistant_id: str | UnsetType = UNSET
    created_at: str | UnsetType = UNSET
    updated_at: str | UnsetType = UNSET
    status: RunStatus | UnsetType = UNSET
    metadata: Object | UnsetType = UNSET
    kwargs: Object | UnsetType = UNSET
    multitask_strategy: str | UnsetType = UNSET
    langsmith_session_name: str | None = None


# --- crons -------------------------------------------------------------------------------------


class CronBody(Struct, kw_only=True):
    assistant_id: str
    schedule: Annotated[str, Meta(min_length=1, max_length=200)]
    timezone: str | None = None
    end_time: str | None = None
    input: Any = None
    metadata: Object | None = None
    config: Object | None = None
    context: Object | None = None
    webhook: Annotated[str, Meta(min_length=1, max_length=65536)] | None = None
    interrupt_before: Literal["*"] | list[str] | None = None
    interrupt_after: Literal["*"] | list[str] | None = None
    on_run_completed: Literal["delete", "keep"] | None = None
    multitask_strategy: Literal["reject", "rollback", "interrupt", "enqueue"] | None = None
    enabled: bool | None = None
    stream_mode: StreamMode | list[StreamMode] | None = None
    stream_subgraphs: bool | None = None
    stream_resumable: bool | None = None
    durability: Literal["sync", "async", "exit"] | None = None
    checkpoint_during: bool | None = None


class CronPatch(Struct, kw_only=True):
    schedule: Annotated[str, Meta(min_length=1, max_length=200)] | UnsetType = UNSET
    timezone: str | UnsetType | None = UNSET
    end_time: str | UnsetType | None = UNSET
    input: Any = UNSET
    metadata: Object | UnsetType | None = UNSET
    config: Object | UnsetType | None = UNSET
    context: Object | UnsetType | None = UNSET
    webhook: str | UnsetType | None = UNSET
    interrupt_before: Literal["*"] | list[str] | UnsetType | None = UNSET
    interrupt_after: Literal["*"] | list[str] | UnsetType | None = UNSET
    on_run_completed: Literal["delete", "keep"] | UnsetType | None = UNSET
    enabled: bool | UnsetType | None = UNSET
    stream_mode: StreamMode | list[StreamMode] | UnsetType | None = UNSET
    stream_subgraphs: bool | UnsetType | None = UNSET
    stream_resumable: bool | UnsetType | None = UNSET
    durability: Literal["sync", "async", "exit"] | UnsetType | None = UNSET


CronField = Literal[
    "cron_id", "assistant_id", "thread_id", "user_id", "end_time", "schedule", "timezone",
    "payload", "next_run_date", "metadata", "on_run_completed", "enabled", "created_at",
    "updated_at",
]  # fmt: skip


class CronSearch(Struct):
    assistant_id: Id | None = None
    thread_id: Id | None = None
    enabled: bool | None = None
    metadata: Object | None = None
    limit: Limit | None = None
    offset: Offset | None = None
    sort_by: (
        Literal[
            "cron_id", "assistant_id", "thread_id", "next_run_date", "end_time", "created_at",
            "updated_at",
        ]
        | None
    ) = None  # fmt: skip
    sort_order: Order | None = None
    select: list[CronField] | None = None


class CronCount(Struct):
    assistant_id: Id | None = None
    thread_id: Id | None = None
    metadata: Object | None = None


class Cron(Struct):
    cron_id: str | UnsetType = UNSET
    assistant_id: str | UnsetType = UNSET
    thread_id: str | UnsetType | None = UNSET
    user_id: str | UnsetType | None = UNSET
    end_time: str | UnsetType | None = UNSET
    schedule: str | UnsetType = UNSET
    timezone: str | UnsetType | None = UNSET
    payload: Object | UnsetType = UNSET
    next_run_date: str | UnsetType | None = UNSET
    metadata: Object | UnsetType = UNSET
    on_run_completed: str | UnsetType | None = UNSET
    enabled: bool | UnsetType = UNSET
    created_at: str | UnsetType = UNSET
    updated_at: str | UnsetType = UNSET


# --- store -------------------------------------------------------------------------------------


class ItemPut(Struct):
    namespace: list[str]
    key: str
    value: Object
    index: Literal[False] | list[str] | None = None
    ttl: Minutes | None = None


class ItemQuery(Struct):
    key: str | None = None
    namespace: str | None = None
    refresh_ttl: bool | None = None


class ItemDelete(Struct):
    key: str
    namespace: list[str] | None = None


class ItemSearch(Struct):
    namespace_prefix: list[str] | None = None
    filter: Object | None = None
    limit: Limit | None = None
    offset: Offset | None = None
    query: str | None = None
    refresh_ttl: bool | None = None


class NamespaceSearch(Struct):
    prefix: list[str] | None = None
    suffix: list[str] | None = None
    max_depth: Annotated[int, Meta(ge=1, le=1000)] | None = None
    limit: Limit | None = None
    offset: Offset | None = None


class Item(Struct):
    namespace: list[str]
    key: str
    value: Object
    created_at: str
    updated_at: str


class FoundItem(Struct):
    namespace: list[str]
    key: str
    value: Object
    created_at: str
    updated_at: str
    score: float | None = None


class FoundItems(Struct):
    items: list[FoundItem]


class FoundNamespaces(Struct):
    namespaces: list[list[str]]


# --- interrupts --------------------------------------------------------------------------------


class AnswerBody(Struct):
    answer: Any
    decision: str | None = None
    reason: str | None = None


class AnswerItem(Struct):
    interrupt_id: Id
    answer: Any
    thread_id: Id | None = None
    decision: str | None = None
    reason: str | None = None


class Answers(Struct):
    answers: Annotated[list[AnswerItem], Meta(min_length=1, max_length=1000)]


class InterruptQuery(Struct):
    status: list[Literal["open", "answered", "withdrawn", "superseded", "all"]] | None = None
    thread_id: Id | None = None
    graph_id: str | None = None
    created_after: str | None = None
    q: str | None = None
    sort: Literal["oldest", "newest"] = "oldest"
    limit: Limit = 100
    cursor: str | None = None


class InterruptView(Struct):
    id: str
    thread_id: str
    graph_id: str | None
    status: Literal["open", "answered", "withdrawn", "superseded"]
    value: Any
    title: str | None
    key: str | None
    node: str
    namespace: str
    checkpoint_id: str
    digest: str
    response_schema: Any
    asked_at: str
    answer: Any
    answered_at: str | None
    answered_by: str | None
    reason: str | None
    superseded_by: str | None
    closed_at: str | None


class InterruptPlace(Struct):
    thread_id: Id | None = None


class InterruptThread(Struct):
    thread_id: str
    status: ThreadStatus
    metadata: Object
    created_at: str
    updated_at: str


class InterruptMoment(Struct):
    event: Literal["asked", "answered", "withdrawn", "superseded"]
    at: str | None
    answer: Any | UnsetType = UNSET
    actor: str | UnsetType | None = UNSET
    reason: str | UnsetType | None = UNSET
    superseded_by: str | UnsetType | None = UNSET


class InterruptDetail(InterruptView):
    thread: InterruptThread
    history: list[InterruptMoment]


class Answered(Struct):
    interrupt: InterruptView
    run_id: str
    thread_id: str


class AnswerResult(Struct):
    interrupt_id: str
    status: int
    thread_id: str | None = None
    interrupt: InterruptView | UnsetType = UNSET
    run_id: str | UnsetType = UNSET
    detail: str | UnsetType = UNSET
    code: str | UnsetType | None = UNSET


# --- system ------------------------------------------------------------------------------------


class Error(Struct):
    detail: str
    code: str | UnsetType = UNSET
    interrupts: list[Object] | UnsetType = UNSET
    errors: list[Object] | UnsetType = UNSET


class Health(Struct):
    ok: bool
    services: Object


class HealthQuery(Struct):
    check_db: str | None = None


class Info(Struct):
    version: str
    langgraph_py_version: str
    flags: dict[str, bool]
    host: Object


class MetricsQuery(Struct):
    format: Literal["prometheus", "json"] = "prometheus"
