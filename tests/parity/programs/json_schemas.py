"""What a program says about its input, its output and its context."""

import dataclasses
import operator
from typing import Annotated, Any, NotRequired, Required

from langgraph.channels import BinaryOperatorAggregate, EphemeralValue, LastValue, Topic
from langgraph.func import entrypoint
from langgraph.graph import START, StateGraph
from langgraph.pregel import NodeBuilder, Pregel
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

SAVERS = ("memory",)


class Inner(TypedDict):
    q: int


class State(TypedDict):
    """What it is about."""

    a: str
    b: Annotated[list[int], operator.add]
    c: NotRequired[Inner]
    anything: Any
    some_number: int | None


class Given(TypedDict, total=False):
    a: str
    some_number: Required[int | None]


class Taken(TypedDict):
    b: list[int]


class Context(TypedDict):
    uid: str


@dataclasses.dataclass
class AsDataclass:
    """Mine."""

    a: str
    b: int = 3
    c: list[str] = dataclasses.field(default_factory=list)


class AsModel(BaseModel):
    """A model."""

    a: str = Field(description="hello")
    b: int = 3


def graph_of(schema, name=None, **how):
    builder = StateGraph(schema, **how)
    builder.add_node("n", lambda s: {})
    builder.add_edge(START, "n")
    return builder.compile(name=name)


def by_hand(**how):
    node = NodeBuilder().subscribe_only("a").do(len).write_to("b")
    channels = {
        "a": EphemeralValue(str),
        "b": LastValue(int),
        "c": Topic(int),
        "d": BinaryOperatorAggregate(list, operator.add),
    }
    return Pregel(nodes={"n": node}, channels=channels, **how)


def run(make_saver, record):
    @entrypoint()
    def number(x: int) -> str:
        return str(x)

    @entrypoint()
    def anything(x: dict):
        return x

    programs = {
        "typed dict": graph_of(State, context_schema=Context),
        "sides": graph_of(
            State, "foo", input_schema=Given, output_schema=Taken, context_schema=AsDataclass
        ),
        "dataclass": graph_of(AsDataclass, context_schema=AsModel),
        "model": graph_of(AsModel, "my_graph"),
        "list": graph_of(Annotated[list, operator.add]),
        "number": graph_of(int, "nm"),
        "entrypoint": number,
        "entrypoint without types": anything,
        "by hand": by_hand(input_channels="a", output_channels="b"),
        "by hand, several": by_hand(
            input_channels=["a", "d"], output_channels=["b", "c", "d"], name="nm"
        ),
    }
    for name, program in programs.items():
        record(f"{name}: input", program.get_input_jsonschema())
        record(f"{name}: output", program.get_output_jsonschema())
        record(f"{name}: context", program.get_context_jsonschema())
        record(f"{name}: config", program.get_config_jsonschema())
        for side, model in (
            ("input", program.get_input_schema()),
            ("output", program.get_output_schema()),
        ):
            fields = {key: field.is_required() for key, field in model.model_fields.items()}
            record(f"{name}: {side} model", [model.__name__, issubclass(model, BaseModel), fields])
    typed = programs["typed dict"]
    record("the same model", typed.get_input_schema() is typed.get_input_schema())
    record("as properties", typed.input_schema.__name__ + typed.output_schema.__name__)
    output = typed.get_output_schema()
    record("partial output", output(a="x").model_dump())
    record.raises("a number", lambda: programs["number"].get_input_schema()("no").root)
    record("config model", typed.config_schema().model_json_schema())
    renamed = typed.copy({"name": "other"})
    record("renamed", [renamed.name, typed.name, renamed.get_output_schema().__name__])
