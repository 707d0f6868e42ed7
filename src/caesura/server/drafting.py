"""A run that is about to be accepted, from what was asked for: its record, and what it does to its thread.

`Draft` only reads; nothing is stored before `caesura.server.runs.RunService` hands its parts to the
transaction that accepts the run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import UNSET

from caesura.execution.clock import clock
from caesura.pregel.configs import merge_configs
from caesura.records.shapes import Assistant, Json, Run, Strategy, Thread
from caesura.server import wire
from caesura.server.auth import Caller
from caesura.server.http.problems import Problem
from caesura.server.ids import uuid7
from caesura.server.telemetry import trace_of

if TYPE_CHECKING:
    from caesura.server.services import Server

_DEFAULT_MODES: Final = ("values",)
_OF_THE_RUN: Final = frozenset({"answer_decision", "answer_reason"})
"""Metadata that says something of one run, and nothing of its thread."""


@dataclass(slots=True, frozen=True)
class Origin:
    """Where a request comes from: who, by which request, under which idempotency key."""

    caller: Caller
    request_id: str = ""
    idempotency_key: str | None = None
    headers: Mapping[str, str] | None = None


class Draft:
    """A run that is about to be accepted, from what was asked for."""

    def __init__(
        self,
        server: Server,
        origin: Origin,
        assistant: Assistant,
        thread: Thread | None,
        thread_id: str | None,
        body: wire.RunBody,
        events: Sequence[str],
    ) -> None:
        self.server, self.origin, self.assistant = server, origin, assistant
        self.thread, self.body = thread, body
        self.run_id = uuid7()
        self.run_thread = thread_id if thread_id is not None else uuid7()
        self.stateless = thread_id is None
        self.temporary = self.stateless and getattr(body, "on_completion", None) != "keep"
        self.actor = origin.caller.identity or None
        self.command = _command(body.command)
        self.resume = self.command.get("resume")
        self.resumes = self.resume is not None
        self.starts_anew = not self.command and body.input is not None
        self.where = _where(body)
        self.modes = _modes(body.stream_mode, events)
        self._user = origin.caller.stored
        self.metadata = self._metadata()
        self._kwargs = self._make_kwargs()
        if body.config and body.config.get("configurable") and body.context:
            raise Problem(
                400, "Cannot specify both configurable and context. Prefer setting context alone."
            )

    # --- the record ---

    def run(self) -> Run:
        """The run's row."""
        time = clock()
        delay = self.body.after_seconds or 0.0
        return Run(
            run_id=self.run_id,
            thread_id=self.run_thread,
            assistant_id=self.assistant.assistant_id,
            graph_id=self.assistant.graph_id,
            created_at=time.now() if not delay else _later(time.epoch() + delay),
            updated_at=time.now(),
            metadata=self.metadata,
            kwargs=self._kwargs,
            multitask_strategy=self._strategy(),
            not_before=time.epoch() + delay if delay else 0.0,
            temporary=self.temporary,
            resumable=bool(self.body.stream_resumable),
            actor=self.actor,
            trace=trace_of(self.origin.headers, self.thread),
        )

    def _strategy(self) -> Strategy:
        chosen: Strategy = getattr(self.body, "multitask_strategy", None) or "enqueue"
        return chosen

    def _metadata(self) -> Json:
        known = {
            "graph_id": self.assistant.graph_id,
            "assistant_id": self.assistant.assistant_id,
        }
        of_thread = {} if self.thread is None else dict(self.thread.metadata)
        return {**self.assistant.metadata, **of_thread, **known, **(self.body.metadata or {})}

    def _make_kwargs(self) -> Json:
        body = self.body
        during = body.checkpoint_during
        durability = body.durability or ("async" if during in (None, True) else "exit")
        return {
            "input": body.input if not self.command else None,
            "command": _as_given(body.command),
            "config": self._config(),
            "context": self._context(),
            "stream_mode": list(self.modes),
            "interrupt_before": body.interrupt_before,
            "interrupt_after": body.interrupt_after,
            "webhook": body.webhook,
            "feedback_keys": body.feedback_keys,
            "temporary": self.temporary,
            "subgraphs": bool(body.stream_subgraphs),
            "resumable": bool(body.stream_resumable),
            "checkpoint_during": durability != "exit",
            "durability": durability,
        }

    def _config(self) -> Json:
        own = _without_private(self.body.config or {})
        merged = merge_configs(dict(self.assistant.config), own)
        user = self._user
        where = {k: v for k, v in self.where.items() if k != "thread_id" and v}
        merged["configurable"] = {
            **(merged.get("configurable") or {}),
            **self._headers(),
            **where,
            "langgraph_auth_user": user,
            "langgraph_auth_user_id": self.actor or "",
            "langgraph_auth_permissions": list(self.origin.caller.permissions),
            "langgraph_request_id": self.origin.request_id,
            "run_id": self.run_id,
            "thread_id": self.run_thread,
            "graph_id": self.assistant.graph_id,
            "assistant_id": self.assistant.assistant_id,
            "user_id": self.actor or "",
        }
        merged["metadata"] = {**(merged.get("metadata") or {}), **self.metadata, "run_attempt": 1}
        merged["run_id"] = self.run_id
        return merged

    def _headers(self) -> Json:
        """Headers of the request that the project wants in the configuration of its runs."""
        wanted = self.server.settings.http.configurable_headers
        if wanted is None or self.origin.headers is None:
            return {}
        return {name: text for name, text in self.origin.headers.items() if wanted.matches(name)}

    def _context(self) -> Json:
        given = self.body.context
        if given is None:
            given = dict((self.body.config or {}).get("configurable") or {})
        return {**self.assistant.context, **_without_private_keys(given)}

    # --- the thread ---

    def new_thread(self) -> Thread | None:
        """What is stored if the thread does not exist; None if it must."""
        creates = self.stateless or getattr(self.body, "if_not_exists", None) == "create"
        if not creates:
            return None
        now = clock().now()
        return Thread(self.run_thread, now, now, now, ttl=self.server.threads.default_ttl)

    def thread_metadata(self) -> Json:
        """What a run adds to its thread's metadata: what was sent, as authorisation left it."""
        known = {"graph_id": self.assistant.graph_id, "assistant_id": self.assistant.assistant_id}
        inherited = {
            **self.assistant.metadata,
            **({} if self.thread is None else self.thread.metadata),
        }
        own = {
            key: value
            for key, value in self.metadata.items()
            if key not in _OF_THE_RUN and (key not in inherited or inherited[key] != value)
        }
        return {**known, **own}

    def thread_config(self) -> Json:
        """The run's config as the thread shows it."""
        known = {} if self.thread is None else dict(self.thread.config)
        own = _without_private(self.body.config or {})
        return merge_configs({"configurable": {}}, known, own)

    # --- authorisation, idempotency ---

    def value(self) -> dict[str, Any]:
        """What an authorisation handler is shown, and may edit."""
        return {
            "thread_id": None if self.stateless else self.run_thread,
            "assistant_id": self.assistant.assistant_id,
            "run_id": self.run_id,
            "status": "pending",
            "metadata": self.metadata,
            "prevent_insert_if_inflight": self._strategy() == "reject",
            "multitask_strategy": self._strategy(),
            "if_not_exists": getattr(self.body, "if_not_exists", None) or "reject",
            "after_seconds": self.body.after_seconds or 0,
            "kwargs": self._kwargs,
        }

    def take_edits(self, value: Mapping[str, Any]) -> None:
        """Take over what a handler changed."""
        self.metadata = dict(value.get("metadata") or {})
        self._kwargs = dict(value.get("kwargs") or {})

    def idempotency(self) -> tuple[str, str, str] | None:
        """(scope, key, digest of the request), if the client sent a key."""
        key = self.origin.idempotency_key
        if key is None:
            return None
        if not 1 <= len(key) <= 255:
            raise Problem(
                422, "An Idempotency-Key has 1 to 255 characters.", code="invalid_request"
            )
        place = None if self.stateless else self.run_thread
        digest = hashlib.sha256(msgspec.json.encode([place, self.body])).hexdigest()
        return self.actor or "", key, digest


def _command(given: wire.CommandBody | None) -> dict[str, Any]:
    """The parts of a command that say something; {} if none does."""
    if given is None:
        return {}
    parts = {"resume": given.resume, "update": given.update, "goto": given.goto}
    return {k: v for k, v in parts.items() if v is not UNSET and v is not None and v != []}


def _as_given(command: wire.CommandBody | None) -> dict[str, Any] | None:
    return None if command is None else msgspec.to_builtins(command)


def _where(body: wire.RunBody) -> dict[str, Any]:
    where: dict[str, Any] = {}
    configurable = (body.config or {}).get("configurable") or {}
    if isinstance(configurable, dict) and configurable.get("checkpoint_id"):
        where["checkpoint_id"] = configurable["checkpoint_id"]
    if body.checkpoint is not None:
        given = body.checkpoint
        where.update(checkpoint_id=given.checkpoint_id, checkpoint_ns=given.checkpoint_ns)
    if body.checkpoint_id is not None:
        where["checkpoint_id"] = body.checkpoint_id
    return {k: v for k, v in where.items() if v}


def _modes(asked: Any, more: Sequence[str]) -> tuple[str, ...]:
    modes = [asked] if isinstance(asked, str) else list(asked or _DEFAULT_MODES)
    return tuple(dict.fromkeys([*modes, *more]))


def _without_private(config: Mapping[str, Any]) -> Json:
    """A client's config without the keys that steer the engine."""
    made = {k: v for k, v in config.items() if not k.startswith("__")}
    configurable = made.get("configurable")
    if configurable is not None:
        if not isinstance(configurable, Mapping):
            raise Problem(422, "config.configurable must be an object", code="invalid_request")
        made["configurable"] = _without_private_keys(configurable)
    for name, kind in (("tags", list), ("metadata", dict), ("recursion_limit", int)):
        if made.get(name) is not None and not isinstance(made[name], kind):
            raise Problem(422, f"config.{name} has the wrong type", code="invalid_request")
    if made.get("recursion_limit") is not None and made["recursion_limit"] < 1:
        raise Problem(422, "config.recursion_limit must be at least 1", code="invalid_request")
    return made


def _without_private_keys(values: Mapping[str, Any]) -> Json:
    return {k: v for k, v in values.items() if not str(k).startswith("__")}


def _later(epoch: float) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(epoch, UTC).isoformat()
