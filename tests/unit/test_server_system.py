"""What the server says about itself; its description is complete and true."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import pytest_asyncio
from prometheus_client.parser import text_string_to_metric_families
from tests.unit.serving import Served, served

from caesura.errors import StorageError
from caesura.server.http.documentation import page_of
from caesura.server.http.openapi import document
from caesura.server.http.routes import Endpoint
from caesura.server.project.sections import AuthSettings, Limits, Oidc
from caesura.server.project.settings import Settings


@pytest_asyncio.fixture
async def api(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path) as found:
        yield found


async def test_the_server_is_well(api: Served) -> None:
    assert await api.json("GET", "/ok") == {"ok": True, "services": {}}
    checked = await api.json("GET", "/ok?check_db=1")
    assert checked == {"ok": True, "services": {"database": "ok"}}


async def test_a_server_whose_database_fails_is_not_well(
    api: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(operation: Any) -> Any:
        raise StorageError("disk I/O error at /secret/path")

    monkeypatch.setattr(api.server.database, "aexecute", broken)
    told = await api.json("GET", "/ok?check_db=1", status=503)
    assert told["ok"] is False
    assert "secret" not in str(told)
    assert (await api.json("GET", "/ok"))["ok"] is True


async def test_info_says_what_clients_look_for(api: Served) -> None:
    info = await api.json("GET", "/info")
    assert info["langgraph_py_version"] == "1.2.22"
    assert info["flags"]["strict_resume"] is True
    assert info["flags"]["crons"] is info["flags"]["assistants"] is True
    assert info["host"] == {
        "kind": "self-hosted", "project_id": None, "host_revision_id": None, "revision_id": None,
        "tenant_id": None,
    }  # fmt: skip


# --- metrics -----------------------------------------------------------------------------------


def samples(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_requests_and_runs_are_counted(api: Served) -> None:
    run = {"assistant_id": "agent", "input": {"topic": "x"}}
    await api.json("POST", "/runs/wait", run)
    await api.json("POST", "/runs/wait", {**run, "input": {"topic": "boom"}})
    await api.json("GET", "/assistants/not-an-id", status=422)
    response = await api("GET", "/metrics")
    assert response.headers["content-type"].startswith("text/plain")
    found = samples(response.text)

    def value(name: str, **labels: str) -> float:
        return found[name, frozenset(labels.items())]

    assert value("caesura_runs_total", status="success") == 1
    assert value("caesura_runs_total", status="error") == 1
    route = "/assistants/{assistant_id}"
    assert value("caesura_http_requests_total", route=route, method="GET", status="422") == 1
    assert value("caesura_run_seconds_count") == 2
    assert value("caesura_workers_places") == api.server.environment.jobs_per_worker
    assert "not-an-id" not in response.text


async def test_open_interrupts_are_counted(api: Served) -> None:
    thread = await api.json("POST", "/threads", {})
    run = {"assistant_id": "asking", "input": {}}
    await api.json("POST", f"/threads/{thread['thread_id']}/runs/wait", run)
    found = samples((await api("GET", "/metrics")).text)
    assert found["caesura_interrupts_open", frozenset()] == 1


async def test_metrics_as_json_have_the_known_form(api: Served) -> None:
    await api.json("GET", "/ok")
    later = {"assistant_id": "agent", "input": {}, "after_seconds": 3600}
    await api.json("POST", "/runs", later)
    found = await api.json("GET", "/metrics?format=json")
    assert found["queue"]["n_pending"] == 1
    assert set(found["queue"]) == {
        "n_pending", "n_running", "pending_runs_wait_time_max_secs",
        "pending_runs_wait_time_med_secs", "pending_unblocked_runs_wait_time_max_secs",
    }  # fmt: skip
    assert {"route": "/ok", "method": "GET", "status": "200", "count": 1} in found["api"][
        "http_requests_total"
    ]
    assert found["workers"]["available"] == found["workers"]["max"]


# --- description -------------------------------------------------------------------------------


@pytest.fixture
def described() -> Any:
    from caesura.server.resources import all_endpoints

    return document(all_endpoints(), Settings(directory=Path()))


def endpoints() -> list[Endpoint]:
    from caesura.server.resources import all_endpoints

    return list(all_endpoints())


def operations(described: Any) -> list[tuple[str, str, Any]]:
    return [
        (method, path, operation)
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    ]


async def test_every_route_is_described_once(api: Served, described: Any) -> None:
    served_here = await api.json("GET", "/openapi.json")
    assert served_here["paths"].keys() == described["paths"].keys()
    assert len(operations(described)) == len(endpoints())
    ids = [operation["operationId"] for _, _, operation in operations(described)]
    assert len(set(ids)) == len(ids)


def test_every_reference_leads_somewhere(described: Any) -> None:
    known = described["components"]["schemas"]
    references = re.findall(r"'\$ref': '#/components/schemas/([^']+)'", str(described))
    assert references
    assert set(references) <= set(known)


def test_every_schema_is_a_json_schema(described: Any) -> None:
    for schema in described["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_path_parameters_are_declared_and_required(described: Any) -> None:
    for _, path, operation in operations(described):
        declared = {p["name"] for p in operation["parameters"] if p["in"] == "path"}
        assert declared == set(re.findall(r"{(\w+)}", path))
        assert all(p["required"] for p in operation["parameters"] if p["in"] == "path")


def test_ids_in_paths_are_uuids_but_where_a_graphs_name_will_do(described: Any) -> None:
    def schema(path: str) -> Any:
        return described["paths"][path]["get"]["parameters"][0]["schema"]

    assert schema("/assistants/{assistant_id}")["format"] == "uuid"
    assert "format" not in schema("/assistants/{assistant}/graph")


def test_statuses_follow_from_the_form_of_a_route(described: Any) -> None:
    create = described["paths"]["/threads"]["post"]["responses"]
    assert {"200", "409", "413", "422", "500", "503"} <= set(create)
    assert "413" not in described["paths"]["/ok"]["get"]["responses"]
    assert not {"401", "429"} & set(create)


def test_limits_and_authentication_add_theirs() -> None:
    settings = Settings(
        directory=Path(),
        limits=Limits(requests_per_minute=5),
        auth=AuthSettings(keys=True, oidc=Oidc(issuer="https://i", audience="a")),
    )
    described = document(endpoints(), settings)
    assert {"401", "403", "429"} <= set(described["paths"]["/threads"]["post"]["responses"])
    assert described["paths"]["/ok"]["get"]["security"] == []
    schemes = described["components"]["securitySchemes"]
    assert schemes["key"]["name"] == "x-api-key"
    assert schemes["bearer"]["scheme"] == "bearer"


def test_own_security_schemes_are_taken_over() -> None:
    own = {
        "securitySchemes": {"mine": {"type": "http", "scheme": "basic"}},
        "security": [{"mine": []}],
    }
    settings = Settings(directory=Path(), auth=AuthSettings(path="./a.py:auth", openapi=own))
    described = document(endpoints(), settings)
    assert described["components"]["securitySchemes"] == own["securitySchemes"]
    assert described["security"] == [{"mine": []}]


def test_streams_are_described_as_such(described: Any) -> None:
    stream = described["paths"]["/threads/{thread_id}/runs/stream"]["post"]["responses"]["200"]
    assert list(stream["content"]) == ["text/event-stream"]


def test_a_query_parameter_has_no_null(described: Any) -> None:
    for _, _, operation in operations(described):
        for parameter in operation["parameters"]:
            assert "null" not in str(parameter["schema"])


# --- the page ----------------------------------------------------------------------------------


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.targets: list[str] = []
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.ids += [given["id"] or ""] if "id" in given else []
        self.targets += [given["href"] or ""] if tag == "a" else []
        if tag in ("link", "script", "img", "iframe", "object"):
            self.fetched.append(tag)


async def test_the_page_lists_every_operation_and_fetches_nothing(
    api: Served, described: Any
) -> None:
    response = await api("GET", "/docs")
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    page = _Page()
    page.feed(response.text)
    assert not page.fetched
    assert "http://" not in response.text and "https://" not in response.text
    assert {o["operationId"] for _, _, o in operations(described)} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    inner = {target.removeprefix("#") for target in page.targets if target.startswith("#")}
    assert inner <= set(page.ids)


def test_the_page_escapes_what_it_is_told(described: Any) -> None:
    described["tags"][0]["name"] = "<script>alert(1)</script>"
    page, headers = page_of(described)
    assert b"<script>" not in page
    assert "default-src 'none'" in headers["Content-Security-Policy"]
