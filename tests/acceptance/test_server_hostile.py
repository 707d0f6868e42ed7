"""Whatever is sent, the server refuses it in a form of its own, stays up, and keeps threads apart.

What no HTTP client would send goes over raw sockets.
"""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from .server import PATIENCE, Server, free_port

LIMIT = 16 * 1024 * 1024
GRAPHS = """
from typing import Annotated, Any, TypedDict
import operator
from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt

class State(TypedDict, total=False):
    text: Any
    grow: int
    log: Annotated[list[str], operator.add]

def echo(state):
    return {"log": ["echo"], "text": "x" * state["grow"] if state.get("grow") else state.get("text")}

def ask(state):
    return {"text": interrupt({"of": state.get("text")})}

def one(node):
    builder = StateGraph(State)
    builder.add_node("node", node)
    builder.add_edge(START, "node")
    builder.add_edge("node", END)
    return builder.compile()

echoes = one(echo)
asks = one(ask)
"""


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("hostile") / "project"
    folder.mkdir()
    (folder / "graphs.py").write_text(GRAPHS)
    graphs = {"echoes": "./graphs.py:echoes", "asks": "./graphs.py:asks"}
    config = {"dependencies": ["."], "graphs": graphs}
    (folder / "langgraph.json").write_text(json.dumps(config))
    server = Server(folder, free_port())
    server.url = f"http://127.0.0.1:{server.port}"
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture
def client(hostile: Server) -> Iterator[httpx.Client]:
    """A client; after each test the server is well, and has logged no error."""
    before = len(hostile.log)
    with httpx.Client(base_url=hostile.url, timeout=PATIENCE, verify=False) as client:
        yield client
        assert client.get("/ok").status_code == 200
    wrong = [line for line in hostile.log[before:].splitlines() if '"level": "error"' in line]
    assert wrong == []


def raw(server: Server, data: bytes, *, timeout: float = 5.0) -> bytes:
    """What comes back for these bytes until the server closes or is silent."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=timeout) as connection:
        found = b""
        try:
            connection.sendall(data)
            while part := connection.recv(65536):
                found += part
        except (TimeoutError, ConnectionError):
            pass
        return found


def statuses(reply: bytes) -> list[int]:
    return [int(part[:3]) for part in reply.split(b"HTTP/1.1 ")[1:]]


def refused(reply: httpx.Response, *allowed: int) -> None:
    assert reply.status_code in (allowed or (400, 404, 422)), (reply.status_code, reply.text[:300])
    assert isinstance(reply.json()["detail"], str)


# --- bodies -------------------------------------------------------------------------------------

DEEP = 100_000
BODIES = {
    "empty": b"",
    "nothing": b"null",
    "list": b"[]",
    "text": b'"x"',
    "number": b"1",
    "cut off": b'{"assistant_id": "echoes", "inp',
    "trailing": b'{"assistant_id": "echoes"} x',
    "deep list": b'{"assistant_id": "echoes", "input": ' + b"[" * DEEP + b"]" * DEEP + b"}",
    "deep object": b'{"assistant_id": "echoes", "input": ' + b'{"a":' * DEEP + b"1" + b"}" * DEEP + b"}",
    "deep and unclosed": b"[" * DEEP,
    "bad utf-8": b'{"assistant_id": "echoes", "input": {"text": "\xff\xfe"}}',
    "overlong utf-8": b'{"assistant_id": "echoes", "input": {"text": "\xc0\xaf"}}',
    "raw control": b'{"assistant_id": "echoes", "input": {"text": "\x00\x01"}}',
    "utf-16": '{"assistant_id": "echoes"}'.encode("utf-16"),
    "nan": b'{"assistant_id": "echoes", "input": {"text": NaN}}',
    "infinity": b'{"assistant_id": "echoes", "input": {"text": -Infinity}}',
    "assistant a number": b'{"assistant_id": 5}',
    "assistant a list": b'{"assistant_id": ["echoes"]}',
    "config a list": b'{"assistant_id": "echoes", "config": []}',
    "configurable a text": b'{"assistant_id": "echoes", "config": {"configurable": "x"}}',
    "tags a text": b'{"assistant_id": "echoes", "input": {}, "config": {"tags": "x"}}',
    "recursion limit huge": b'{"assistant_id": "echoes", "input": {}, "config": {"recursion_limit": -1}}',
    "modes unknown": b'{"assistant_id": "echoes", "input": {}, "stream_mode": ["no such"]}',
    "goto a number": b'{"assistant_id": "echoes", "command": {"goto": 5}}',
    "goto nowhere": b'{"assistant_id": "echoes", "command": {"goto": [{"input": 1}]}}',
    "after never": b'{"assistant_id": "echoes", "input": {}, "after_seconds": 1e308}',
    "after before": b'{"assistant_id": "echoes", "input": {}, "after_seconds": -1}',
}  # fmt: skip


@pytest.mark.parametrize("name", BODIES)
def test_a_body_that_is_none_is_refused_in_words(client: httpx.Client, name: str) -> None:
    thread = client.post("/threads", json={}).json()["thread_id"]
    for path in ("/runs", f"/threads/{thread}/runs"):
        refused(client.post(path, content=BODIES[name]))
    assert client.get(f"/threads/{thread}/runs").json() == []


@pytest.mark.parametrize("path", [
    "/assistants", "/assistants/search", "/threads", "/threads/search", "/threads/count",
    "/threads/prune", "/runs/wait", "/runs/batch", "/runs/cancel", "/runs/crons",
    "/runs/crons/search", "/store/items/search", "/store/namespaces", "/interrupts/answers", "/mcp",
])  # fmt: skip
@pytest.mark.parametrize("name", ["cut off", "deep list", "number", "nan", "utf-16"])
def test_every_route_refuses_a_body_that_is_none(
    client: httpx.Client, path: str, name: str
) -> None:
    reply = client.post(path, content=BODIES[name])
    assert 400 <= reply.status_code < 500, reply.text[:300]


HUGE: dict[str, str] = {
    "int": "1" + "0" * 400, "negative": "-" + "9" * 30, "digits": "9" * 5000, "float": "1e400",
    "small": "1e-400", "zero": "-0.0",
}  # fmt: skip


@pytest.mark.parametrize("name", HUGE)
def test_numbers_beyond_every_machine_are_kept_or_refused_and_break_nothing(
    client: httpx.Client, name: str
) -> None:
    thread = client.post("/threads", json={}).json()["thread_id"]
    body = f'{{"assistant_id": "echoes", "input": {{"text": {HUGE[name]}}}}}'
    reply = client.post(f"/threads/{thread}/runs/wait", content=body)
    assert reply.status_code in (200, 422), reply.text[:300]
    assert client.get(f"/threads/{thread}/state").status_code == 200
    assert client.get(f"/threads/{thread}").status_code == 200
    for path in ("/threads", "/threads/search", "/assistants/search", "/store/items/search"):
        for key in ("metadata", "limit", "filter"):
            given = f'{{"{key}": {{"a": {HUGE[name]}}}, "namespace_prefix": []}}'
            assert client.post(path, content=given).status_code < 500, (path, key)


TEXTS = {
    "lone surrogate": r"\ud800",
    "surrogates reversed": r"\udc00\ud800",
    "nul": r"\u0000",
    "line separators": r"\u2028\u2029\u0085",
    "escape": r"\u001b[2J",
    "bidi": r"\u202e",
    "noncharacter": r"\uffff\ufffe",
}


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("graph", ["echoes", "asks"])
def test_odd_characters_are_kept_or_refused_and_break_nothing(
    client: httpx.Client, name: str, graph: str
) -> None:
    thread = client.post("/threads", json={}).json()["thread_id"]
    text = TEXTS[name]
    body = f'{{"assistant_id": "{graph}", "input": {{"text": "a{text}b"}}, "metadata": {{"m": "{text}"}}}}'
    reply = client.post(f"/threads/{thread}/runs/wait", content=body)
    assert reply.status_code in (200, 422), reply.text[:300]
    for path in ("", "/state", "/history?limit=10", "/runs"):
        found = client.get(f"/threads/{thread}{path}")
        assert found.status_code == 200, (path, found.text[:300])
        found.json()
    assert client.get("/interrupts").status_code == 200
    item = f'{{"namespace": ["{text}"], "key": "{text}", "value": {{"v": "{text}"}}}}'
    assert client.put("/store/items", content=item).status_code < 500
    for path, given in {
        "/threads/search": f'{{"metadata": {{"{text}": "{text}"}}}}',
        "/assistants/search": f'{{"name": "{text}"}}',
        "/assistants": f'{{"graph_id": "echoes", "name": "{text}", "metadata": {{"{text}": 1}}}}',
        "/store/items/search": f'{{"namespace_prefix": ["{text}"], "query": "{text}"}}',
    }.items():
        assert client.post(path, content=given).status_code < 500, path


def test_what_is_large_but_allowed_goes_through(client: httpx.Client) -> None:
    thread = client.post("/threads", json={}).json()["thread_id"]
    text = "x" * (10 * 1024 * 1024)
    body = {"assistant_id": "echoes", "input": {"text": text}}
    reply = client.post(f"/threads/{thread}/runs/wait", json=body)
    assert len(reply.json()["text"]) == len(text)
    state = client.get(f"/threads/{thread}/state").json()
    assert len(state["values"]["text"]) == len(text)
    grown = {"assistant_id": "echoes", "input": {"grow": 20 * 1024 * 1024}}
    reply = client.post(f"/threads/{thread}/runs/wait", json=grown)
    assert len(reply.json()["text"]) == 20 * 1024 * 1024


def test_a_body_beyond_the_limit_is_refused_with_413_declared_or_not(
    client: httpx.Client, hostile: Server
) -> None:
    refused(client.post("/runs", content=b" " * (LIMIT + 1)), 413)

    def drops() -> Iterator[bytes]:
        for _ in range(LIMIT // 65536 + 2):
            yield b" " * 65536

    with contextlib.suppress(httpx.TransportError):  # it may close before all was sent
        refused(client.post("/runs", content=drops()), 413)
    head = b"POST /runs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99999999999\r\n\r\n"
    assert statuses(raw(hostile, head))[:1] == [413]


# --- heads --------------------------------------------------------------------------------------


def test_headers_beyond_the_limit_are_refused(client: httpx.Client, hostile: Server) -> None:
    refused(client.get("/info", headers={"x-long": "x" * 70_000}), 431)
    refused(client.get("/info?" + "q" * 60_000, headers={"x": "x" * 10_000}), 431)
    endless = b"GET /info HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"x-a: " + b"a" * 3_000_000
    assert statuses(raw(hostile, endless)) in ([], [400], [431])
    many = b"".join(b"x-%d: y\r\n" % n for n in range(50_000))
    reply = raw(hostile, b"GET /info HTTP/1.1\r\nHost: 127.0.0.1\r\n" + many + b"\r\n")
    assert statuses(reply) in ([], [400], [431])


PATHS = [
    "/threads/../info", "/threads/%2e%2e/info", "/threads/..%2finfo", "/..", "/../../etc/passwd",
    "//threads", "/threads//state", "/threads/%00", "/threads/%00/state", "/threads/a%2fb",
    "/threads/%0d%0aX-Evil:1", "/threads/%ff%fe", "/threads/%", "/threads/%zz", "/inbox/static/..%2f..%2fapp.py",
    "/inbox/static/%2e%2e%2fviews.py", "/inbox/static/....//views.py", "/inbox/static/%00", "/%2e%2e/%2e%2e",
    "/threads/{x}", "/threads/'%20OR%201=1--", "/threads/%F0%9F%98%80", "/assistants/%2e%2e/graph",
    "/assistants/agent%00/schemas", "/interrupts/%00", "/interrupts/..%2f", "/runs/crons/%00",
    "/threads/" + "a" * 30_000, "/store/items?namespace=%00&key=%00", "/store/items?namespace=..&key=../..",
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(PATHS)))
def test_tricks_with_paths_lead_nowhere(client: httpx.Client, hostile: Server, number: int) -> None:
    path = PATHS[number]
    for method in ("GET", "DELETE", "POST"):
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\nConnection: close\r\n\r\n"
        reply = raw(hostile, head.encode("latin-1") + b"{}")
        assert statuses(reply), reply[:200]
        allowed = {200, 400, 404, 405, 422, 204} if "store/items?" in path else {400, 404, 405, 422}
        assert set(statuses(reply)) <= allowed, reply[:400]
        assert b"X-Evil" not in reply.split(b"\r\n\r\n")[0]
        assert b"root:" not in reply
        assert b"import " not in reply


@pytest.mark.parametrize(
    "method", ["TRACE", "CONNECT", "OPTIONS", "PROPFIND", "GET\x00", "get", "", "A" * 9000]
)
def test_tricks_with_methods_lead_nowhere(
    client: httpx.Client, hostile: Server, method: str
) -> None:
    override = "X-HTTP-Method-Override: DELETE\r\nConnection: close"
    head = f"{method} /threads HTTP/1.1\r\nHost: 127.0.0.1\r\n{override}\r\n\r\n"
    reply = raw(hostile, head.encode("latin-1"))
    assert set(statuses(reply)) <= {400, 405, 404}, reply[:300]


SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
SMUGGLING = {
    "CL and TE": b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "TE and CL": b"Transfer-Encoding: chunked\r\nContent-Length: 100\r\n\r\n0\r\n\r\n",
    "two lengths": b"Content-Length: 0\r\nContent-Length: 44\r\n\r\n",
    "length list": b"Content-Length: 0, 44\r\n\r\n",
    "signed length": b"Content-Length: +0\r\n\r\n",
    "negative length": b"Content-Length: -1\r\n\r\n",
    "hex length": b"Content-Length: 0x0\r\n\r\n",
    "TE twice": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "TE odd": b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "TE space": b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "TE tab": b"Transfer-Encoding:\tchunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
    "chunk overflow": b"Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n\r\n0\r\n\r\n",
    "chunk junk": b"Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n0\r\n\r\n",
    "folded": b"X-A: b\r\n Content-Length: 44\r\nContent-Length: 0\r\n\r\n",
}
AMBIGUOUS = [
    name for name in SMUGGLING if name not in ("CL and TE", "TE and CL", "TE tab", "folded")
]


@pytest.mark.parametrize("name", SMUGGLING)
def test_a_request_whose_end_is_unclear_is_not_followed_by_another(
    client: httpx.Client, hostile: Server, name: str
) -> None:
    """What a proxy might take for one request is not two: the connection ends, or nothing is odd."""
    head = b"POST /threads/search HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    reply = raw(hostile, head + SMUGGLING[name] + SMUGGLED, timeout=2)
    if name in AMBIGUOUS:
        assert statuses(reply)[:1] in ([], [400], [422]), reply[:300]
        assert len(statuses(reply)) <= 1, reply[:600]
    else:
        assert len(statuses(reply)) <= 2


def test_a_client_that_never_finishes_its_request_holds_nobody_else_up(
    client: httpx.Client, hostile: Server
) -> None:
    head = b"POST /runs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n"
    held = [socket.create_connection(("127.0.0.1", hostile.port)) for _ in range(300)]
    try:
        for number, connection in enumerate(held):
            connection.sendall(head if number % 2 else head + b"\r\n{")
        for _ in range(20):
            assert client.get("/info").status_code == 200
    finally:
        for connection in held:
            connection.close()


# --- injection ----------------------------------------------------------------------------------

EVIL = [
    "'", '"', "' OR '1'='1", "'; DROP TABLE threads; --", "a' UNION SELECT * FROM api_keys --",
    "%", "_", "\\", "$.a", "a.b", "a[0]", '"]', "$", "a\"b'c", "?", ":x", "*", "NULL", "\x00", "--", "/*",
    "\r\nX-Evil: 1", "a\nb", "${jndi:x}", "{{7*7}}", "{0.__class__}", "<script>alert(1)</script>",
]  # fmt: skip


def tables_stand(client: httpx.Client) -> None:
    for path in ("/threads/search", "/assistants/search", "/runs/crons/search"):
        assert client.post(path, json={}).status_code == 200


@pytest.mark.parametrize("number", range(len(EVIL)))
def test_no_text_is_taken_for_sql(client: httpx.Client, number: int) -> None:
    evil, mark = EVIL[number], str(uuid4())
    if "\0" in evil:
        refused(client.post("/threads", json={"metadata": {evil: mark}}), 422)
        return
    thread = client.post("/threads", json={"metadata": {evil: mark, "of": evil}}).json()
    client.post("/threads", json={"metadata": {"other": mark}})
    asked = [
        ("/threads/search", {"metadata": {evil: mark}}, 1),
        ("/threads/search", {"metadata": {evil: "else"}}, 0),
        ("/threads/search", {"metadata": {"of": evil, evil: mark}}, 1),
        ("/threads/search", {"values": {evil: evil}}, 0),
        ("/threads/search", {"ids": [evil]}, None),
        ("/threads/search", {"sort_by": evil}, None),
        ("/threads/search", {"sort_order": evil}, None),
        ("/threads/search", {"status": evil}, None),
        ("/threads/search", {"select": [evil]}, None),
        ("/threads/search", {"extract": {evil: evil}, "limit": 1}, None),
        ("/assistants/search", {"name": evil + mark}, 0),
        ("/assistants/search", {"graph_id": evil}, None),
        ("/assistants/search", {"metadata": {evil: evil}, "sort_by": "name"}, 0),
        ("/runs/crons/search", {"sort_by": evil}, None),
        ("/runs/crons/search", {"assistant_id": evil}, None),
        ("/runs/crons/search", {"metadata": {evil: evil}}, 0),
    ]
    for path, body, wanted in asked:
        reply = client.post(path, json=body)
        assert reply.status_code < 500, (path, body, reply.text[:300])
        if wanted is not None:
            assert reply.status_code == 200, (path, body, reply.text[:300])
            assert len(reply.json()) == wanted, (path, body)
    found = client.post("/threads/search", json={"metadata": {evil: mark}}).json()
    assert found[0]["thread_id"] == thread["thread_id"]
    tables_stand(client)


@pytest.mark.parametrize("number", range(len(EVIL)))
def test_no_text_is_taken_for_sql_by_the_store_and_the_interrupts(
    client: httpx.Client, number: int
) -> None:
    evil = EVIL[number]
    space = [str(uuid4()), evil.replace(".", "") or "x"]
    put = client.put("/store/items", json={"namespace": space, "key": evil, "value": {evil: evil}})
    assert put.status_code in (204, 400, 422), put.text
    if put.status_code == 204:
        for given, wanted in (({evil: evil}, 1), ({evil: "else"}, 0)):
            body = {"namespace_prefix": space[:1], "filter": given}
            found = client.post("/store/items/search", json=body)
            assert found.status_code in (200, 400, 422), found.text
            if found.status_code == 200 and not evil.startswith("$"):
                assert len(found.json()["items"]) == wanted, (given, found.text)
    for body in (
        {"prefix": [evil]}, {"suffix": [evil]}, {"prefix": space[:1], "suffix": [evil, "*"]},
    ):  # fmt: skip
        assert client.post("/store/namespaces", json=body).status_code < 500
    for body in ({"filter": {"a": {evil: 1}}}, {"filter": {"a": {"$gt": evil}}}, {"query": evil}):
        reply = client.post("/store/items/search", json={"namespace_prefix": space, **body})
        assert reply.status_code < 500, (body, reply.text[:300])
    for name in (
        "q",
        "cursor",
        "status",
        "thread_id",
        "graph_id",
        "created_after",
        "sort",
        "limit",
    ):
        reply = client.get("/interrupts", params={name: evil})
        assert reply.status_code < 500, (name, reply.text[:300])
    reply = client.get(f"/interrupts/{evil.encode().hex()}", params={"thread_id": evil})
    assert reply.status_code < 500, reply.text[:300]
    tables_stand(client)


def test_a_text_with_line_breaks_starts_no_line_of_the_log(
    client: httpx.Client, hostile: Server
) -> None:
    forged = "FORGED-" + uuid4().hex
    evil = f'x\r\n{{"event": "{forged}"}}\n{forged}\u2028{forged}\x1b[2J'
    quoted = httpx.QueryParams({"q": evil})
    thread = client.post("/threads", json={"metadata": {"m": evil}}).json()["thread_id"]
    client.get(f"/threads/{httpx.QueryParams({'': evil})}")
    client.get(f"/interrupts?{quoted}")
    client.post("/assistants", json={"graph_id": evil, "name": evil})
    client.post(f"/threads/{thread}/runs", json={"assistant_id": evil})
    client.post(f"/threads/{thread}/runs/wait", json={
        "assistant_id": "echoes", "input": {"grow": evil}, "metadata": {evil: evil},
        "config": {"tags": [evil], "configurable": {evil: evil}}})  # fmt: skip
    client.post(f"/threads/{thread}/state", json={"values": {"log": evil}, "as_node": evil})
    head = [
        f"GET /{forged}%0d%0a{forged} HTTP/1.1", "Host: 127.0.0.1", f"Origin: {forged}",
        f"X-Request-Id: {forged}\x0b{forged}", f"User-Agent: {forged}", "Connection: close",
    ]  # fmt: skip
    raw(hostile, "\r\n".join([*head, "", ""]).encode())
    client.get("/ok")
    for line in hostile.log.replace("\u2028", "\n").replace("\r", "\n").splitlines():
        assert not line.strip().startswith(forged), line
        if forged in line:
            assert json.loads(line)["event"] != forged
            assert "\x1b" not in line


def test_no_header_of_a_reply_is_made_of_what_was_sent(
    hostile: Server, client: httpx.Client
) -> None:
    for id in ("a%0d%0aX-Evil:%201", str(uuid4()) + "%0d%0aX-Evil:%201"):
        for path in (f"/threads/{id}/runs/{id}/stream", f"/runs/{id}/join", f"/interrupts/{id}"):
            reply = client.get(path)
            assert "x-evil" not in reply.headers
            refused(reply)
    reply = client.get("/info", headers={"X-Request-Id": "a b\tc"})
    assert reply.headers["x-request-id"] != "a b\tc"


# --- a run stays on its thread ------------------------------------------------------------------


def everything_of(client: httpx.Client, thread: str) -> list[Any]:
    paths = ("", "/state", "/history?limit=100", "/runs?limit=100")
    return [client.get(f"/threads/{thread}{path}").json() for path in paths]


def test_a_run_touches_no_thread_but_its_own_whatever_its_config_says(client: httpx.Client) -> None:
    victim = client.post("/threads", json={}).json()["thread_id"]
    body = {"assistant_id": "asks", "input": {"text": "of the victim"}}
    client.post(f"/threads/{victim}/runs/wait", json=body)
    before = everything_of(client, victim)
    checkpoint = before[1]["checkpoint"]
    places: list[dict[str, Any]] = [
        {"thread_id": victim},
        {"thread_id": victim, "checkpoint_id": checkpoint["checkpoint_id"]},
        {"thread_id": victim, "checkpoint_ns": "node:1"},
        {"checkpoint_ns": "x|y", "checkpoint_id": "1"},
        {"checkpoint_map": {"": checkpoint["checkpoint_id"]}, "checkpoint_ns": ""},
        {"__pregel_checkpointer": True, "__pregel_store": {}, "__pregel_send": 1},
        {"__pregel_resuming": True, "__pregel_resume_map": {"x": 1}, "__pregel_scratchpad": {}},
        {"__pregel_task_id": "x", "__pregel_read": 1, "__pregel_runtime": {}, "__pregel_ns": "x"},
        {"run_id": str(uuid4()), "graph_id": "echoes", "assistant_id": "x", "user_id": "root"},
        {"langgraph_auth_user": {"identity": "root"}, "langgraph_auth_permissions": ["*"]},
    ]
    for place in places:
        for more in ({"input": {"text": "evil"}}, {"command": {"resume": "evil"}}, {"input": None},
                     {"input": {"text": "evil"}, "checkpoint": {**checkpoint, **place}},
                     {"command": {"update": {"text": "evil"}, "goto": "node"}}):  # fmt: skip
            own = client.post("/threads", json={}).json()["thread_id"]
            config = {"configurable": place, "run_id": str(uuid4()), "callbacks": [1]}
            given = {"assistant_id": "asks", "config": config, **more}
            for path in (f"/threads/{own}/runs/wait", "/runs/wait"):
                reply = client.post(path, json=given)
                assert reply.status_code < 500, (place, more, reply.text[:300])
                assert "of the victim" not in reply.text, (place, more)
            given_state = {"values": {"text": "evil"}, "checkpoint": {**checkpoint, **place}}
            reply = client.post(f"/threads/{own}/state", json=given_state)
            assert reply.status_code < 500, (place, reply.text[:300])
            assert everything_of(client, victim) == before, (place, more)


@pytest.mark.parametrize("given", [b"\xb2-0", b"1-\xb3", b"x", b"1-2-3", b"9" * 50])
def test_a_last_event_id_that_is_none_is_refused_before_anything_is_sent(
    client: httpx.Client, given: bytes
) -> None:
    thread = client.post("/threads", json={}).json()["thread_id"]
    reply = client.get(f"/threads/{thread}/stream", headers={b"last-event-id": given})
    refused(reply, 422)
