"""Reading a request: its body and its query, checked against what the route declares."""

from __future__ import annotations

import json
from functools import cache
from typing import Any, get_args, get_origin

import msgspec
from starlette.requests import ClientDisconnect, Request

from caesura.server.http.problems import Problem, invalid

BAD_JSON = "Invalid JSON in request body"


async def read_bytes(request: Request, limit: int) -> bytes:
    """The whole body. Raises 413 as soon as it is longer than ``limit`` bytes."""
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit:
        raise _too_large(limit)
    chunks: list[bytes] = []
    size = 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > limit:
                raise _too_large(limit)
            chunks.append(chunk)
    except ClientDisconnect:
        raise Problem(400, "The client went away before the body was complete") from None
    return b"".join(chunks)


def _too_large(limit: int) -> Problem:
    return Problem(
        413,
        f"The body is longer than {limit} bytes. Nothing was changed.",
        code="body_too_large",
        headers={"Connection": "close"},
    )


def decode(data: bytes, kind: Any) -> Any:
    """A JSON body as ``kind``; as it stands for ``bytes``. Raises 422 with where and why."""
    if kind is bytes:
        return data
    try:
        try:
            return msgspec.json.decode(data, type=kind)
        except msgspec.ValidationError:
            # Once more, with ``1.0`` as a whole number, which is one in JSON Schema.
            return msgspec.convert(_whole(msgspec.json.decode(data)), kind)
    except msgspec.ValidationError as error:
        raise invalid(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise invalid(BAD_JSON) from None


def _whole(body: Any) -> Any:
    """The fields of a body; what stands deeper belongs to the user and stays as it is."""
    if not isinstance(body, dict):
        return body
    return {key: _integer(value) for key, value in body.items()}


def _integer(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def read_query(request: Request, kind: type[msgspec.Struct]) -> Any:
    """The query as ``kind``: blank values are absent; lists come repeated, as JSON, or with commas."""
    given: dict[str, Any] = {}
    sent = request.query_params
    for name, is_list in _fields(kind) if sent else ():
        values = [value for value in sent.getlist(name) if value != ""]
        if values:
            given[name] = _several(values) if is_list else values[-1]
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as error:
        raise invalid(str(error)) from None


@cache
def _fields(kind: type[msgspec.Struct]) -> tuple[tuple[str, bool], ...]:
    """The names of a query's fields, and whether each is a list."""
    return tuple((f.encode_name, _is_list(f.type)) for f in msgspec.structs.fields(kind))


def _is_list(kind: Any) -> bool:
    return get_origin(kind) is list or any(get_origin(part) is list for part in get_args(kind))


def _several(values: list[str]) -> list[Any]:
    found: list[Any] = []
    for value in values:
        if value.startswith("["):
            try:
                inner = json.loads(value)
            except ValueError:
                inner = [value]
            found += inner if isinstance(inner, list) else [inner]
        elif value.startswith('"'):
            found.append(value.strip('"'))
        else:
            found += [part for part in value.split(",") if part]
    return found
