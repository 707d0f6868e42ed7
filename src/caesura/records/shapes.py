"""The records of a server, as plain data. Times are ISO-8601 UTC texts with microseconds.

Values of JSON columns (``metadata``, ``config``, ``kwargs`` …) are what a JSON decoder gives.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Json = Mapping[str, Any]
ThreadStatus = Literal["idle", "busy", "interrupted", "error"]
RunStatus = Literal["pending", "running", "success", "error", "timeout", "interrupted"]
Strategy = Literal["reject", "rollback", "interrupt", "enqueue"]
CancelAction = Literal["interrupt", "rollback"]
TtlStrategy = Literal["delete", "keep_latest"]


@dataclass(slots=True, frozen=True)
class OneOf:
    """In a search or filter, in the place of a value: any of these will do."""

    values: tuple[Any, ...]


@dataclass(slots=True, frozen=True)
class Assistant:
    """A graph with a configuration, under an id. Every change makes a new version."""

    assistant_id: str
    graph_id: str
    name: str
    created_at: str
    updated_at: str
    config: Json = field(default_factory=dict)
    context: Json = field(default_factory=dict)
    metadata: Json = field(default_factory=dict)
    version: int = 1
    description: str | None = None


@dataclass(slots=True, frozen=True)
class Ttl:
    """When a thread is swept: ``minutes`` after it was last touched."""

    minutes: float
    strategy: TtlStrategy = "delete"


@dataclass(slots=True, frozen=True)
class Thread:
    """A conversation with a program. Its values are its newest checkpoint's, read from there."""

    thread_id: str
    created_at: str
    updated_at: str
    state_updated_at: str
    metadata: Json = field(default_factory=dict)
    config: Json = field(default_factory=dict)
    status: ThreadStatus = "idle"
    error: Json | None = None
    """``{"error": class name, "message": text}`` of the last run that failed or was cancelled."""
    touched: bool = False
    """A run or a state write has happened."""
    ttl: Ttl | None = None
    expires_at: str | None = None
    trace: Json | None = None
    """Trace context (W3C headers) that later runs of the thread go on with."""
    resting: ThreadStatus = "idle"
    """How it stood when a run last ended on it, or a state was written by hand."""


@dataclass(slots=True, frozen=True)
class Run:
    """One invocation of a program on a thread."""

    run_id: str
    thread_id: str
    assistant_id: str
    graph_id: str
    created_at: str
    updated_at: str
    metadata: Json = field(default_factory=dict)
    status: RunStatus = "pending"
    kwargs: Json = field(default_factory=dict)
    """What was asked for, as clients see it: input, command, config, stream_mode …"""
    multitask_strategy: Strategy = "enqueue"
    not_before: float = 0.0
    """Seconds since 1970 before which the run is not started."""
    temporary: bool = False
    """The thread was made for this run alone, and is deleted when the run has ended."""
    resumable: bool = False
    """Its events are stored and can be replayed."""
    accepted: tuple[str, ...] = ()
    """Interrupts whose answers were accepted with this run; it carries them into the program."""
    actor: str | None = None
    """Identity of whoever started it."""
    attempt: int = 0
    """How often a worker has taken it up. Fences the workers before: see `operations.Fenced`."""
    worker: str | None = None
    lease_until: float = 0.0
    cancel: CancelAction | None = None
    """A stored request to stop."""
    error: Json | None = None
    started_at: str | None = None
    ended_at: str | None = None
    start_checkpoint: str | None = None
    """The newest checkpoint of the thread when the run was first taken up."""
    trace: Json | None = None


@dataclass(slots=True, frozen=True)
class Cron:
    """A run to be started by the clock."""

    cron_id: str
    assistant_id: str
    graph_id: str
    thread_id: str | None
    schedule: str
    payload: Json
    """The request that each run is made from."""
    created_at: str
    updated_at: str
    user_id: str = ""
    timezone: str | None = None
    end_time: str | None = None
    next_run_date: str | None = None
    metadata: Json = field(default_factory=dict)
    on_run_completed: Literal["delete", "keep"] | None = None
    enabled: bool = True
    owner: Json | None = None
    """The stored user (see `caesura.server.auth`) on whose behalf it runs; None: nobody."""


@dataclass(slots=True, frozen=True)
class Delivery:
    """A webhook that is to be sent, for a run that has ended."""

    run_id: str
    """The run, and the id by which receivers tell repetitions."""
    thread_id: str
    url: str
    body: bytes
    """JSON, encoded."""
    owner: Json | None = None
    """The stored user who started the run; None: nobody."""
    status: Literal["waiting", "dead"] = "waiting"
    attempts: int = 0
    """How often it was claimed. Fences those who claimed it before."""
    due_at: float = 0.0
    """Seconds since 1970 from which it may be claimed; while it is claimed: the end of the lease; of a
    dead one: when it was given up."""
    worker: str | None = None
    reason: str | None = None
    """Why the last attempt failed."""


@dataclass(slots=True, frozen=True)
class Event:
    """One event of a thread's streams. ``seq`` counts per thread, from 1, across runs and kinds."""

    thread_id: str
    seq: int
    run_id: str
    kind: str
    """``run``: a frame of the run's own stream; ``v3``: one of the thread protocol."""
    id: str
    """The id that clients see."""
    name: str
    data: bytes
    """JSON, encoded."""


@dataclass(slots=True, frozen=True)
class ApiKey:
    """A static key. Only its hash is stored."""

    key_id: str
    digest: str
    """SHA-256 (hex) of the whole key; keys are random, so a slow hash would add nothing."""
    name: str
    identity: str
    permissions: tuple[str, ...]
    groups: tuple[str, ...]
    created_at: str
    expires_at: str | None = None
    revoked_at: str | None = None
    last_used_at: str | None = None
