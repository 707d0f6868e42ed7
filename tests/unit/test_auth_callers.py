"""Who calls: by handler, by key, by several ways; and callers that are stored."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request

from caesura.checkpoint.sqlite import SqliteSaver
from caesura.execution.clock import Clock, use_clock
from caesura.records.operations import FindKeys, NoteKeyUse, PutKey, RevokeKey
from caesura.runtime import BaseUser
from caesura.server.auth import (
    Anonymous,
    Auth,
    AuthRefusal,
    Caller,
    Either,
    HandlerAuth,
    KeyAuth,
    RequestFacts,
    new_key,
)
from caesura.storage.sqlite import connect

langgraph_sdk = pytest.importorskip("langgraph_sdk")


class Held(Clock):
    """A clock that stands until it is moved; also the one that only goes on."""

    def __init__(self) -> None:
        self.time = 1_800_000_000.0

    def epoch(self) -> float:
        return self.time

    def now(self) -> str:
        return datetime.fromtimestamp(self.time, UTC).isoformat(timespec="microseconds")


@pytest.fixture
def held() -> Iterator[Held]:
    clock = Held()
    before = use_clock(clock)
    yield clock
    use_clock(before)


def facts(*, body: bytes = b"", **headers: str) -> RequestFacts:
    """A request with these headers (``_`` for ``-``)."""

    async def read() -> bytes:
        return body

    listed = [(k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()]
    return RequestFacts("POST", "/threads", listed, {"q": "1"}, {"thread_id": "t"}, body=read)


# --- handlers ------------------------------------------------------------------------------------


@pytest.fixture(params=["ours", "langgraph_sdk"])
def auth(request: pytest.FixtureRequest) -> Any:
    return Auth() if request.param == "ours" else langgraph_sdk.Auth()


async def test_a_handler_gets_by_name_what_it_asks_for(auth: Any) -> None:
    seen: dict[str, Any] = {}

    @auth.authenticate
    async def who(
        request: Any, body: Any, path: Any, method: Any, path_params: Any, query_params: Any,
        headers: Any, authorization: Any,
    ) -> str:  # fmt: skip
        seen.update(locals())
        return "alice"

    await HandlerAuth(auth).authenticate(facts(body=b'{"a": 1}', authorization="Bearer x"))
    del seen["seen"]
    assert seen == {
        "request": None,
        "body": {"a": 1},
        "path": "/threads",
        "method": "POST",
        "path_params": {"thread_id": "t"},
        "query_params": {"q": "1"},
        "headers": {b"authorization": b"Bearer x"},
        "authorization": "Bearer x",
    }


async def test_facts_are_those_of_the_request() -> None:
    scope = {
        "type": "http", "method": "PUT", "path": "/a", "query_string": b"q=2", "client": ("::1", 9),
        "headers": [(b"authorization", b"Bearer y")], "path_params": {"id": "7"},
    }  # fmt: skip

    async def body() -> bytes:
        return b"{}"

    request = Request(scope)
    read = RequestFacts.of(request, body)
    assert (read.method, read.path, read.client, read.bearer) == ("PUT", "/a", "::1", "y")
    assert (dict(read.query_params), dict(read.path_params)) == ({"q": "2"}, {"id": "7"})
    assert await read.body() == b"{}"
    assert read.request is request


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000], ids=lambda b: repr(b[:4]))
async def test_a_body_that_is_no_json_is_none_for_handlers(body: bytes) -> None:
    auth, seen = Auth(), []

    @auth.authenticate
    async def who(body: Any) -> str:
        seen.append(body)
        return "alice"

    await HandlerAuth(auth).authenticate(facts(body=body))
    assert seen == [None]


async def test_a_header_sent_twice_is_no_credential() -> None:
    twice = RequestFacts(headers=[(b"authorization", b"Bearer a"), (b"authorization", b"Bearer b")])
    assert twice.header(b"authorization") is None
    assert twice.bearer is None


def test_a_handler_that_asks_for_something_unknown_is_refused_at_start() -> None:
    auth = Auth()

    @auth.authenticate
    async def who(token: str) -> str:
        return token

    with pytest.raises(ValueError, match="'token'"):
        HandlerAuth(auth)


def test_an_auth_object_without_a_handler_cannot_authenticate(auth: Any) -> None:
    with pytest.raises(ValueError, match=r"@auth\.authenticate"):
        HandlerAuth(auth)


@dataclass
class Person:
    identity: str
    team: str


class Thing:
    identity = "o"
    display_name = "Thing"
    permissions = ["p"]
    shape = "round"


RETURNED: list[tuple[str, Any, dict[str, Any]]] = [
    ("a text", "bob", {"identity": "bob", "is_authenticated": True, "display_name": "bob"}),
    (
        "a dict",
        {"identity": "d", "org": "o1", "permissions": ["r"]},
        {
            "identity": "d",
            "is_authenticated": True,
            "display_name": "d",
            "org": "o1",
            "permissions": ["r"],
        },
    ),
    (
        "an object",
        Thing(),
        {
            "identity": "o",
            "is_authenticated": True,
            "display_name": "Thing",
            "permissions": ["p"],
        },
    ),
    (
        "a dataclass",
        Person("p", "t"),
        {"identity": "p", "is_authenticated": True, "display_name": "p", "team": "t"},
    ),
    (
        "a guest",
        {"identity": "g", "is_authenticated": False, "display_name": "Guest"},
        {"identity": "g", "is_authenticated": False, "display_name": "Guest"},
    ),
    (
        "permissions and a text",
        (["p"], "bob"),
        {
            "identity": "bob",
            "is_authenticated": True,
            "display_name": "bob",
            "permissions": ["p"],
        },
    ),
]


async def known(returned: Any) -> Caller:
    auth = Auth()

    @auth.authenticate
    def who() -> Any:
        return returned

    return await HandlerAuth(auth).authenticate(facts())


@pytest.mark.parametrize(
    ("returned", "stored"), [r[1:] for r in RETURNED], ids=[r[0] for r in RETURNED]
)
async def test_what_a_handler_returns_is_stored_as_a_user(
    returned: Any, stored: dict[str, Any]
) -> None:
    caller = await known(returned)
    assert caller.stored == stored
    assert caller.kind == "handler" and not caller.limited
    assert caller.permissions == tuple(stored.get("permissions", ()))


async def test_a_user_is_read_as_a_mapping_and_by_attributes() -> None:
    user = (await known({"identity": "d", "org": "o1"})).user
    assert (user["org"], user.org, user.get("nothing"), "org" in user) == ("o1", "o1", None, True)
    assert dict(user) == user.dict() == user.model_dump()
    assert isinstance(user, BaseUser) and isinstance(user, Auth.types.BaseUser)
    assert not hasattr(user, "pop"), "a method of the dict it was made from"
    assert (await known(Thing())).user.shape == "round"


@pytest.mark.parametrize("returned", [None, 5, {}, {"org": "o"}, {"identity": ""}, object()])
async def test_a_handler_that_returns_no_user_lets_nobody_in(returned: Any) -> None:
    with pytest.raises(AuthRefusal) as refusal:
        await known(returned)
    assert (refusal.value.status, refusal.value.detail) == (500, "Authentication handler failed")


async def test_a_refusal_by_a_handler_is_told_as_raised(auth: Any) -> None:
    @auth.authenticate
    async def who(authorization: str | None) -> str:
        if not authorization:
            raise auth.exceptions.HTTPException(status_code=401, detail="missing token")
        raise auth.exceptions.HTTPException(418, "tea", {"x-a": "b"})

    way = HandlerAuth(auth)
    with pytest.raises(AuthRefusal) as refusal:
        await way.authenticate(facts())
    assert (refusal.value.status, refusal.value.detail) == (401, "missing token")
    with pytest.raises(AuthRefusal) as refusal:
        await way.authenticate(facts(authorization="Bearer x"))
    assert (refusal.value.status, refusal.value.headers) == (418, {"x-a": "b"})


async def test_an_authentication_handler_that_crashes_tells_nothing() -> None:
    auth = Auth()

    @auth.authenticate
    async def who() -> str:
        raise RuntimeError("swordfish")

    with pytest.raises(AuthRefusal) as refusal:
        await HandlerAuth(auth).authenticate(facts())
    assert refusal.value.status == 500
    assert "swordfish" not in str(refusal.value)


async def test_whom_a_handler_let_in_is_remembered_for_the_set_time(held: Held) -> None:
    auth, asked = Auth(), []

    @auth.authenticate
    async def who(authorization: str | None) -> str:
        asked.append(authorization)
        if authorization == "bad":
            raise Auth.exceptions.HTTPException()
        return authorization or "guest"

    cache = {"cache_keys": ["Authorization"], "ttl_seconds": 60}
    way = HandlerAuth(auth, cache=cache, now=held.epoch)
    for _ in range(2):
        assert (await way.authenticate(facts(authorization="a"))).identity == "a"
        assert (await way.authenticate(facts(authorization="b"))).identity == "b"
        assert (await way.authenticate(facts())).identity == "guest"
        with pytest.raises(AuthRefusal):
            await way.authenticate(facts(authorization="bad"))
    assert asked == ["a", "b", None, "bad", None, "bad"]
    held.time += 60
    await way.authenticate(facts(authorization="a"))
    assert asked[-1] == "a"


@pytest.mark.parametrize("cache", [{"cache_keys": "authorization"}, {"ttl_seconds": "1"}])
def test_a_cache_setting_of_another_form_is_refused(cache: Any) -> None:
    auth = Auth()
    auth.authenticate(lambda: "a")
    with pytest.raises(ValueError, match=r"auth\.cache"):
        HandlerAuth(auth, cache=cache)


# --- keys ----------------------------------------------------------------------------------------


class Counting:
    """A database that also lists what it was asked."""

    def __init__(self, saver: Any) -> None:
        self.saver, self.asked = saver, []

    async def aexecute(self, operation: Any) -> Any:
        self.asked.append(type(operation))
        return await self.saver.aexecute(operation)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Counting]:
    with closing(SqliteSaver(connect(str(tmp_path / "db")))) as saver:
        yield Counting(saver)


async def stored_key(database: Counting, **options: Any) -> tuple[str, Any]:
    text, key = new_key("ci", "alice", **options)
    await database.saver.aexecute(PutKey(key))
    return text, key


async def refused(way: Any, request: RequestFacts) -> AuthRefusal:
    with pytest.raises(AuthRefusal) as refusal:
        await way.authenticate(request)
    return refusal.value


@pytest.mark.parametrize("scheme", ["x-api-key", "Bearer", "bearer"])
async def test_a_key_is_known_in_either_header(database: Counting, scheme: str) -> None:
    text, _ = await stored_key(database, permissions=["threads:*"], groups=["ops"])
    header = {"x_api_key": text} if scheme == "x-api-key" else {"authorization": f"{scheme} {text}"}
    caller = await KeyAuth(database).authenticate(facts(**header))
    assert (caller.identity, caller.display_name, caller.kind) == ("alice", "ci", "key")
    assert (caller.permissions, caller.groups) == (("threads:*",), ("ops",))
    assert caller.limited and caller.is_authenticated


async def test_a_key_is_found_beside_another_vendors_key(database: Counting) -> None:
    text, _ = await stored_key(database)
    request = facts(x_api_key="lsv2_pt_0123456789", authorization=f"Bearer {text}")
    assert (await KeyAuth(database).authenticate(request)).identity == "alice"


def test_the_text_of_a_key_is_not_in_its_record() -> None:
    text, key = new_key("n", "i")
    assert text.startswith("csk_") and len(text) >= 4 + 32
    assert text not in repr(key) and text[4:] not in repr(key)
    assert new_key("n", "i")[0] != text


@pytest.mark.parametrize(
    "options",
    [
        {"name": ""},
        {"identity": ""},
        {"permissions": ["all"]},
        {"expires_in": timedelta(0)},
    ],
    ids=str,
)  # fmt: skip
def test_a_key_that_makes_no_sense_is_not_made(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        new_key(**{"name": "n", "identity": "i", **options})


async def test_every_wrong_key_is_refused_in_the_same_words(database: Counting, held: Held) -> None:
    way = KeyAuth(database, now=held.epoch)
    expired, _ = await stored_key(database, expires_in=timedelta(seconds=30))
    revoked, record = await stored_key(database)
    await database.saver.aexecute(RevokeKey(record.key_id, held.now()))
    held.time += 30
    wrong = [
        facts(),
        facts(x_api_key="csk_short"),
        facts(x_api_key=new_key("n", "i")[0]),
        facts(x_api_key=expired),
        facts(x_api_key=revoked),
        facts(authorization=f"Basic {expired}"),
    ]
    told = [await refused(way, request) for request in wrong]
    assert {(t.status, t.detail, str(t.headers)) for t in told} == {
        (401, "Missing or invalid credentials", "{'WWW-Authenticate': 'Bearer'}")
    }


async def test_a_key_costs_no_query_per_request(database: Counting, held: Held) -> None:
    text, _ = await stored_key(database)
    way = KeyAuth(database, now=held.epoch)
    for _ in range(50):
        await way.authenticate(facts(x_api_key=text))
    assert database.asked == [FindKeys, NoteKeyUse]


async def test_a_revocation_counts_within_five_seconds(database: Counting, held: Held) -> None:
    text, key = await stored_key(database)
    way = KeyAuth(database, now=held.epoch)
    await way.authenticate(facts(x_api_key=text))
    await database.saver.aexecute(RevokeKey(key.key_id, held.now()))
    held.time += 5
    assert (await refused(way, facts(x_api_key=text))).status == 401


async def test_a_remembered_key_expires_on_time(database: Counting, held: Held) -> None:
    text, _ = await stored_key(database, expires_in=timedelta(seconds=1))
    way = KeyAuth(database, now=held.epoch)
    await way.authenticate(facts(x_api_key=text))
    held.time += 1
    assert (await refused(way, facts(x_api_key=text))).status == 401


async def test_the_use_of_a_key_is_noted_once_a_minute(database: Counting, held: Held) -> None:
    text, key = await stored_key(database)
    way = KeyAuth(database, now=held.epoch)
    first = held.now()
    for _ in range(60):
        await way.authenticate(facts(x_api_key=text))
        held.time += 1
    assert database.asked.count(NoteKeyUse) == 1
    [stored] = await database.saver.aexecute(FindKeys(key_id=key.key_id))
    assert stored.last_used_at == first
    await way.authenticate(facts(x_api_key=text))
    assert database.asked.count(NoteKeyUse) == 2


async def test_credentials_are_not_logged(
    database: Counting, capfd: pytest.CaptureFixture[str]
) -> None:
    text, _ = await stored_key(database)

    class Failing(Counting):
        async def aexecute(self, operation: Any) -> Any:
            if isinstance(operation, NoteKeyUse):
                raise OSError("read only")
            return await super().aexecute(operation)

    assert (await KeyAuth(Failing(database.saver)).authenticate(facts(x_api_key=text))).identity
    await refused(KeyAuth(database), facts(x_api_key=text[:-1] + "!"))
    out, err = capfd.readouterr()
    assert "read only" in out + err
    assert text[4:20] not in out + err


# --- several ways --------------------------------------------------------------------------------


async def test_the_first_way_that_knows_the_form_of_the_credential_decides(
    database: Counting,
) -> None:
    auth = Auth()

    @auth.authenticate
    async def who(authorization: str | None) -> str:
        return f"handler:{authorization}"

    text, _ = await stored_key(database)
    either = Either([KeyAuth(database), HandlerAuth(auth)])
    assert (await either.authenticate(facts(x_api_key=text))).kind == "key"
    assert (await either.authenticate(facts(authorization="x"))).identity == "handler:x"
    wrong = new_key("n", "i")[0]
    assert (await refused(either, facts(x_api_key=wrong))).status == 401


async def test_no_way_lets_nobody_in(database: Counting) -> None:
    assert (await refused(Either([]), facts())).status == 401
    assert (await refused(Either([KeyAuth(database)]), facts(authorization="x"))).status == 401


async def test_where_auth_is_off_everybody_is_nobody() -> None:
    caller = await Anonymous().authenticate(facts(authorization="Bearer x"))
    assert (caller.identity, caller.kind, caller.is_authenticated) == ("", "anonymous", False)
    assert caller.stored is None


# --- stored callers ------------------------------------------------------------------------------

STORED = {
    "nobody": Caller.anonymous(),
    "a handler's": Caller.from_handler({"identity": "a", "org": "o", "permissions": ["r"]}),
    "a guest": Caller.from_handler({"identity": "a", "is_authenticated": False}),
    "a key's": Caller.built_in("key", "a", "ci", permissions=["threads:read"], groups=["g"]),
    "a key's without limits": Caller.built_in("key", "a", "ci", permissions=None, groups=()),
    "a token's that may do nothing": Caller.built_in("oidc", "a", "A", permissions=[], groups=()),
}


@pytest.mark.parametrize("caller", STORED.values(), ids=STORED)
def test_a_stored_caller_comes_back_with_the_same_rights(caller: Caller) -> None:
    assert Caller.from_stored(json.loads(json.dumps(caller.stored))) == caller


def test_what_is_not_json_is_left_out_of_a_stored_caller() -> None:
    caller = Caller.from_handler({"identity": "a", "client": object(), "n": float("nan"), "k": 1})
    assert caller.stored == {
        "identity": "a", "is_authenticated": True, "display_name": "a", "k": 1
    }  # fmt: skip
    assert caller.user["client"] is not None


def test_a_handler_cannot_pass_for_a_built_in_way() -> None:
    caller = Caller.from_handler({"identity": "a", "auth_kind": "key", "permissions": []})
    assert Caller.from_stored(caller.stored).kind == "handler"


def test_a_stored_user_that_is_none_is_refused() -> None:
    for stored in ({}, {"identity": "a", "auth_kind": "root"}):
        with pytest.raises(TypeError):
            Caller.from_stored(stored)
