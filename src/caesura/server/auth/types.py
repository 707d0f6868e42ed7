"""Types for the annotations of handlers: users, the context, filters, and what each action is about.

``Auth.types.on.threads.create.value`` names the value of one action. Ids in values are UUID texts; keys that
a request did not give are absent. A handler may edit a value: what it leaves there is used.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, Required, TypeAlias, TypedDict, runtime_checkable

RunStatus: TypeAlias = Literal["pending", "running", "success", "error", "timeout", "interrupted"]
ThreadStatus: TypeAlias = Literal["idle", "busy", "interrupted", "error"]
MultitaskStrategy: TypeAlias = Literal["reject", "rollback", "interrupt", "enqueue"]
OnConflictBehavior: TypeAlias = Literal["raise", "do_nothing"]
IfNotExists: TypeAlias = Literal["create", "reject"]
MetadataInput: TypeAlias = dict[str, Any]
Condition: TypeAlias = str | dict[Literal["$eq", "$contains"], str | list[str]]
FilterType: TypeAlias = dict[str, Condition] | dict[str, str]
HandlerResult: TypeAlias = bool | FilterType | None
Handler: TypeAlias = Callable[..., Awaitable[HandlerResult]]


@runtime_checkable
class MinimalUser(Protocol):
    """The least that a user has."""

    @property
    def identity(self) -> str:
        """Stable id of the user."""


@runtime_checkable
class BaseUser(Protocol):
    """A user as handlers and programs get it; also a mapping of the same names."""

    @property
    def identity(self) -> str:
        """Stable id of the user."""

    @property
    def display_name(self) -> str:
        """What people call the user."""

    @property
    def is_authenticated(self) -> bool:
        """False for guests."""

    @property
    def permissions(self) -> Sequence[str]:
        """What the user may do."""


class MinimalUserDict(TypedDict, total=False):
    """A user as a dict. Further keys are kept."""

    identity: Required[str]
    display_name: str
    is_authenticated: bool
    permissions: Sequence[str]


Authenticator: TypeAlias = Callable[
    ..., Awaitable[MinimalUser | BaseUser | MinimalUserDict | Mapping[str, Any] | str]
]


class StudioUser:
    """A user of a development page of the server's makers. Caesura makes none of them; handlers that
    ask ``isinstance(ctx.user, Auth.types.StudioUser)`` work, and the answer is no."""

    def __init__(self, username: str, is_authenticated: bool = False) -> None:
        self.username, self.is_authenticated = username, is_authenticated

    @property
    def identity(self) -> str:
        """The user's name."""
        return self.username

    @property
    def display_name(self) -> str:
        """The user's name."""
        return self.username

    @property
    def permissions(self) -> Sequence[str]:
        """None."""
        return []


def is_studio_user(user: Any) -> bool:
    """True for a `StudioUser`."""
    return isinstance(user, StudioUser)


@dataclass(slots=True, kw_only=True)
class BaseAuthContext:
    """Who calls."""

    permissions: Sequence[str]
    user: BaseUser


@dataclass(slots=True, kw_only=True)
class AuthContext(BaseAuthContext):
    """Who calls, and for what: ``resource`` threads, assistants, crons or store; ``action`` create,
    read, update, delete, search, create_run, put, get or list_namespaces."""

    resource: str
    action: str


class ThreadTTL(TypedDict, total=False):
    """When a thread is swept, in minutes."""

    strategy: Literal["delete", "keep_latest"]
    ttl: float


class ThreadsCreate(TypedDict, total=False):
    """A thread to be made."""

    thread_id: str
    metadata: MetadataInput
    if_exists: OnConflictBehavior
    ttl: ThreadTTL


class ThreadsRead(TypedDict, total=False):
    """A thread, its states or its runs to be read."""

    thread_id: str
    run_id: str | None


class ThreadsUpdate(TypedDict, total=False):
    """A thread or its state to be changed, or its runs to be cancelled (``action``)."""

    thread_id: str
    metadata: MetadataInput
    action: Literal["interrupt", "rollback"] | None


class ThreadsDelete(TypedDict, total=False):
    """A thread or a run to be deleted."""

    thread_id: str
    run_id: str | None


class ThreadsSearch(TypedDict, total=False):
    """Threads to be found or counted."""

    metadata: MetadataInput
    values: MetadataInput
    status: ThreadStatus | None
    limit: int
    offset: int
    ids: Sequence[str] | None
    thread_id: str | None


class RunsCreate(TypedDict, total=False):
    """A run to be started. ``thread_id`` None: on a thread of its own."""

    assistant_id: str | None
    thread_id: str | None
    run_id: str | None
    status: RunStatus | None
    metadata: MetadataInput
    prevent_insert_if_inflight: bool
    multitask_strategy: MultitaskStrategy
    if_not_exists: IfNotExists
    after_seconds: float
    kwargs: dict[str, Any]
    action: Literal["interrupt", "rollback"] | None


class AssistantsCreate(TypedDict, total=False):
    """An assistant to be made."""

    assistant_id: str
    graph_id: str
    config: dict[str, Any]
    context: dict[str, Any]
    metadata: MetadataInput
    if_exists: OnConflictBehavior
    name: str


class AssistantsRead(TypedDict, total=False):
    """An assistant, its graph or its schemas to be read."""

    assistant_id: str
    metadata: MetadataInput


class AssistantsUpdate(TypedDict, total=False):
    """An assistant to be changed; ``version``: the one to make current."""

    assistant_id: str
    graph_id: str | None
    config: dict[str, Any]
    context: dict[str, Any]
    metadata: MetadataInput
    name: str | None
    version: int | None


class AssistantsDelete(TypedDict):
    """An assistant to be deleted."""

    assistant_id: str


class AssistantsSearch(TypedDict, total=False):
    """Assistants to be found or counted."""

    graph_id: str | None
    metadata: MetadataInput
    limit: int
    offset: int


class CronsCreate(TypedDict, total=False):
    """A cron to be made."""

    payload: dict[str, Any]
    schedule: str
    cron_id: str | None
    thread_id: str | None
    user_id: str | None
    end_time: str | None


class CronsRead(TypedDict):
    """A cron to be read."""

    cron_id: str


class CronsUpdate(TypedDict, total=False):
    """A cron to be changed."""

    cron_id: str
    payload: dict[str, Any] | None
    schedule: str | None


class CronsDelete(TypedDict):
    """A cron to be deleted."""

    cron_id: str


class CronsSearch(TypedDict, total=False):
    """Crons to be found or counted."""

    assistant_id: str | None
    thread_id: str | None
    limit: int
    offset: int


class StoreGet(TypedDict):
    """An item to be read."""

    namespace: tuple[str, ...]
    key: str


class StorePut(TypedDict):
    """An item to be written."""

    namespace: tuple[str, ...]
    key: str
    value: dict[str, Any] | None
    index: Literal[False] | list[str] | None


class StoreDelete(TypedDict):
    """An item to be deleted."""

    namespace: tuple[str, ...]
    key: str


class StoreSearch(TypedDict):
    """Items to be found under a namespace."""

    namespace: tuple[str, ...]
    filter: dict[str, Any] | None
    limit: int
    offset: int
    query: str | None


class StoreListNamespaces(TypedDict):
    """Namespaces to be listed."""

    namespace: tuple[str, ...] | None
    suffix: tuple[str, ...] | None
    max_depth: int | None
    limit: int
    offset: int


def _action(value: Any) -> Any:
    return type("action", (), {"value": value, "__doc__": "One action; ``value``: its type."})


class on:
    """The types of values, by resource and action: ``on.threads.create.value``."""

    value = dict[str, Any]

    class threads:
        """Threads and their runs."""

        value = (
            ThreadsCreate | ThreadsRead | ThreadsUpdate | ThreadsDelete | ThreadsSearch | RunsCreate
        )
        create = _action(ThreadsCreate)
        create_run = _action(RunsCreate)
        read = _action(ThreadsRead)
        update = _action(ThreadsUpdate)
        delete = _action(ThreadsDelete)
        search = _action(ThreadsSearch)

    class assistants:
        """Assistants."""

        value = (
            AssistantsCreate
            | AssistantsRead
            | AssistantsUpdate
            | AssistantsDelete
            | AssistantsSearch
        )
        create = _action(AssistantsCreate)
        read = _action(AssistantsRead)
        update = _action(AssistantsUpdate)
        delete = _action(AssistantsDelete)
        search = _action(AssistantsSearch)

    class crons:
        """Crons."""

        value = CronsCreate | CronsRead | CronsUpdate | CronsDelete | CronsSearch
        create = _action(CronsCreate)
        read = _action(CronsRead)
        update = _action(CronsUpdate)
        delete = _action(CronsDelete)
        search = _action(CronsSearch)

    class store:
        """The long-term memory."""

        value = StoreGet | StorePut | StoreDelete | StoreSearch | StoreListNamespaces
        get = _action(StoreGet)
        put = _action(StorePut)
        delete = _action(StoreDelete)
        search = _action(StoreSearch)
        list_namespaces = _action(StoreListNamespaces)
