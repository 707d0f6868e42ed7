"""What callers may do: handlers, filters, permissions, isolation."""

from __future__ import annotations

from typing import Any

import pytest

from caesura.server.auth import (
    Auth,
    Authoriser,
    AuthRefusal,
    Caller,
    Handlers,
    exceptions,
    filter_matches,
    handlers_of,
    may_bind,
)
from caesura.server.auth.rules import check_permission, is_permitted

langgraph_sdk = pytest.importorskip("langgraph_sdk")

ALICE = Caller.from_handler({"identity": "alice", "permissions": ["r", "w"], "org": "o1"})


def key_caller(permissions: list[str] | None = None, identity: str = "alice") -> Caller:
    return Caller.built_in("key", identity, "a key", permissions=permissions, groups=["g"])


@pytest.fixture(params=["ours", "langgraph_sdk"])
def auth(request: pytest.FixtureRequest) -> Any:
    return Auth() if request.param == "ours" else langgraph_sdk.Auth()


def saying(word: Any) -> Any:
    async def handler(ctx: Any, value: Any) -> Any:
        return {"said": word}

    return handler


async def decided(auth: Any, resource: str, action: str) -> Any:
    filters = await Authoriser(handlers_of(auth)).authorise(ALICE, resource, action, {})
    return filters.get("said")


async def test_the_most_specific_handler_decides(auth: Any) -> None:
    auth.on(saying("all"))
    auth.on(actions=["read"])(saying("any read"))
    auth.on.threads(saying("threads"))
    auth.on.threads.create(saying("create"))
    assert await decided(auth, "threads", "create") == "create"
    assert await decided(auth, "threads", "read") == "threads"
    assert await decided(auth, "crons", "read") == "any read"
    assert await decided(auth, "crons", "create") == "all"


async def test_what_no_handler_speaks_of_is_allowed(auth: Any) -> None:
    auth.on.threads.create(saying("create"))
    assert await decided(auth, "threads", "read") is None
    assert await decided(auth, "assistants", "create") is None


ATTRIBUTES = [
    *[
        (resource, action)
        for resource in ("threads", "assistants", "crons")
        for action in ("create", "read", "update", "delete", "search")
    ],
    ("threads", "create_run"),
    *[("store", action) for action in ("put", "get", "search", "delete", "list_namespaces")],
]


@pytest.mark.parametrize(("resource", "action"), ATTRIBUTES, ids=lambda v: v)
async def test_every_attribute_of_on_registers_its_own_action(
    auth: Any, resource: str, action: str
) -> None:
    getattr(getattr(auth.on, resource), action)(saying("here"))
    assert await decided(auth, resource, action) == "here"
    assert set(handlers_of(auth).on) == {(resource, action)}


async def test_on_takes_lists_of_resources_and_actions(auth: Any) -> None:
    auth.on(resources=["threads", "crons"], actions=["read", "delete"])(saying("listed"))
    places = {("threads", "read"), ("threads", "delete"), ("crons", "read"), ("crons", "delete")}
    assert set(handlers_of(auth).on) == places


async def test_a_resource_takes_a_list_of_actions(auth: Any) -> None:
    auth.on.store(actions=["put", "get"])(saying("store"))
    assert set(handlers_of(auth).on) == {("store", "put"), ("store", "get")}


def test_a_place_takes_one_handler_and_keeps_it(auth: Any) -> None:
    first, second = saying(1), saying(2)
    auth.on.threads.create(first)
    with pytest.raises(ValueError):
        auth.on.threads.create(second)
    assert handlers_of(auth).on["threads", "create"] is first


def test_only_one_function_may_authenticate(auth: Any) -> None:
    async def who() -> str:
        return "a"

    auth.authenticate(who)
    with pytest.raises(ValueError):
        auth.authenticate(saying("x"))
    assert handlers_of(auth).authenticate is who


def test_a_handler_without_ctx_or_value_is_refused_when_it_is_registered() -> None:
    async def handler(context: Any, value: Any) -> None: ...

    with pytest.raises(ValueError, match="ctx"):
        Auth().on.threads(handler)


def test_something_else_than_an_auth_object_is_refused_with_advice() -> None:
    with pytest.raises(TypeError, match=r"caesura\.server\.auth"):
        handlers_of(object())


def test_every_name_that_handlers_are_annotated_with_exists_here_too() -> None:
    theirs = {n for n in dir(langgraph_sdk.Auth.types) if n[0].isupper() or n == "on"}
    not_words = {"Awaitable", "Callable", "Sequence", "T", "UUID"}
    assert theirs - not_words <= set(dir(Auth.types))
    assert Auth.types.on.threads.create_run.value is Auth.types.RunsCreate


# --- results -------------------------------------------------------------------------------------


async def ask(handler: Any, value: dict[str, Any] | None = None, caller: Caller = ALICE) -> Any:
    handlers = Handlers(on={("threads", "update"): handler})
    return await Authoriser(handlers).authorise(
        caller, "threads", "update", {} if value is None else value
    )


@pytest.mark.parametrize("result", [None, True], ids=repr)
async def test_none_and_true_allow_without_filters(result: Any) -> None:
    async def handler(ctx: Any, value: Any) -> Any:
        return result

    assert await ask(handler) == {}


async def test_false_is_403_forbidden() -> None:
    async def handler(ctx: Any, value: Any) -> Any:
        return False

    with pytest.raises(AuthRefusal) as refusal:
        await ask(handler)
    assert (refusal.value.status, refusal.value.detail) == (403, "Forbidden")


async def test_a_dict_filters() -> None:
    async def handler(ctx: Any, value: Any) -> Any:
        return {"owner": ctx.user.identity, "tags": {"$contains": ["a"]}}

    assert await ask(handler) == {"owner": "alice", "tags": {"$contains": ["a"]}}


@pytest.mark.parametrize(
    "result", [0, 1, "x", [], {"a": {"$gt": 1}}, {"a": {"$eq": 1, "b": 2}}, {1: "a"}, {"a": {1j}}],
    ids=repr,
)  # fmt: skip
async def test_any_other_result_is_a_failed_handler_and_allows_nothing(result: Any) -> None:
    async def handler(ctx: Any, value: Any) -> Any:
        return result

    with pytest.raises(AuthRefusal) as refusal:
        await ask(handler)
    assert (refusal.value.status, refusal.value.detail) == (500, "Authorization handler failed")


async def test_a_handler_that_crashes_allows_nothing_and_tells_nothing() -> None:
    async def handler(ctx: Any, value: Any) -> Any:
        raise RuntimeError("the password is swordfish")

    with pytest.raises(AuthRefusal) as refusal:
        await ask(handler)
    assert refusal.value.status == 500
    assert "swordfish" not in refusal.value.detail


async def test_a_failed_assertion_is_403_with_its_words() -> None:
    async def handler(ctx: Any, value: Any) -> Any:
        raise AssertionError("Not yours")

    with pytest.raises(AuthRefusal) as refusal:
        await ask(handler)
    assert (refusal.value.status, refusal.value.detail) == (403, "Not yours")


@pytest.mark.parametrize(
    "kind", [exceptions.HTTPException, langgraph_sdk.Auth.exceptions.HTTPException],
    ids=["ours", "langgraph_sdk"],
)  # fmt: skip
async def test_an_http_exception_is_answered_as_raised(kind: Any) -> None:
    async def handler(ctx: Any, value: Any) -> Any:
        raise kind(status_code=402, detail="pay up", headers={"x-a": "b"})

    with pytest.raises(AuthRefusal) as refusal:
        await ask(handler)
    told = refusal.value
    assert (told.status, told.detail, told.headers) == (402, "pay up", {"x-a": "b"})


@pytest.mark.parametrize("status", [200, 302, 600, "403"], ids=repr)
async def test_an_exception_with_a_status_that_refuses_nothing_is_a_failed_handler(
    status: Any,
) -> None:
    class Odd(Exception):
        status_code, detail, headers = status, "x", None

    async def handler(ctx: Any, value: Any) -> Any:
        raise Odd

    with pytest.raises(AuthRefusal) as refusal:
        await ask(handler)
    assert refusal.value.status == 500


def test_an_http_exception_without_words_has_those_of_its_status() -> None:
    ours = [exceptions.HTTPException(), exceptions.HTTPException(418)]
    real = langgraph_sdk.Auth.exceptions.HTTPException
    theirs = [real(), real(418)]
    for our, their in zip(ours, theirs, strict=True):
        assert (our.status_code, our.detail, our.headers) == (
            their.status_code,
            their.detail,
            their.headers,
        )
        assert (str(our), repr(our)) == (str(their), repr(their))


async def test_the_value_as_the_handler_leaves_it_counts() -> None:
    async def handler(ctx: Any, value: Any) -> Any:
        value["metadata"] = {"owner": ctx.user["identity"], "org": ctx.user.org}
        value["namespace"] = (ctx.user.identity, *value["namespace"])

    value: dict[str, Any] = {"namespace": ("n",)}
    await ask(handler, value)
    assert value == {"namespace": ("alice", "n"), "metadata": {"owner": "alice", "org": "o1"}}


async def test_a_handler_sees_who_what_and_with_which_permissions() -> None:
    seen: list[Any] = []

    async def handler(ctx: Any, value: Any) -> Any:
        seen.append((ctx.resource, ctx.action, ctx.permissions, ctx.user.display_name))

    await ask(handler)
    assert seen == [("threads", "update", ["r", "w"], "alice")]


async def test_a_handler_that_is_not_async_is_asked_too() -> None:
    def handler(ctx: Any, value: Any) -> Any:
        return {"owner": ctx.user.identity}

    assert await ask(handler) == {"owner": "alice"}


# --- filters -------------------------------------------------------------------------------------

MATCHES: list[tuple[str, dict[str, Any], dict[str, Any], bool]] = [
    ("an equal value", {"a": 1}, {"a": 1}, True),
    ("another value", {"a": 2}, {"a": 1}, False),
    ("an absent key", {}, {"a": 1}, False),
    ("an absent key is not null", {}, {"a": None}, False),
    ("null", {"a": None}, {"a": None}, True),
    ("1 is not true", {"a": 1}, {"a": True}, False),
    ("an equal object", {"a": {"b": 1}}, {"a": {"b": 1}}, True),
    ("$eq equal", {"a": "x"}, {"a": {"$eq": "x"}}, True),
    ("$eq other", {"a": "y"}, {"a": {"$eq": "x"}}, False),
    ("$contains one", {"a": ["x", "y"]}, {"a": {"$contains": "x"}}, True),
    ("$contains all", {"a": ["x", "y", "z"]}, {"a": {"$contains": ["z", "x"]}}, True),
    ("$contains not all", {"a": ["x"]}, {"a": {"$contains": ["x", "y"]}}, False),
    ("$contains in a text", {"a": "xyz"}, {"a": {"$contains": "x"}}, False),
    ("conditions are joined by and", {"a": 1, "b": 2}, {"a": 1, "b": 3}, False),
    ("no condition", {"a": 1}, {}, True),
]


@pytest.mark.parametrize(
    ("metadata", "filters", "expected"), [row[1:] for row in MATCHES], ids=[r[0] for r in MATCHES]
)
def test_a_filter_matches_as_its_conditions_say(
    metadata: dict[str, Any], filters: dict[str, Any], expected: bool
) -> None:
    assert filter_matches(metadata, filters) is expected


# --- permissions ---------------------------------------------------------------------------------

PERMITTED: list[tuple[str, str, str, bool]] = [
    ("*", "threads", "delete", True),
    ("*:read", "crons", "read", True),
    ("*:read", "crons", "delete", False),
    ("threads:*", "threads", "create_run", True),
    ("threads:*", "store", "put", False),
    ("threads:read", "threads", "read", True),
    ("threads:read", "threads", "search", True),
    ("threads:read", "threads", "update", False),
    ("threads:search", "threads", "read", False),
    ("store:read", "store", "list_namespaces", True),
    ("store:read", "store", "put", False),
    ("runs:*", "threads", "create_run", True),
    ("runs:create", "threads", "create_run", True),
    ("runs:*", "threads", "read", False),
    ("openid", "threads", "read", False),
]


@pytest.mark.parametrize(("pattern", "resource", "action", "expected"), PERMITTED, ids=str)
def test_a_permission_covers_what_it_names(
    pattern: str, resource: str, action: str, expected: bool
) -> None:
    assert is_permitted([pattern], resource, action) is expected


@pytest.mark.parametrize("pattern", ["", "threads", "threads:read:x", "Threads:read", ":", "a b:c"])
def test_what_is_no_permission_is_refused_when_a_key_is_made(pattern: str) -> None:
    with pytest.raises(ValueError, match="resource:action"):
        check_permission(pattern)


async def test_a_key_with_permissions_may_do_nothing_else() -> None:
    authoriser = Authoriser()
    caller = key_caller(["threads:read"])
    assert await authoriser.authorise(caller, "threads", "read", {}) == {}
    with pytest.raises(AuthRefusal) as refusal:
        await authoriser.authorise(caller, "threads", "delete", {})
    assert refusal.value.status == 403


async def test_a_key_without_permissions_may_do_everything() -> None:
    assert await Authoriser().authorise(key_caller(), "threads", "delete", {}) == {}


async def test_no_handler_gives_a_key_more_than_its_permissions() -> None:
    authoriser = Authoriser(Handlers(on={("*", "*"): saying("yes")}))
    with pytest.raises(AuthRefusal):
        await authoriser.authorise(key_caller(["threads:read"]), "threads", "delete", {})


async def test_permissions_that_a_handler_returned_are_its_own_words() -> None:
    assert await Authoriser().authorise(ALICE, "threads", "delete", {}) == {}


# --- isolation -----------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["create", "create_run", "update"])
async def test_isolation_marks_records_with_their_owner_whatever_was_asked(action: str) -> None:
    value: dict[str, Any] = {"metadata": {"owner": "bob", "k": 1}}
    filters = await Authoriser(isolated=True).authorise(key_caller(), "threads", action, value)
    assert value["metadata"] == {"owner": "alice", "k": 1}
    assert filters == {"owner": "alice"}


@pytest.mark.parametrize("action", ["read", "search", "delete"])
async def test_isolation_shows_everybody_their_own_records_only(action: str) -> None:
    value: dict[str, Any] = {"metadata": {"k": 1}}
    filters = await Authoriser(isolated=True).authorise(key_caller(), "threads", action, value)
    assert filters == {"owner": "alice"}
    assert value == {"metadata": {"k": 1}}


@pytest.mark.parametrize(
    ("identity", "given", "expected"),
    [
        ("alice", ("n",), ("alice", "n")),
        ("alice", (), ("alice",)),
        ("alice", None, ("alice",)),
        ("alice", ("alice", "n"), ("alice", "n")),
        ("alice", ("bob", "n"), ("alice", "bob", "n")),
        ("a.b@c.d", ("n",), ("a%2Eb@c%2Ed", "n")),
        ("a%2Eb", ("n",), ("a%252Eb", "n")),
        ("*", ("n",), ("%2A", "n")),
    ],
)  # fmt: skip
async def test_isolation_gives_everybody_a_part_of_the_store(
    identity: str, given: Any, expected: tuple[str, ...]
) -> None:
    value = {"namespace": given}
    await Authoriser(isolated=True).authorise(
        key_caller(identity=identity), "store", "search", value
    )
    assert value["namespace"] == expected


async def test_isolation_leaves_to_a_handler_what_it_decides() -> None:
    authoriser = Authoriser(Handlers(on={("threads", "*"): saying("x")}), isolated=True)
    assert await authoriser.authorise(key_caller(), "threads", "read", {}) == {"said": "x"}
    assert await authoriser.authorise(key_caller(), "crons", "read", {}) == {"owner": "alice"}


async def test_isolation_is_not_for_callers_that_a_handler_knows() -> None:
    assert await Authoriser(isolated=True).authorise(ALICE, "threads", "read", {}) == {}


async def test_isolation_lets_nobody_in() -> None:
    with pytest.raises(AuthRefusal) as refusal:
        await Authoriser(isolated=True).authorise(Caller.anonymous(), "threads", "read", {})
    assert refusal.value.status == 403


# --- binding -------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "[::1]", "localhost"])
def test_loopback_may_be_bound_without_auth(host: str) -> None:
    assert may_bind(host, auth_is_on=False, insecure=False) is None


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "", "192.168.1.5", "example.com", "localhost.example.com"]
)
def test_other_addresses_need_auth_or_the_word_insecure(host: str) -> None:
    refusal = may_bind(host, auth_is_on=False, insecure=False)
    assert refusal is not None and "--insecure" in refusal
    assert may_bind(host, auth_is_on=True, insecure=False) is None
    assert may_bind(host, auth_is_on=False, insecure=True) is None
