"""No route tells a stranger anything: not what there is, and not that it is there.

The tests walk over the declarations of the routes. Each is called without a key, with a wrong one, and
with the key of somebody else; for somebody else the answer must be, byte for byte, the one for an id
that nobody ever gave. A new route that the walk cannot call fails the test until it is told how.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from caesura.server.http.routes import Endpoint
from caesura.server.project.settings import Settings
from caesura.server.resources import all_endpoints, socket_routes

from .server import PATIENCE, Server, free_port

PUBLIC = {
    "GET /ok", "GET /info", "GET /metrics", "GET /openapi.json", "GET /docs",
    # The pages know people by a session of their own; what they show without one is tested below.
    "GET /", "GET /inbox/static/{name}", "GET /inbox/session", "POST /inbox/session",
    "POST /inbox/session/end", "POST /inbox/runs", "GET /inbox/stream",
    "GET /inbox/threads/{thread_id}", "GET /inbox/interrupts/{interrupt_id}",
    "POST /inbox/interrupts/{interrupt_id}",
}  # fmt: skip
"""Routes that ask for no key. Whatever is added here is open to the world."""

WRONG = (None, b"", b"csk_wrong", b"alice\xff", b"x" * 5000)
"""Keys that nobody was given."""
SECRET = "swordfish-of-alice"
GRAPHS = """
from typing import Annotated, TypedDict
import operator
from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt

class State(TypedDict, total=False):
    secret: str
    answer: str

def ask(state):
    return {"answer": interrupt({"question": state.get("secret")})}

builder = StateGraph(State)
builder.add_node("ask", ask)
builder.add_edge(START, "ask")
builder.add_edge("ask", END)
agent = builder.compile()
"""
GUARD = """
from langgraph_sdk import Auth

auth = Auth()

@auth.authenticate
async def authenticate(headers):
    key = dict(headers).get(b"x-api-key", b"").decode("latin-1")
    if key not in ("alice", "bob"):
        raise Auth.exceptions.HTTPException(status_code=401, detail="Unauthorized")
    return {"identity": key}

@auth.on
async def own(ctx, value):
    if ctx.resource == "store":
        value["namespace"] = (ctx.user.identity, *(value.get("namespace") or ()))
        return None
    owner = {"owner": ctx.user.identity}
    value.setdefault("metadata", {}).update(owner)
    return owner
"""


class Guarded:
    """A server with two tenants; everything there is belongs to Alice."""

    def __init__(self, server: Server, keys: dict[str, str]) -> None:
        self.server, self.keys = server, keys
        self.alice = self.client(keys["alice"])
        self.bob = self.client(keys["bob"])
        self.wrong = [self.client(key) for key in WRONG]
        self.ids = self._belongings()

    def client(self, key: str | bytes | None) -> httpx.Client:
        url, given = self.server.url, key.encode() if isinstance(key, str) else key
        headers = {} if given is None else {b"x-api-key": given}
        return httpx.Client(base_url=url, headers=headers, timeout=PATIENCE, verify=False)

    def close(self) -> None:
        for client in (self.alice, self.bob, *self.wrong):
            client.close()

    def _belongings(self) -> dict[str, str]:
        alice = self.alice

        def made(path: str, body: Any) -> Any:
            reply = alice.post(path, json=body)
            assert reply.status_code == 200, reply.text
            return reply.json()

        described = {"graph_id": "agent", "config": {"tags": [SECRET]}, "name": SECRET}
        assistant = made("/assistants", described)["assistant_id"]
        thread = made("/threads", {"metadata": {"note": SECRET}})["thread_id"]
        body = {"assistant_id": assistant, "input": {"secret": SECRET}, "stream_resumable": True}
        values = made(f"/threads/{thread}/runs/wait", body)
        run = alice.get(f"/threads/{thread}/runs").json()[0]["run_id"]
        schedule = {"assistant_id": assistant, "schedule": "0 0 1 1 *", "metadata": {"s": SECRET}}
        cron = made("/runs/crons", schedule)["cron_id"]
        item = {"namespace": [SECRET], "key": "k", "value": {"secret": SECRET}}
        assert alice.put("/store/items", json=item).status_code == 204
        state = alice.get(f"/threads/{thread}/state").json()
        return {
            "assistant_id": assistant,
            "assistant": assistant,
            "thread_id": thread,
            "run_id": run,
            "cron_id": cron,
            "interrupt_id": values["__interrupt__"][0]["id"],
            "checkpoint_id": state["checkpoint"]["checkpoint_id"],
            "namespace": "ask",
            "name": "page.css",
        }


def _by_handlers(server: Server) -> dict[str, str]:
    (server.directory / "guard.py").write_text(GUARD)
    _write_config(server.directory, {"path": "./guard.py:auth"})
    return {"alice": "alice", "bob": "bob"}


def _by_keys(server: Server) -> dict[str, str]:
    _write_config(server.directory, {"keys": True, "isolate": True})
    where: dict[str, Any] = {"cwd": server.directory, "env": server.environment}
    keys = {}
    for name in ("alice", "bob"):
        command = [sys.executable, "-m", "caesura", "keys", "create", name, "--json"]
        made = subprocess.run(command, **where, capture_output=True, text=True, check=True)
        keys[name] = json.loads(made.stdout)["key"]
    return keys


def _write_config(folder: Path, auth: Any) -> None:
    config = {"dependencies": ["."], "graphs": {"agent": "./graphs.py:agent"}, "auth": auth}
    (folder / "langgraph.json").write_text(json.dumps(config))


@pytest.fixture(scope="module", params=[_by_handlers, _by_keys], ids=["handlers", "keys"])
def guarded(request: pytest.FixtureRequest, tmp_path_factory: Any) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("rights") / "project"
    folder.mkdir()
    (folder / "graphs.py").write_text(GRAPHS)
    server = Server(folder, free_port())
    keys = request.param(server)
    server.url = f"http://127.0.0.1:{server.port}"
    try:
        server.start()
        found = Guarded(server, keys)
        yield found
        found.close()
    finally:
        server.stop()


# --- how each route is called -------------------------------------------------------------------


def bodies(ids: dict[str, str]) -> dict[str, Any]:
    """A body for each operation that takes one, about things with these ids."""
    run = {"assistant_id": ids["assistant_id"], "input": {"secret": "x"}}
    plain = {"assistant_id": "agent", "input": {"secret": "x"}}
    cron = {"assistant_id": ids["assistant_id"], "schedule": "0 0 1 1 *"}
    item = {"namespace": [SECRET], "key": "k"}
    resume = {"assistant_id": "agent", "command": {"resume": {ids["interrupt_id"]: "x"}}}
    return {
        "create_assistant": {"graph_id": "agent", "assistant_id": ids["assistant_id"]},
        "search_assistants": {"name": SECRET},
        "count_assistants": {"name": SECRET},
        "patch_assistant": {"name": "x"},
        "list_versions": {},
        "set_latest_version": {"version": 1},
        "create_thread": {"thread_id": ids["thread_id"]},
        "patch_thread": {"metadata": {"x": 1}},
        "search_threads": {"ids": [ids["thread_id"]]},
        "count_threads": {"metadata": {"note": SECRET}},
        "prune_threads": {"thread_ids": [ids["thread_id"]]},
        "get_state_at_checkpoint": {"checkpoint": {"checkpoint_id": ids["checkpoint_id"]}},
        "update_state": {"values": {"secret": "x"}, "as_node": "ask"},
        "patch_state": {"metadata": {"x": 1}},
        "search_history": {"limit": 5},
        "create_run": plain,
        "wait_run": resume,
        "stream_run": resume,
        "cancel_runs": {"thread_id": ids["thread_id"], "run_ids": [ids["run_id"]]},
        "create_stateless_run": run,
        "wait_stateless_run": run,
        "stream_stateless_run": run,
        "create_batch": [run],
        "create_cron": cron,
        "create_thread_cron": {**cron, "assistant_id": "agent"},
        "search_crons": {"thread_id": ids["thread_id"]},
        "count_crons": {"assistant_id": ids["assistant_id"]},
        "patch_cron": {"enabled": False},
        "put_item": {**item, "value": {"x": 1}},
        "delete_item": item,
        "search_items": {"namespace_prefix": [SECRET]},
        "list_namespaces": {"prefix": [SECRET]},
        "answer_interrupt": {"answer": "x"},
        "answer_interrupts": {"answers": [{"id": ids["interrupt_id"], "answer": "x"}]},
        "send_command": {
            "id": 1,
            "method": "input.respond",
            "params": {"interrupt_id": ids["interrupt_id"], "namespace": [], "response": "x"},
        },
        "stream_events": {"channels": ["values"]},
        "call_mcp": {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}},
        "call_mcp_with_slash": {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}},
    }


ENDLESS = {"stream_thread", "stream_events", "stream_interrupts"}
"""Streams that do not end by themselves: what comes in the first moment is compared."""
MAKES = {"create_assistant", "create_thread"}
"""An id that is taken is refused whoever asks; this is tested apart."""
MADE_ANEW = re.compile(
    r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}|[0-9a-f]{32}"
    r"|\d{4}-\d\d-\d\dT[0-9:.]+(\+00:00|Z)|\d+\.\d+"
)
"""Ids and times, which differ from reply to reply."""


def called(client: httpx.Client, endpoint: Endpoint, ids: dict[str, str]) -> tuple[int, str, str]:
    """(status, body, body with ids and times blotted out)."""
    path = endpoint.path
    for name in re.findall(r"{(\w+)}", path):
        assert name in ids, f"{endpoint.path}: say in `_belongings` what {name} is"
        path = path.replace(f"{{{name}}}", ids[name])
    body = None
    if (endpoint.body is not None and endpoint.body_required) or endpoint.operation_id in bodies(
        ids
    ):
        assert endpoint.operation_id in bodies(ids), f"say in `bodies` what {path} takes"
        body = bodies(ids)[endpoint.operation_id]
    params = {"namespace": SECRET, "key": "k"} if endpoint.operation_id == "get_item" else None
    if endpoint.operation_id in ENDLESS:
        return _beginning(client, endpoint.method, path, body)
    headers = {"Last-Event-ID": "-1", "Accept": "application/json, text/event-stream"}
    reply = client.request(endpoint.method, path, json=body, params=params, headers=headers)
    return reply.status_code, reply.text, MADE_ANEW.sub("…", reply.text)


def _beginning(client: httpx.Client, method: str, path: str, body: Any) -> tuple[int, str, str]:
    """What an endless stream says before it is silent for a while."""
    text = ""
    with client.stream(method, path, json=body, timeout=0.5) as reply:
        try:
            for line in reply.iter_lines():
                text += line
        except httpx.ReadTimeout:
            pass
        return reply.status_code, text, MADE_ANEW.sub("…", text)


def random_ids(ids: dict[str, str]) -> dict[str, str]:
    fresh = {name: str(uuid4()) for name in ids}
    return {**fresh, "assistant": fresh["assistant_id"], "interrupt_id": uuid4().hex,
            "name": ids["name"], "namespace": ids["namespace"]}  # fmt: skip


ENDPOINTS = sorted(all_endpoints(), key=lambda e: (e.method != "GET", e.method, e.path))
GUARDED = [e for e in ENDPOINTS if not e.public]


def name_of(endpoint: Endpoint) -> str:
    return f"{endpoint.method} {endpoint.path}"


def test_the_routes_open_to_everybody_are_those_listed_here() -> None:
    assert {name_of(e) for e in ENDPOINTS if e.public} == PUBLIC


@pytest.mark.parametrize("endpoint", GUARDED, ids=name_of)
def test_without_a_right_key_every_route_says_401_and_nothing_else(
    guarded: Guarded, endpoint: Endpoint
) -> None:
    told = set()
    for client in guarded.wrong:
        for ids in (guarded.ids, random_ids(guarded.ids)):
            status, text, _ = called(client, endpoint, ids)
            told.add(text)
            assert status == 401, (client.headers, text)
    assert len(told) == 1, "what was asked for shows in the refusal"


def snapshot(guarded: Guarded) -> Any:
    """All that is Alice's."""
    ids, alice = guarded.ids, guarded.alice
    return [
        alice.get(path).text
        for path in (
            f"/threads/{ids['thread_id']}",
            f"/threads/{ids['thread_id']}/state",
            f"/threads/{ids['thread_id']}/runs",
            f"/assistants/{ids['assistant_id']}",
            f"/runs/crons/{ids['cron_id']}",
            f"/interrupts/{ids['interrupt_id']}",
            f"/store/items?namespace={SECRET}&key=k",
        )
    ]


@pytest.mark.parametrize("endpoint", GUARDED, ids=name_of)
def test_to_somebody_else_what_is_not_theirs_does_not_exist(
    guarded: Guarded, endpoint: Endpoint
) -> None:
    before = snapshot(guarded)
    status, text, blotted = called(guarded.bob, endpoint, guarded.ids)
    strange, _, strange_blotted = called(guarded.bob, endpoint, random_ids(guarded.ids))
    assert snapshot(guarded) == before, "somebody else changed what is Alice's"
    assert SECRET not in text.replace(f'"namespace":["{SECRET}"]', "")
    if endpoint.operation_id not in MAKES:
        assert (status, blotted) == (strange, strange_blotted)
    assert status < 500
    assert strange < 500


@pytest.mark.parametrize("path", ["/", "/inbox/threads/{thread_id}", "/inbox/stream",
                                  "/inbox/interrupts/{interrupt_id}"])  # fmt: skip
def test_the_pages_show_nothing_to_those_who_have_not_signed_in(
    guarded: Guarded, path: str
) -> None:
    with guarded.client(None) as client:
        reply = client.get(path.format(**guarded.ids), follow_redirects=True)
        strange = client.get(path.format(**random_ids(guarded.ids)), follow_redirects=True)
    assert SECRET not in reply.text
    assert guarded.ids["interrupt_id"] not in reply.text
    assert (reply.status_code, MADE_ANEW.sub("…", reply.text)) == (
        strange.status_code,
        MADE_ANEW.sub("…", strange.text),
    )


def test_a_thread_id_in_the_config_does_not_lead_to_somebody_elses_thread(guarded: Guarded) -> None:
    """A run has the thread of its path, whatever else it is told."""
    before = snapshot(guarded)
    bob, ids = guarded.bob, guarded.ids
    where = {
        "thread_id": ids["thread_id"], "checkpoint_id": ids["checkpoint_id"], "checkpoint_ns": "",
        "__pregel_checkpointer": None, "__pregel_resuming": True, "__pregel_task_id": "x",
        "checkpoint_map": {"": ids["checkpoint_id"]}, "owner": "alice",
        "langgraph_auth_user": {"identity": "alice"}, "langgraph_auth_user_id": "alice",
    }  # fmt: skip
    own = bob.post("/threads", json={}).json()["thread_id"]
    body: dict[str, Any] = {"assistant_id": "agent", "config": {"configurable": where}}
    for given in ({"input": {"secret": "bob"}}, {"input": None}, {"command": {"resume": "x"}},
                  {"checkpoint": {"thread_id": ids["thread_id"],
                                  "checkpoint_id": ids["checkpoint_id"]}}):  # fmt: skip
        for path in (f"/threads/{own}/runs/wait", "/runs/wait"):
            reply = bob.post(path, json={**body, **given})
            assert SECRET not in reply.text
    address = {"thread_id": ids["thread_id"], "checkpoint_id": ids["checkpoint_id"]}
    for reply in (
        bob.post(f"/threads/{own}/state/checkpoint", json={"checkpoint": address}),
        bob.post(f"/threads/{own}/state", json={"values": {"secret": "b"}, "checkpoint": address}),
        bob.post(f"/threads/{own}/history", json={"checkpoint": address, "limit": 10}),
        bob.post(f"/threads/{own}/history", json={"before": {"configurable": address}}),
        bob.get(f"/threads/{own}/state/{ids['checkpoint_id']}"),
    ):
        assert SECRET not in reply.text
        assert reply.status_code < 500
    assert snapshot(guarded) == before


def test_nobody_becomes_an_owner_by_what_they_send(guarded: Guarded) -> None:
    bob, alice = guarded.bob, guarded.alice
    claimed = {"metadata": {"owner": "alice", "langgraph_auth_user_id": "alice"}}
    thread = bob.post("/threads", json=claimed).json()["thread_id"]
    assert alice.get(f"/threads/{thread}").status_code == 404, "it was put under Alice's things"
    bob.patch(f"/threads/{thread}", json=claimed)
    assert bob.get(f"/threads/{thread}").status_code == 200
    assert alice.get(f"/threads/{thread}").status_code == 404
    body = {"assistant_id": "agent", "input": {"secret": "bob"}, **claimed}
    bob.post(f"/threads/{thread}/runs/wait", json=body)
    assert bob.get(f"/threads/{thread}").status_code == 200
    assert alice.get(f"/threads/{thread}").status_code == 404


def test_an_assistant_of_somebody_else_cannot_be_run(guarded: Guarded) -> None:
    body = {"assistant_id": guarded.ids["assistant_id"], "input": {"secret": "x"}}
    thread = guarded.bob.post("/threads", json={}).json()["thread_id"]
    for path in (f"/threads/{thread}/runs", f"/threads/{thread}/runs/wait", "/runs", "/runs/wait"):
        reply = guarded.bob.post(path, json=body)
        assert reply.status_code == 404, reply.text
        assert SECRET not in reply.text


def test_an_idempotency_key_of_somebody_else_opens_nothing(guarded: Guarded) -> None:
    key = {"Idempotency-Key": "one-key"}
    body = {"assistant_id": "agent", "input": {"secret": "s"}, "on_completion": "keep"}
    first = guarded.alice.post("/runs", json=body, headers=key).json()
    second = guarded.bob.post("/runs", json=body, headers=key).json()
    assert first["run_id"] != second["run_id"]
    assert first["thread_id"] != second["thread_id"]


# --- WebSockets ---------------------------------------------------------------------------------

SOCKETS = {"/threads/{thread_id}/stream/events"}
"""The WebSockets there are; each is walked over below."""
SUBSCRIBE = {
    "id": 1,
    "method": "subscription.subscribe",
    "params": {"channels": ["values", "input"]},
}


def test_the_websockets_are_those_listed_here() -> None:
    served = SimpleNamespace(settings=Settings(directory=Path()))
    assert {route.path for route in socket_routes(served, "")} == SOCKETS  # type: ignore


def talked(guarded: Guarded, path: str, key: Any, *commands: Any) -> tuple[list[str], int | None]:
    """What a WebSocket says until it is silent for a moment or closes; and its close code."""
    url = guarded.server.url.replace("http", "ws", 1) + path
    value = key.encode() if isinstance(key, str) else key
    headers = None if key is None else {"x-api-key": value.decode("latin-1")}
    texts: list[str] = []
    with connect(url, additional_headers=headers) as socket:
        try:
            for command in commands:
                socket.send(json.dumps(command))
            while True:
                texts.append(str(socket.recv(timeout=0.5)))
        except TimeoutError:
            return texts, None
        except ConnectionClosed as closed:
            return texts, closed.rcvd.code if closed.rcvd is not None else 0


@pytest.mark.parametrize("template", sorted(SOCKETS))
def test_a_websocket_tells_a_stranger_nothing(guarded: Guarded, template: str) -> None:
    for key in (None, b"csk_wrong", b"x" * 500):
        for ids in (guarded.ids, random_ids(guarded.ids)):
            told = talked(guarded, template.format(**ids), key, SUBSCRIBE)
            assert told == ([], 4401)


@pytest.mark.parametrize("template", sorted(SOCKETS))
def test_a_websocket_tells_somebody_else_nothing_and_does_nothing_for_them(
    guarded: Guarded, template: str
) -> None:
    before = snapshot(guarded)
    respond = bodies(guarded.ids)["send_command"] | {"id": 2}
    path = template.format(**guarded.ids)
    own, _ = talked(guarded, path, guarded.keys["alice"], SUBSCRIBE)
    assert SECRET in "".join(own), "what Alice sees is not there to be hidden"
    texts, code = talked(guarded, path, guarded.keys["bob"], SUBSCRIBE, respond)
    assert (texts, code) == ([], 4404)
    stranger, _ = talked(
        guarded, template.format(**random_ids(guarded.ids)), guarded.keys["bob"], SUBSCRIBE, respond
    )
    assert SECRET not in "".join(stranger)
    assert snapshot(guarded) == before
