"""`/openapi.json` tells the truth: requests made of it, and replies checked against it.

Schemathesis makes requests of every operation, right ones and wrong ones, with a fixed seed. No reply may
be a 500, of a status or a form that is not documented.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, seed, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from caesura.server.http.routes import Endpoint
from caesura.server.resources import all_endpoints

from .server import PATIENCE, Server, copy_of_project, free_port

EXAMPLES = 300 if os.environ.get("CAESURA_SOAK") else 12
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
ENDLESS = {"stream_thread", "stream_events", "stream_interrupts", "stream_to_page"}
"""Operations whose replies do not end by themselves."""
PAGES = "/inbox/"
ENDPOINTS = sorted(
    (e for e in all_endpoints() if e.operation_id not in ENDLESS and not e.path.startswith(PAGES)),
    key=lambda e: (e.path, e.method),
)


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = copy_of_project(tmp_path_factory.mktemp("openapi") / "project", free_port())
    server = Server(folder, free_port())
    server.url = f"http://127.0.0.1:{server.port}"
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def schema(fuzzed: Server) -> Any:
    document = httpx.get(f"{fuzzed.url}/openapi.json", timeout=PATIENCE).json()
    loaded = schemathesis.openapi.from_dict(document)
    loaded.config.update(base_url=fuzzed.url)
    return loaded


@pytest.fixture(scope="module")
def known(fuzzed: Server) -> dict[str, str]:
    """Ids of things that are there, so that requests reach beyond the 404."""
    with httpx.Client(base_url=fuzzed.url, timeout=PATIENCE) as client:
        thread = client.post("/threads", json={}).json()["thread_id"]
        body = {"assistant_id": "agent", "input": {"topic": "x"}}
        values = client.post(f"/threads/{thread}/runs/wait", json=body).json()
        run = client.get(f"/threads/{thread}/runs").json()[0]
        state = client.get(f"/threads/{thread}/state").json()
        cron = {"assistant_id": "agent", "schedule": "0 0 1 1 *"}
        made = client.post("/runs/crons", json=cron).json()
    return {
        "thread_id": thread,
        "run_id": run["run_id"],
        "assistant_id": run["assistant_id"],
        "assistant": "agent",
        "checkpoint_id": state["checkpoint"]["checkpoint_id"],
        "interrupt_id": values["__interrupt__"][0]["id"],
        "cron_id": made["cron_id"],
        "namespace": "x",
    }


def name_of(endpoint: Endpoint) -> str:
    return f"{endpoint.method} {endpoint.path}"


def test_every_route_is_described(schema: Any) -> None:
    described = {
        f"{operation.ok().method.upper()} {operation.ok().path}"
        for operation in schema.get_all_operations()
    }
    assert {name_of(e) for e in ENDPOINTS if not e.path.endswith("/")} <= described


def asked() -> list[Any]:
    """Each documented endpoint with anything; those with ids, and that take nothing away, with real ones."""
    found = []
    for endpoint in (e for e in ENDPOINTS if not e.path.endswith("/") or e.path == "/"):
        found.append(pytest.param(endpoint, False, id=f"{name_of(endpoint)} of anything"))
        if endpoint.method != "DELETE" and "{" in endpoint.path:
            found.append(pytest.param(endpoint, True, id=f"{name_of(endpoint)} of what is there"))
    return found


@pytest.mark.parametrize(("endpoint", "real"), asked())
def test_replies_are_as_described(
    fuzzed: Server, schema: Any, known: dict[str, str], endpoint: Endpoint, real: bool
) -> None:
    operation = schema[endpoint.path][endpoint.method]
    strategy = operation.as_strategy(generation_mode=GenerationMode.POSITIVE)
    if not real:
        strategy |= operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)

    @seed(20261121)
    @settings(
        max_examples=EXAMPLES, deadline=None, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=strategy)
    def conforms(case: Any) -> None:
        if real:
            case.path_parameters = {k: known.get(k, v) for k, v in case.path_parameters.items()}
        _shorten(case)
        case.call_and_validate(checks=CHECKS, timeout=PATIENCE)

    conforms()


def _shorten(case: Any) -> None:
    """No run may be asked to begin in a year, or to wait for one that does."""
    bodies = case.body if isinstance(case.body, list) else [case.body]
    for body in bodies:
        if isinstance(body, dict) and "after_seconds" in body:
            body["after_seconds"] = None


def test_no_request_has_failed_the_server(fuzzed: Server) -> None:
    with_errors = [
        json.loads(line) for line in fuzzed.log.splitlines() if '"level": "error"' in line
    ]
    assert [line["event"] for line in with_errors] == []
    assert Path(fuzzed.directory).exists()
