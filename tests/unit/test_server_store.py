"""The store over HTTP: what is put is found, by the same rules as in programs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.unit.serving import Served, served

from caesura.server.auth import Auth, Authoriser, handlers_of


@pytest_asyncio.fixture
async def api(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path) as found:
        yield found


async def put(api: Served, namespace: list[str], key: str, value: Any, **more: Any) -> None:
    body = {"namespace": namespace, "key": key, "value": value, **more}
    await api.json("PUT", "/store/items", body, status=204)


async def test_an_item_is_read_by_its_dotted_namespace(api: Served) -> None:
    await put(api, ["a", "b"], "k1", {"x": 1, "t": "hello"})
    item = await api.json("GET", "/store/items?namespace=a.b&key=k1")
    assert (item["namespace"], item["key"], item["value"]) == (
        ["a", "b"], "k1", {"x": 1, "t": "hello"},
    )  # fmt: skip
    assert set(item) == {"namespace", "key", "value", "created_at", "updated_at"}


async def test_a_missing_item_is_null(api: Served) -> None:
    for query in ("namespace=a.b&key=nope", "key=nope"):
        response = await api("GET", f"/store/items?{query}")
        assert (response.status_code, response.text) == (200, "null")


async def test_a_key_is_required_and_both_kinds_of_clients_read_why(api: Served) -> None:
    refused = await api.json("GET", "/store/items?namespace=a.b", status=400)
    assert refused["error"] == refused["detail"] == "Key is required"


async def test_deleting_twice_is_no_error(api: Served) -> None:
    await put(api, ["a"], "k", {})
    for _ in range(2):
        await api.json("DELETE", "/store/items", {"namespace": ["a"], "key": "k"}, status=204)
    assert await api.json("GET", "/store/items?namespace=a&key=k") is None


async def test_items_are_searched_by_place_and_value(api: Served) -> None:
    await put(api, ["a", "b"], "k1", {"x": 1})
    await put(api, ["a", "c"], "k2", {"x": 2}, index=False, ttl=5)
    await put(api, ["b"], "k3", {"x": 3})

    async def keys(**body: Any) -> list[str]:
        found = await api.json("POST", "/store/items/search", body)
        assert all(item["score"] is None for item in found["items"])
        return sorted(item["key"] for item in found["items"])

    assert await keys(namespace_prefix=["a"]) == ["k1", "k2"]
    assert await keys(namespace_prefix=[]) == await keys() == ["k1", "k2", "k3"]
    assert await keys(namespace_prefix=["a"], filter={"x": 1}) == ["k1"]
    assert await keys(namespace_prefix=["a"], filter={"x": {"$gt": 1}}) == ["k2"]
    assert len(await keys(limit=1, offset=1)) == 1


async def test_namespaces_are_listed(api: Served) -> None:
    for namespace in (["a", "b"], ["a", "c"], ["b"]):
        await put(api, namespace, "k", {})

    async def listed(**body: Any) -> Any:
        return (await api.json("POST", "/store/namespaces", body))["namespaces"]

    assert await listed() == [["a", "b"], ["a", "c"], ["b"]]
    assert await listed(prefix=["a"], max_depth=1) == [["a"]]
    assert await listed(suffix=["c"]) == [["a", "c"]]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("PUT", "/store/items", {"namespace": ["a.b"], "key": "k", "value": {}}, 400),
        ("PUT", "/store/items", {"namespace": [], "key": "k", "value": {}}, 400),
        ("PUT", "/store/items", {"namespace": ["langgraph"], "key": "k", "value": {}}, 400),
        ("PUT", "/store/items", {"namespace": ["a"], "key": "k"}, 422),
        ("PUT", "/store/items", {"namespace": ["a"], "key": "k", "value": 3}, 422),
        ("PUT", "/store/items", {"namespace": [3], "key": "k", "value": {}}, 422),
        ("GET", "/store/items?namespace=a..b&key=k", None, 400),
        ("DELETE", "/store/items", {"namespace": ["a"]}, 422),
        ("DELETE", "/store/items", {"namespace": [""], "key": "k"}, 400),
        ("POST", "/store/items/search", {"namespace_prefix": ["a.b"]}, 400),
        ("POST", "/store/items/search", {"filter": {"x": {"$near": 1}}}, 422),
        ("POST", "/store/namespaces", {"prefix": ["a.b"]}, 400),
    ],
)
async def test_what_cannot_be_is_refused(
    api: Served, method: str, path: str, body: Any, status: int
) -> None:
    assert (await api.json(method, path, body, status=status))["detail"]


@pytest.mark.parametrize(
    "value",
    [{"n": 10**40}, {"t": "\u0000"}, {"deep": [[[[{}]]]]}, {"": ""}, {"f": 1e308}],
    ids=["huge number", "null character", "deep", "empty key", "large float"],
)
async def test_odd_values_come_back_as_they_were(api: Served, value: Any) -> None:
    await put(api, ["a"], "k", value)
    assert (await api.json("GET", "/store/items?namespace=a&key=k"))["value"] == value


async def test_a_handler_that_rewrites_the_namespace_keeps_tenants_apart(api: Served) -> None:
    auth = Auth()
    tenant = ["alice"]

    @auth.on.store
    async def own(ctx: Any, value: Any) -> None:
        value["namespace"] = (tenant[0], *(value["namespace"] or ()))

    api.server.authoriser = Authoriser(handlers_of(auth))
    await put(api, ["n"], "k", {"a": 1})
    item = await api.json("GET", "/store/items?namespace=n&key=k")
    assert item["namespace"] == ["alice", "n"]
    found = await api.json("POST", "/store/namespaces", {})
    assert found["namespaces"] == [["alice", "n"]]
    tenant[0] = "bob"
    assert await api.json("GET", "/store/items?namespace=n&key=k") is None
    assert await api.json("POST", "/store/items/search", {}) == {"items": []}
    await api.json("DELETE", "/store/items", {"namespace": ["n"], "key": "k"}, status=204)
    tenant[0] = "alice"
    assert await api.json("GET", "/store/items?namespace=n&key=k") == item
