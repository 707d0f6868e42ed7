"""Requests of ``client.store``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from caesura.client.requests import Request, call, given, json_body, nothing
from caesura.client.shapes import (
    Headers,
    Item,
    ListNamespaceResponse,
    Params,
    SearchItemsResponse,
)


def put_item(
    namespace: Sequence[str],
    /,
    key: str,
    value: Mapping[str, Any],
    index: Literal[False] | list[str] | None = None,
    ttl: float | None = None,
    headers: Headers = None,
    params: Params = None,
) -> Request[None]:
    """Store a value. ``index``: the paths to index, or False for none. ``ttl``: minutes it is kept."""
    body = {"namespace": _labels(namespace), "key": key, "value": value}
    body |= given(index=index, ttl=ttl)
    return call("PUT", "/store/items", nothing, body, headers=headers, params=params)


def _labels(namespace: Sequence[str]) -> list[str]:
    """The labels as a list. Raises ValueError for one that cannot be addressed."""
    for label in namespace:
        if "." in label:
            raise ValueError(
                f"Invalid namespace label {label!r}: labels cannot contain a dot. Nothing was sent."
            )
    return list(namespace)


def get_item(
    namespace: Sequence[str],
    /,
    key: str,
    *,
    refresh_ttl: bool | None = None,
    headers: Headers = None,
    params: Params = None,
) -> Request[Item | None]:
    """A value, or None."""
    joined = ".".join(_labels(namespace))
    return call(
        "GET", "/store/items", json_body,
        headers=headers, params=params, namespace=joined, key=key, refresh_ttl=refresh_ttl,
    )  # fmt: skip


def delete_item(
    namespace: Sequence[str],
    /,
    key: str,
    headers: Headers = None,
    params: Params = None,
) -> Request[None]:
    """Delete a value, if it is there."""
    body = {"namespace": _labels(namespace), "key": key}
    return call("DELETE", "/store/items", nothing, body, headers=headers, params=params)


def search_items(
    namespace_prefix: Sequence[str],
    /,
    filter: Mapping[str, Any] | None = None,
    limit: int = 10,
    offset: int = 0,
    query: str | None = None,
    refresh_ttl: bool | None = None,
    headers: Headers = None,
    params: Params = None,
) -> Request[SearchItemsResponse]:
    """The values under a prefix that match ``filter``, the nearest to ``query`` first."""
    body = {"namespace_prefix": _labels(namespace_prefix), "limit": limit, "offset": offset}
    body |= given(filter=filter, query=query, refresh_ttl=refresh_ttl)
    return call("POST", "/store/items/search", json_body, body, headers=headers, params=params)


def list_namespaces(
    prefix: list[str] | None = None,
    suffix: list[str] | None = None,
    max_depth: int | None = None,
    limit: int = 100,
    offset: int = 0,
    headers: Headers = None,
    params: Params = None,
) -> Request[ListNamespaceResponse]:
    """The namespaces in use."""
    body = given(prefix=prefix, suffix=suffix, max_depth=max_depth, limit=limit, offset=offset)
    return call("POST", "/store/namespaces", json_body, body, headers=headers, params=params)
