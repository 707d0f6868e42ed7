"""What the section `http` of the configuration does: who asks first, and what the log holds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect
from structlog.testing import LogCapture
from tests.unit.serving import GRAPHS, PROJECT, served

from caesura.server.app import Plan, make_app
from caesura.server.project.environment import Environment
from caesura.server.project.settings import settings_of

APP = """
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute

seen = []

class Noting:
    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        if scope["type"] in ("http", "websocket"):
            user = scope.get("user")
            seen.append((scope["path"], None if user is None else user.identity))
        await self.app(scope, receive, send)

async def own(request):
    return PlainTextResponse(await request.body())

async def talk(socket):
    await socket.accept()
    await socket.send_text("hello")
    await socket.close()

routes = [Route("/own", own, methods=["GET", "POST"]), WebSocketRoute("/talk", talk)]
app = Starlette(routes=routes, middleware=[Middleware(Noting)])
app.state.seen = seen
"""
GUARD = """
from caesura.server.auth import Auth

auth = Auth()

@auth.authenticate
async def who(headers, body):
    key = headers.get(b"x-api-key", b"").decode()
    if not key or (body or {}).get("forged"):
        raise Auth.exceptions.HTTPException(401, "Who are you?")
    return key
"""
ADA = {"x-api-key": "ada"}


def config_of(tmp_path: Path, **http: Any) -> dict[str, Any]:
    """A project with an application and an authentication handler of its own."""
    (tmp_path / "own_app.py").write_text(APP)
    (tmp_path / "guard.py").write_text(GUARD)
    return {"http": {"app": "./own_app.py:app", **http}, "auth": {"path": "./guard.py:auth"}}


# --- http.middleware_order ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("order", "met"),
    [("middleware_first", [("/threads", None), ("/threads", None)]), ("auth_first", [("/threads", "ada")])],
)  # fmt: skip
async def test_middleware_stands_before_or_behind_authentication(
    tmp_path: Path, order: str, met: Any
) -> None:
    async with served(tmp_path, config_of(tmp_path, middleware_order=order)) as api:
        await api.json("POST", "/threads", {}, status=401)
        api.client.headers.update(ADA)
        await api.json("POST", "/threads", {"metadata": {"a": 1}})
    assert api.server.custom_app.state.seen == met


async def test_behind_authentication_what_is_open_to_all_stays_so(tmp_path: Path) -> None:
    async with served(tmp_path, config_of(tmp_path, middleware_order="auth_first")) as api:
        assert (await api("GET", "/ok")).status_code == 200
        assert (await api("GET", "/nothing/here")).status_code == 404
        assert (await api("POST", "/own", {"x": 1})).json() == {"x": 1}


async def test_behind_authentication_the_projects_routes_ask_if_they_are_to(tmp_path: Path) -> None:
    config = config_of(tmp_path, middleware_order="auth_first", enable_custom_route_auth=True)
    async with served(tmp_path, config) as api:
        await api.json("POST", "/own", {"x": 1}, status=401)
        api.client.headers.update(ADA)
        assert (await api("POST", "/own", {"x": 1})).json() == {"x": 1}, "the body was lost"
        await api.json("POST", "/own", {"forged": True}, status=401)
    assert set(api.server.custom_app.state.seen) == {("/own", "ada")}


@pytest.mark.parametrize("order", ["middleware_first", "auth_first"])
def test_a_websocket_of_the_project_asks_if_it_is_to(tmp_path: Path, order: str) -> None:
    config = config_of(tmp_path, middleware_order=order, enable_custom_route_auth=True)
    (tmp_path / "graphs.py").write_text(PROJECT)
    settings = settings_of({"graphs": GRAPHS, **config}, tmp_path / "caesura.json")
    plan = Plan(settings, Environment(), str(tmp_path / "data.sqlite"))
    thread = "/threads/01a1fbd9-d7d7-72d7-834f-a0d58b96405a/stream/events"
    with TestClient(make_app(plan)) as client:
        for path in ("/talk", thread):
            with (
                client.websocket_connect(path) as socket,
                pytest.raises(WebSocketDisconnect) as end,
            ):
                socket.receive_text()
            assert end.value.code == 4401
        with client.websocket_connect("/talk", headers=ADA) as socket:
            assert socket.receive_text() == "hello"


# --- http.logging_headers ----------------------------------------------------------------------


@pytest.fixture
def logged() -> Iterator[LogCapture]:
    """What is logged, as data."""
    capture, before = LogCapture(), structlog.get_config()
    structlog.configure(processors=[capture], cache_logger_on_first_use=False)
    yield capture
    structlog.configure(**before)


SENT = {
    "X-Tenant": "acme", "X-Trace": "a\r\n".strip(), "Authorization": "Bearer s3cret", "Cookie": "s3cret",
    "X-Api-Key": "s3cret", "X-Auth-Token": "s3cret", "Proxy-Authorization": "s3cret",
    "X-Internal": "hidden",
}  # fmt: skip


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (None, None),
        ({"includes": ["x-tenant"]}, {"x-tenant": "acme"}),
        ({"includes": ["X-T*"]}, {"x-tenant": "acme", "x-trace": "a"}),
        ({"includes": ["x-*"], "excludes": ["X-Internal"]}, {"x-tenant": "acme", "x-trace": "a"}),
        ({"includes": ["authorization", "cookie", "*key*", "*token*"]}, {}),
        ({"excludes": ["x-internal"]}, {}),
    ],
    ids=["none", "one", "pattern", "but one", "secrets", "nothing included"],
)
async def test_the_log_holds_the_headers_that_are_asked_for_and_no_secrets(
    tmp_path: Path, logged: LogCapture, chosen: Any, expected: Any
) -> None:
    config = {} if chosen is None else {"http": {"logging_headers": chosen}}
    async with served(tmp_path, config) as api:
        await api.client.get("/info", headers=SENT)
    (line,) = [e for e in logged.entries if e.get("path") == "/info"]
    assert line.get("headers") == expected
    assert "s3cret" not in json.dumps(logged.entries, default=str)


# --- auth.disable_studio_auth ------------------------------------------------------------------


@pytest.mark.parametrize("disabled", [False, True])
async def test_nobody_is_let_in_for_calling_themselves_the_studio(
    tmp_path: Path, disabled: bool
) -> None:
    config = config_of(tmp_path)
    config["auth"]["disable_studio_auth"] = disabled
    async with served(tmp_path, config) as api:
        api.client.headers.update({"x-auth-scheme": "langsmith", "x-user-id": "studio"})
        await api.json("POST", "/threads/search", {}, status=401)
