"""The assistants as tools: their names, what they take, and how arguments become input."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from caesura.records.operations import FindAssistants
from caesura.records.shapes import Assistant
from caesura.server.project.schemas import schemas_of

if TYPE_CHECKING:
    from caesura.server.services import Server

Json = dict[str, Any]
_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9_-]+")
_LONGEST: Final = 55
_PAGE: Final = 1000
_HINTS: Final = {
    "readOnlyHint": False,
    "destructiveHint": False,
    "idempotentHint": False,
    "openWorldHint": True,
}
_INPUT: Final = "input"


@dataclass(frozen=True, slots=True)
class Tool:
    """An assistant under the name by which it is called."""

    name: str
    assistant: Assistant


async def find_tools(server: Server, filters: Mapping[str, Any]) -> Sequence[Tool]:
    """A tool for every assistant that the caller may see and whose graph is served."""
    found: list[Assistant] = []
    while True:
        find = FindAssistants(
            limit=_PAGE, offset=len(found), sort_by="assistant_id", order="asc", filters=filters
        )
        page = await server.do(find)
        found += page.rows
        if not page.more:
            return named([each for each in found if each.graph_id in server.graphs.ids])


def named(assistants: Sequence[Assistant]) -> list[Tool]:
    """Tools with names that are theirs alone: a graph's own keeps its name, others give way."""
    own = [each for each in assistants if each.metadata.get("created_by") == "system"]
    others = [each for each in assistants if each.metadata.get("created_by") != "system"]
    taken: set[str] = set()
    tools = []
    for assistant in [*own, *others]:
        name = _NOT_IN_NAMES.sub("_", assistant.name)[:_LONGEST].strip("_") or assistant.graph_id
        if name in taken:
            name = f"{name}-{assistant.assistant_id[:8]}"
        if name in taken:
            name = assistant.assistant_id
        taken.add(name)
        tools.append(Tool(name, assistant))
    return tools


async def describe(server: Server, tool: Tool) -> Json:
    """A tool as ``tools/list`` shows it."""
    assistant = tool.assistant
    return {
        "name": tool.name,
        "title": assistant.name,
        "description": assistant.description or f"Run the assistant {assistant.name}",
        "inputSchema": arguments_schema(await _input_schema(server, assistant.graph_id)),
        "annotations": {"title": assistant.name, **_HINTS},
    }


async def _input_schema(server: Server, graph_id: str) -> Any:
    return schemas_of(await server.graphs.static(graph_id), graph_id)["input_schema"]


async def input_of(server: Server, tool: Tool, arguments: Mapping[str, Any]) -> Any:
    """The graph's input that a call's arguments stand for."""
    return to_input(await _input_schema(server, tool.assistant.graph_id), arguments)


def arguments_schema(schema: Any) -> Json:
    """A graph's input schema as that of a tool: an object; messages are one text. Pure."""
    if not _is_object(schema):
        return {"type": "object", "properties": {_INPUT: schema or {}}, "required": [_INPUT]}
    properties = schema.get("properties") or {}
    if not _takes_messages(schema):
        return dict(schema)
    text = {
        "type": "string",
        "title": "Messages",
        "description": "The user message to send to the agent.",
    }
    return {**schema, "properties": {**properties, "messages": text}}


def to_input(schema: Any, arguments: Mapping[str, Any]) -> Any:
    """Arguments by `arguments_schema` → the graph's input. Pure."""
    if not _is_object(schema):
        return arguments.get(_INPUT)
    messages = arguments.get("messages")
    if _takes_messages(schema) and isinstance(messages, str):
        return {**arguments, "messages": [{"role": "user", "content": messages}]}
    return dict(arguments)


def _is_object(schema: Any) -> bool:
    return isinstance(schema, Mapping) and schema.get("type") == "object"


def _takes_messages(schema: Mapping[str, Any]) -> bool:
    """True if the input has a list of messages under the usual name."""
    described = (schema.get("properties") or {}).get("messages")
    return isinstance(described, Mapping) and described.get("type") in ("array", None)
