"""JSON-RPC as MCP uses it: messages read and answered. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

Json = dict[str, Any]

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
INTERNAL_ERROR: Final = -32603

VERSIONS: Final = ("2025-03-26", "2025-06-18", "2025-11-25")
"""Versions of the protocol that are spoken here, oldest first."""
_LAST_WITH_BATCHES: Final = "2025-03-26"


class RpcError(Exception):
    """A request that cannot be done."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.code, self.message, self.data = code, message, data


def result(id: Any, value: Any) -> Json:
    """The response that carries a result."""
    return {"jsonrpc": "2.0", "id": id, "result": value}


def failure(id: Any, error: RpcError) -> Json:
    """The response that tells an error."""
    told: Json = {"code": error.code, "message": error.message}
    if error.data is not None:
        told["data"] = error.data
    return {"jsonrpc": "2.0", "id": id, "error": told}


def is_response(message: Any) -> bool:
    """True for the client's answer to a request of ours."""
    return isinstance(message, dict) and "method" not in message and "id" in message


def is_notification(message: Mapping[str, Any]) -> bool:
    """True for a message that wants no response."""
    return "id" not in message


def check(message: Any) -> Json:
    """The message, if it is one. Raises `RpcError`."""
    if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
        raise RpcError(INVALID_REQUEST, "A request is an object with jsonrpc: '2.0'")
    if is_response(message):
        return message
    if not isinstance(message.get("method"), str):
        raise RpcError(INVALID_REQUEST, "A request has a method")
    id = message.get("id", "")
    if isinstance(id, bool) or not isinstance(id, (str, int)):
        raise RpcError(INVALID_REQUEST, "The id of a request is a string or an integer")
    if not isinstance(message.get("params", {}), dict):
        raise RpcError(INVALID_PARAMS, "params must be an object")
    return message


def version_for(asked: Any) -> str:
    """The newest version that is not newer than the one asked for; else our oldest."""
    fitting = [version for version in VERSIONS if isinstance(asked, str) and version <= asked]
    return fitting[-1] if fitting else VERSIONS[0]


def allows_batches(version: str | None) -> bool:
    """Whether several messages may come in one request (``version``: of the request's header)."""
    return version is None or version <= _LAST_WITH_BATCHES
