"""Graphs described for clients: JSON Schemas of what goes in and out, and pictures."""

from __future__ import annotations

import dataclasses
import itertools
from operator import add
from typing import Annotated, Any, NotRequired

import pytest
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from caesura.func import entrypoint
from caesura.graph import END, START, StateGraph
from caesura.server.project.schemas import drawing_of, schemas_of, subgraph_schemas


class S(TypedDict, total=False):
    topic: str
    draft: str
    decision: Any
    log: Annotated[list[str], add]


class Ctx(TypedDict, total=False):
    user: str


class Given(TypedDict):
    topic: str
    count: NotRequired[int]


@dataclasses.dataclass
class AsDataclass:
    topic: str
    count: int = 3
    log: Annotated[list[str], add] = dataclasses.field(default_factory=list)


class AsModel(BaseModel):
    topic: str = Field(description="what about")
    count: int = 3


class Settings(BaseModel):
    model_name: str = "small"


class Unspeakable:
    """A type without a form in JSON."""


class Odd(TypedDict):
    topic: str
    handle: Unspeakable


class Item(TypedDict):
    name: str
    parts: list[Item]


class Nested(TypedDict):
    first: Item
    second: list[Item]


def step(state: Any) -> Any:
    return {}


def graph_of(schema: Any, *names: str, **how: Any) -> Any:
    builder = StateGraph(schema, **how)
    for name in names or ("step",):
        builder.add_node(name, step)
    path = [START, *(names or ("step",)), END]
    for one, other in itertools.pairwise(path):
        builder.add_edge(one, other)
    return builder.compile()


SIDE = {
    "properties": {
        "topic": {"title": "Topic", "type": "string"},
        "draft": {"title": "Draft", "type": "string"},
        "decision": {"title": "Decision"},
        "log": {"items": {"type": "string"}, "title": "Log", "type": "array"},
    },
    "title": "S",
    "type": "object",
}
STATE = {
    "properties": {key: {"default": None, **value} for key, value in SIDE["properties"].items()},  # type: ignore[attr-defined]
    "title": "agent_state",
    "type": "object",
}
CONTEXT = {
    "properties": {"user": {"title": "User", "type": "string"}},
    "title": "Ctx",
    "type": "object",
}


# --- schemas ---------------------------------------------------------------------------------


def test_a_graph_is_described_as_clients_know_it() -> None:
    assert schemas_of(graph_of(S, context_schema=Ctx), "agent") == {
        "graph_id": "agent",
        "input_schema": SIDE,
        "output_schema": SIDE,
        "state_schema": STATE,
        "config_schema": CONTEXT,
        "context_schema": CONTEXT,
    }


def test_without_a_context_class_there_is_no_context_schema_and_any_config() -> None:
    found = schemas_of(graph_of(S), "agent")
    assert (found["config_schema"], found["context_schema"]) == ({}, None)


def test_input_and_output_have_schemas_of_their_own() -> None:
    found = schemas_of(graph_of(S, input_schema=Given, output_schema=Ctx), "agent")
    assert found["input_schema"] == {
        "properties": {
            "topic": {"title": "Topic", "type": "string"},
            "count": {"title": "Count", "type": "integer"},
        },
        "required": ["topic"],
        "title": "Given",
        "type": "object",
    }
    assert found["output_schema"]["title"] == "Ctx"
    keys = {"topic", "draft", "decision", "log", "count", "user"}
    assert set(found["state_schema"]["properties"]) == keys


def test_a_dataclass_is_described_with_its_defaults() -> None:
    found = schemas_of(graph_of(AsDataclass), "agent")
    assert found["input_schema"] == {
        "properties": {
            "topic": {"title": "Topic", "type": "string"},
            "count": {"default": 3, "title": "Count", "type": "integer"},
            "log": {"items": {"type": "string"}, "title": "Log", "type": "array"},
        },
        "required": ["topic"],
        "title": "agent_input",
        "type": "object",
    }
    assert found["output_schema"]["title"] == "agent_output"


def test_a_model_is_described_with_its_own_notes() -> None:
    found = schemas_of(graph_of(AsModel, context_schema=Settings), "agent")
    assert found["input_schema"] == {
        "properties": {
            "topic": {"description": "what about", "title": "Topic", "type": "string"},
            "count": {"default": 3, "title": "Count", "type": "integer"},
        },
        "required": ["topic"],
        "title": "AsModel",
        "type": "object",
    }
    assert found["context_schema"]["properties"]["model_name"]["default"] == "small"
    assert "required" not in found["state_schema"]


def test_a_bare_state_is_described_by_its_type() -> None:
    builder = StateGraph(Annotated[list[str], add])  # type: ignore[type-var,arg-type]
    graph = builder.add_node("step", step).add_edge(START, "step").compile()
    found = schemas_of(graph, "agent")
    bare = {"items": {"type": "string"}, "type": "array"}
    assert found["input_schema"] == {**bare, "title": "agent_input"}
    assert found["state_schema"] == {**bare, "title": "agent_state"}


def test_a_key_without_a_form_in_json_takes_anything_and_the_others_are_described() -> None:
    properties = schemas_of(graph_of(Odd), "agent")["input_schema"]["properties"]
    assert properties == {
        "topic": {"title": "Topic", "type": "string"},
        "handle": {"title": "Handle"},
    }


def test_keys_share_definitions_of_classes_that_refer_to_themselves() -> None:
    schema = schemas_of(graph_of(Nested), "agent")["input_schema"]
    assert list(schema["$defs"]) == ["Item"]
    item = schema["$defs"]["Item"]
    assert item["properties"]["parts"]["items"] == {"$ref": "#/$defs/Item"}
    assert "additionalProperties" not in item


def test_an_entrypoint_is_described_by_its_annotations() -> None:
    @entrypoint()
    def agent(number: int) -> str:
        return str(number)

    found = schemas_of(agent, "agent")
    assert found["input_schema"] == {"title": "agent_input", "type": "integer"}
    assert found["output_schema"] == {"title": "agent_output", "type": "string"}
    end = {"default": None, "title": "End", "type": "string"}
    assert found["state_schema"]["properties"] == {"__end__": end}


def test_what_an_entrypoint_saves_is_no_part_of_its_output() -> None:
    @entrypoint()
    def agent(number: int) -> entrypoint.final[str, int]:
        return entrypoint.final(value=str(number), save=number)

    output = schemas_of(agent, "agent")["output_schema"]
    assert output == {"title": "agent_output", "type": "string"}


def test_an_entrypoint_without_annotations_takes_anything() -> None:
    @entrypoint()
    def agent(given):  # type: ignore[no-untyped-def]
        return given

    assert schemas_of(agent, "agent")["input_schema"] == {"title": "agent_input"}


# --- nested graphs ---------------------------------------------------------------------------


def family() -> Any:
    child = graph_of(S, "inner_a", "inner_ask")
    builder = StateGraph(S).add_node("first", step).add_node("child", child).add_node("last", step)
    builder.add_edge(START, "first").add_edge("first", "child").add_edge("child", "last")
    return builder.add_edge("last", END).compile()


def test_nested_graphs_are_described_by_name() -> None:
    inner = {
        "input_schema": SIDE,
        "output_schema": SIDE,
        "state_schema": {**STATE, "title": "LangGraphState"},
        "config_schema": {},
        "context_schema": None,
    }
    assert subgraph_schemas(family()) == {"child": inner}
    assert subgraph_schemas(family(), namespace="child", recurse=True) == {"child": inner}


def test_a_graph_without_nested_ones_or_an_unknown_name_gives_nothing() -> None:
    assert subgraph_schemas(graph_of(S), recurse=True) == {}
    assert subgraph_schemas(family(), namespace="zzz") == {}


# --- pictures --------------------------------------------------------------------------------


def node(id: str) -> dict[str, Any]:
    return {"id": id, "type": "runnable", "data": {"name": id}}


def test_a_picture_has_exactly_the_keys_that_clients_read() -> None:
    assert drawing_of(graph_of(S, "draft", "approve", "publish")) == {
        "nodes": [
            *map(node, ("__start__", "draft", "approve", "publish")),
            {"id": "__end__"},
        ],
        "edges": [
            {"source": "__start__", "target": "draft"},
            {"source": "approve", "target": "publish"},
            {"source": "draft", "target": "approve"},
            {"source": "publish", "target": "__end__"},
        ],
    }


@pytest.mark.parametrize("xray", [True, 1])
def test_an_xray_draws_nested_graphs_in_place(xray: bool | int) -> None:
    picture = drawing_of(family(), xray=xray)
    inner = ("child:inner_a", "child:inner_ask")
    assert picture["nodes"] == [
        *map(node, ("__start__", "first", "last")),
        {"id": "__end__"},
        *map(node, inner),
    ]
    assert picture["edges"] == [
        {"source": "__start__", "target": "first"},
        {"source": "child:inner_ask", "target": "last"},
        {"source": "first", "target": "child:inner_a"},
        {"source": "last", "target": "__end__"},
        {"source": "child:inner_a", "target": "child:inner_ask"},
    ]


def test_an_entrypoint_is_drawn_as_one_node() -> None:
    @entrypoint()
    def agent(number: int) -> str:
        return str(number)

    assert drawing_of(agent) == {
        "nodes": [node("agent"), {"id": "__start__"}, {"id": "__end__"}],
        "edges": [
            {"source": "__start__", "target": "agent"},
            {"source": "agent", "target": "__end__", "conditional": True},
        ],
    }
