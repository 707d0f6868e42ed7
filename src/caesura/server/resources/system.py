"""The server about itself: is it well, what is it, how is it doing, what can be asked of it."""

from __future__ import annotations

import asyncio
from datetime import datetime
from statistics import median
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from caesura.execution.clock import clock
from caesura.records.operations import CountDeliveries, CountQuestions, CountRuns, FindRuns
from caesura.records.shapes import Run
from caesura.server import wire
from caesura.server.encoding import encode
from caesura.server.http.call import Call
from caesura.server.http.documentation import page_of
from caesura.server.http.openapi import document
from caesura.server.http.replies import Reply
from caesura.server.http.routes import Answer, Routes
from caesura.server.logs import log
from caesura.server.metrics import CONTENT_TYPE, Standing
from caesura.server.views import Json
from caesura.version import __version__

if TYPE_CHECKING:
    from caesura.server.services import Server

routes = Routes("System")
meta = Routes("System", group="meta")
_LANGGRAPH_VERSION = "1.2.22"
"""The version of LangGraph whose names and results programs find here."""
_PATIENCE_SECONDS = 5.0
_SAMPLE = 1000


@routes.get(
    "/ok",
    query=wire.HealthQuery,
    answers={
        200: Answer("It is well.", wire.Health),
        503: Answer("The database cannot be used.", wire.Health),
    },
    public=True,
)
async def get_health(call: Call[None, wire.HealthQuery]) -> Any:
    """Is the server well?

    With `check_db=1` the database is asked, too.
    """
    if call.query.check_db in (None, "0", "false"):
        return {"ok": True, "services": {}}
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            await call.server.do(CountRuns())
    except Exception as error:
        log.error("the database cannot be used", exc_info=error)
        return Reply({"ok": False, "services": {"database": "unavailable"}}, 503)
    return {"ok": True, "services": {"database": "ok"}}


@meta.get("/info", returns=wire.Info, public=True)
async def get_info(call: Call[None, None]) -> Any:
    """What the server is, and what it can do."""
    http = call.server.settings.http
    return {
        "version": __version__,
        "langgraph_py_version": _LANGGRAPH_VERSION,
        "flags": {
            "assistants": not http.disable_assistants,
            "crons": not http.disable_runs,
            "langsmith": False,
            "langsmith_tracing_replicas": False,
            "langsmith_tracing_session_on_runs": False,
            "strict_resume": True,
            "idempotency_key": True,
        },
        "host": {
            "kind": "self-hosted",
            "project_id": None,
            "host_revision_id": None,
            "revision_id": None,
            "tenant_id": None,
        },
        "caesura": {
            "version": __version__,
            "started_at": call.server.started_at,
            "interrupts": not http.disable_threads,
            "idempotency_key": True,
        },
    }


# --- metrics -----------------------------------------------------------------------------------


@meta.get(
    "/metrics",
    query=wire.MetricsQuery,
    answers={
        200: Answer(
            "The metrics; JSON with `format=json`.",
            str,
            "text/plain",
            others=[("application/json", wire.Object)],
        )
    },
    public=True,
)
async def get_metrics(call: Call[None, wire.MetricsQuery]) -> Any:
    """What is counted and measured, for Prometheus."""
    server = call.server
    now = await _standing(server)
    if call.query.format == "json":
        return Reply(await _as_json(server, now))
    return Reply(server.metrics.text(now), media_type=CONTENT_TYPE)


async def _standing(server: Server) -> Standing:
    runs = await server.do(CountRuns())
    busy, places = server.dispatcher.busy
    webhooks = await server.do(CountDeliveries())
    return Standing(
        pending=runs.get("pending", 0),
        running=runs.get("running", 0),
        busy=busy,
        places=places,
        open_interrupts=await server.do(CountQuestions()),
        streams=server.slots.total,
        oldest_pending_seconds=_waiting(runs.get("oldest_pending")),
        webhooks_waiting=webhooks["waiting"],
        webhooks_dead=webhooks["dead"],
    )


def _waiting(since: str | None) -> float | None:
    if since is None:
        return None
    return max(0.0, clock().epoch() - datetime.fromisoformat(since).timestamp())


async def _as_json(server: Server, now: Standing) -> Json:
    """Waits of pending runs are those of the newest `_SAMPLE`, but for the longest."""
    pending: list[Run] = await server.do(FindRuns(None, ("pending",), limit=_SAMPLE))
    running: list[Run] = await server.do(FindRuns(None, ("running",), limit=None))
    taken = {run.thread_id for run in running}
    waits = [_waiting(run.created_at) or 0.0 for run in pending]
    free = [_waiting(run.created_at) or 0.0 for run in pending if run.thread_id not in taken]
    return {
        "queue": {
            "n_pending": now.pending,
            "n_running": now.running,
            "pending_runs_wait_time_max_secs": now.oldest_pending_seconds,
            "pending_runs_wait_time_med_secs": median(waits) if waits else None,
            "pending_unblocked_runs_wait_time_max_secs": max(free) if free else None,
        },
        "api": {"http_requests_total": server.metrics.requests()},
        "workers": {"max": now.places, "active": now.busy, "available": now.places - now.busy},
    }


# --- documentation -----------------------------------------------------------------------------


@meta.get("/openapi.json", returns=wire.Object, public=True)
async def get_openapi(call: Call[None, None]) -> Any:
    """The OpenAPI description of all routes."""
    server = call.server
    if "openapi" not in server.documents:
        server.documents["openapi"] = Reply(encode(_document(server)))
    return server.documents["openapi"]


@meta.get("/docs", answers={200: Answer("A page.", str, "text/html; charset=utf-8")}, public=True)
async def get_docs(call: Call[None, None]) -> Any:
    """The description of all routes, as a page."""
    server = call.server
    if "docs" not in server.documents:
        page, headers = page_of(_document(server))
        server.documents["docs"] = Response(page, 200, headers, "text/html; charset=utf-8")
    return server.documents["docs"]


def _document(server: Server) -> Json:
    return document(server.endpoints, server.settings, server.prefix)


routes.endpoints += meta.endpoints
