"""The Model Context Protocol: every assistant is a tool. Stateless, over streamable HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Final

import msgspec

from caesura.server.auth import AuthRefusal
from caesura.server.encoding import encode
from caesura.server.http.call import Call
from caesura.server.http.problems import not_found, problem_of
from caesura.server.http.replies import Reply, empty
from caesura.server.http.routes import Answer, Routes
from caesura.server.http.sse import EventStream, WaitedFor
from caesura.server.mcp import rpc
from caesura.server.mcp.calling import Done, Request, ToolCall, failed, take_response
from caesura.server.mcp.rpc import Json, RpcError
from caesura.server.mcp.sessions import HEADER, abilities_of, read_session, write_session
from caesura.server.mcp.tools import describe, find_tools
from caesura.server.protocol.closing import until
from caesura.server.resources.runs import origin_of
from caesura.server.running.streams import HEARTBEAT
from caesura.version import __version__

routes = Routes("MCP", group="mcp")
_REPLY: Final = Answer("A JSON-RPC response, or server-sent events that carry it.", dict[str, Any])
_ANSWERS: Final = {
    200: _REPLY,
    202: Answer("Taken note of."),
    400: Answer("A JSON-RPC error.", dict[str, Any]),
}
_ENDED: Final = {204: Answer("The session is over.")}


@routes.post("/mcp", body=bytes, answers=_ANSWERS)
async def call_mcp(call: Call[bytes, None]) -> Any:
    """Send a JSON-RPC message: `initialize`, `ping`, `tools/list`, `tools/call`."""
    version = call.header("mcp-protocol-version")
    try:
        message = _decoded(call.body)
        if version is not None and version not in rpc.VERSIONS:
            known = ", ".join(rpc.VERSIONS)
            raise RpcError(rpc.INVALID_REQUEST, f"Unsupported protocol version; known: {known}")
        if isinstance(message, list):
            return await _batch(call, message, version)
        message = rpc.check(message)
    except RpcError as error:
        return Reply(rpc.failure(None, error), 400)
    return await _one(call, message)


@routes.post("/mcp/", body=bytes, answers=_ANSWERS)
async def call_mcp_with_slash(call: Call[bytes, None]) -> Any:
    """The same as `/mcp`: clients that add a slash are not redirected."""
    return await call_mcp(call)


@routes.delete("/mcp", answers=_ENDED, errors=(404,))
async def end_mcp_session(call: Call[None, None]) -> Any:
    """End a session. Nothing is kept of sessions, so there is nothing to do."""
    if call.header(HEADER) is None:
        raise not_found(f"There is no {HEADER} header that names a session")
    return empty()


@routes.delete("/mcp/", answers=_ENDED, errors=(404,))
async def end_mcp_session_with_slash(call: Call[None, None]) -> Any:
    """The same as `/mcp`."""
    return await end_mcp_session(call)


def _decoded(data: bytes) -> Any:
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise RpcError(rpc.PARSE_ERROR, "The body is not valid JSON") from None


async def _batch(call: Call[bytes, None], messages: list[Any], version: str | None) -> Any:
    if not messages or not rpc.allows_batches(version):
        raise RpcError(rpc.INVALID_REQUEST, "Send one message in a request")
    replies = await asyncio.gather(*(_in_batch(call, message) for message in messages))
    told = [reply for reply in replies if reply is not None]
    return Reply(told) if told else empty(202)


async def _in_batch(call: Call[bytes, None], message: Any) -> Json | None:
    try:
        message = rpc.check(message)
    except RpcError as error:
        return rpc.failure(None, error)
    if rpc.is_response(message):
        await take_response(call.server, origin_of(call), message)
        return None
    if rpc.is_notification(message):
        return None
    return await _answered(call, message)


async def _one(call: Call[bytes, None], message: Json) -> Any:
    if rpc.is_response(message):
        await take_response(call.server, origin_of(call), message)
        return empty(202)
    if rpc.is_notification(message):
        return empty(202)
    if message["method"] == "tools/call":
        return await _called(call, message)
    headers = {}
    if message["method"] == "initialize":
        given = message.get("params", {}).get("capabilities")
        headers[HEADER] = write_session(abilities_of(given))
    return Reply(await _answered(call, message), headers=headers)


async def _answered(call: Call[bytes, None], message: Json) -> Json:
    """The response to a request, whole."""
    try:
        return rpc.result(message["id"], await _result(call, message))
    except RpcError as error:
        return rpc.failure(message["id"], error)


async def _result(call: Call[bytes, None], message: Json) -> Json:
    method, params = message["method"], message.get("params", {})
    if method == "initialize":
        return {
            "protocolVersion": rpc.version_for(params.get("protocolVersion")),
            "capabilities": {"tools": {"listChanged": False}},
            "serverInfo": {"name": "Caesura", "version": __version__},
        }
    if method == "ping":
        return {}
    if method == "tools/list":
        filters = await call.authorise("assistants", "search", {})
        tools = await find_tools(call.server, filters)
        return {"tools": [await describe(call.server, tool) for tool in tools]}
    if method == "tools/call":
        begun = await _begin(call, params)
        return begun if isinstance(begun, dict) else await _whole(begun)
    raise RpcError(rpc.METHOD_NOT_FOUND, f"Method not found: {method}")


# --- tool calls --------------------------------------------------------------------------------


async def _begin(call: Call[bytes, None], params: Json) -> ToolCall | Json:
    """Start the run of a call; its result at once if it cannot be started."""
    name, arguments = params.get("name"), params.get("arguments")
    if not isinstance(arguments or {}, dict):
        raise RpcError(rpc.INVALID_PARAMS, "arguments must be an object")
    filters = await call.authorise("assistants", "search", {})
    tools = await find_tools(call.server, filters)
    tool = next((tool for tool in tools if tool.name == name), None)
    if tool is None:
        raise RpcError(rpc.INVALID_PARAMS, f"Unknown tool: {name}")
    base = str(call.request.base_url).rstrip("/") + call.server.prefix
    try:
        return await ToolCall.begin(call.server, origin_of(call), tool, arguments or {}, base)
    except AuthRefusal:
        raise
    except Exception as error:
        problem = problem_of(error)
        if problem is None or problem.status in (401, 403):
            raise
        return failed(problem.detail)


async def _whole(begun: ToolCall) -> Json:
    """The result of a call by a client that cannot be asked."""
    async with aclosing(begun.follow(asks=False)) as steps:
        async for step in steps:
            if isinstance(step, Done):
                return step.result
    raise AssertionError("a call always has a result")


async def _called(call: Call[bytes, None], message: Json) -> Any:
    """A call in a request of its own; clients that can be asked get a stream."""
    try:
        begun = await _begin(call, message.get("params", {}))
    except RpcError as error:
        return Reply(rpc.failure(message["id"], error))
    if isinstance(begun, dict):
        return Reply(rpc.result(message["id"], begun))
    if read_session(call.header(HEADER)).elicits:
        return EventStream(_events(call, begun, message["id"]))

    async def body() -> bytes:
        return encode(rpc.result(message["id"], await _whole(begun)))

    return WaitedFor(body(), {})


async def _events(call: Call[Any, Any], begun: ToolCall, id: Any) -> AsyncGenerator[bytes]:
    server = call.server
    async with aclosing(until(server.closing, begun.follow(asks=True))) as steps:
        async for step in steps:
            if step is None:
                yield HEARTBEAT
            elif isinstance(step, Request):
                asked = {"jsonrpc": "2.0", "id": step.id, "method": "elicitation/create"}
                yield _event({**asked, "params": step.params})
            else:
                yield _event(rpc.result(id, step.result))
                return


def _event(message: Json) -> bytes:
    return b"event: message\r\ndata: %b\r\n\r\n" % encode(message)
