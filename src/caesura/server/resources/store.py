"""The long-term store over HTTP: the same one that graphs use.

An authorisation handler may rewrite the ``namespace`` it is shown: that is how tenants are kept apart.
Items have no metadata, so filters that a handler returns do not apply to them.
"""

from __future__ import annotations

from typing import Any

from caesura.errors import InvalidNamespaceError
from caesura.server import wire
from caesura.server.http.call import Call
from caesura.server.http.problems import Problem, invalid
from caesura.server.http.replies import empty
from caesura.server.http.routes import Answer, Routes
from caesura.server.views import Json
from caesura.store.base import NOT_PROVIDED

routes = Routes("Store", group="store")
_DEFAULT_LIMIT = 10
_NAMESPACES_LIMIT = 100


@routes.put(
    "/store/items",
    body=wire.ItemPut,
    answers={204: Answer("The item is stored.")},
    errors=(400,),
)
async def put_item(call: Call[wire.ItemPut, None]) -> Any:
    """Store an item, replacing the one before.

    `ttl`: minutes to live. `index`: `false`, or the paths to search by meaning.
    """
    body, store = call.body, call.server.store
    if body.ttl is not None and not store.supports_ttl:
        raise invalid("This server's store cannot let items expire: leave ttl out.")
    value: Json = {
        "namespace": tuple(body.namespace),
        "key": body.key,
        "value": body.value,
        "index": body.index,
        "ttl": body.ttl,
    }
    await call.authorise("store", "put", value)
    ttl = NOT_PROVIDED if body.ttl is None else body.ttl
    await store.aput(_namespace(value), value["key"], value["value"], value["index"], ttl=ttl)
    return empty()


@routes.get(
    "/store/items",
    query=wire.ItemQuery,
    answers={200: Answer("The item, or null if there is none.", wire.Item | None)},
    errors=(400,),
)
async def get_item(call: Call[None, wire.ItemQuery]) -> Any:
    """Get an item.

    `namespace` is written with dots between its labels.
    """
    query = call.query
    if query.key is None:
        raise Problem(400, "Key is required", code="invalid_request", error="Key is required")
    labels = query.namespace.split(".") if query.namespace else []
    value: Json = {"namespace": tuple(labels), "key": query.key}
    await call.authorise("store", "get", value)
    item = await call.server.store.aget(
        _namespace(value), value["key"], refresh_ttl=query.refresh_ttl
    )
    return None if item is None else item.dict()


@routes.delete(
    "/store/items",
    body=wire.ItemDelete,
    answers={204: Answer("There is no such item (any more).")},
    errors=(400,),
)
async def delete_item(call: Call[wire.ItemDelete, None]) -> Any:
    """Delete an item."""
    value: Json = {"namespace": tuple(call.body.namespace or ()), "key": call.body.key}
    await call.authorise("store", "delete", value)
    await call.server.store.adelete(_namespace(value), value["key"])
    return empty()


@routes.post("/store/items/search", body=wire.ItemSearch, returns=wire.FoundItems, errors=(400,))
async def search_items(call: Call[wire.ItemSearch, None]) -> Any:
    """Search items below a namespace.

    `filter` compares keys of the value: `{"age": 3}` or `{"age": {"$gt": 2}}` (`$eq`, `$ne`, `$gt`,
    `$gte`, `$lt`, `$lte`). `query` orders by meaning, where the server has an index.
    """
    body = call.body
    value: Json = {
        "namespace": tuple(body.namespace_prefix or ()),
        "filter": body.filter,
        "limit": body.limit or _DEFAULT_LIMIT,
        "offset": body.offset or 0,
        "query": body.query,
    }
    await call.authorise("store", "search", value)
    items = await call.server.store.asearch(
        _namespace(value),
        query=value["query"],
        filter=value["filter"] or None,
        limit=value["limit"],
        offset=value["offset"],
        refresh_ttl=body.refresh_ttl,
    )
    return {"items": [item.dict() for item in items]}


@routes.post(
    "/store/namespaces",
    body=wire.NamespaceSearch,
    returns=wire.FoundNamespaces,
    errors=(400,),
)
async def list_namespaces(call: Call[wire.NamespaceSearch, None]) -> Any:
    """List the namespaces that hold items; `*` in `prefix` or `suffix` stands for any label."""
    body = call.body
    value: Json = {
        "namespace": tuple(body.prefix or ()),
        "suffix": tuple(body.suffix or ()),
        "max_depth": body.max_depth,
        "limit": body.limit or _NAMESPACES_LIMIT,
        "offset": body.offset or 0,
    }
    await call.authorise("store", "list_namespaces", value)
    found = await call.server.store.alist_namespaces(
        prefix=_namespace(value) or None,
        suffix=tuple(value["suffix"] or ()) or None,
        max_depth=value["max_depth"],
        limit=value["limit"],
        offset=value["offset"],
    )
    return {"namespaces": [list(namespace) for namespace in found]}


def _namespace(value: Json) -> tuple[str, ...]:
    """The namespace, as a handler may have rewritten it."""
    given = value.get("namespace") or ()
    if isinstance(given, str):
        raise InvalidNamespaceError(f"A namespace is a tuple of texts, not the text {given!r}")
    return tuple(given)
