"""The methods of a compiled program that tell what it takes and gives, as JSON Schemas and models."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Literal, cast

from caesura.core.program import Program
from caesura.pregel.describing import (
    Shape,
    config_model,
    context_json,
    json_of,
    model_of,
    suffixed,
    types_of,
)
from caesura.schemas.kinds import JsonSchema
from caesura.warnings import LangGraphDeprecatedSinceV10


class SchemaMethods:
    """Part of `Pregel`."""

    program: Program
    name: str
    context_schema: Any
    _models: dict[str, Any]
    """Those that were made, by their titles."""

    def shape_of(self, side: Literal["input", "output"]) -> Shape:
        """What this side of the program takes or gives."""
        if side == "input":
            return types_of(self.program.channels, self.program.input_channels, "UpdateType")
        return types_of(self.program.channels, self.program.output_channels, "ValueType")

    def get_input_jsonschema(self, config: Any = None) -> JsonSchema:
        """The JSON Schema of the input. ``config`` changes nothing."""
        return json_of(self.shape_of("input"), suffixed(self.name, "input"))

    def get_output_jsonschema(self, config: Any = None) -> JsonSchema:
        """The JSON Schema of the output. ``config`` changes nothing."""
        return json_of(self.shape_of("output"), suffixed(self.name, "output"))

    def get_context_jsonschema(self) -> JsonSchema | None:
        """The JSON Schema of the context class; None if there is none."""
        return None if self.context_schema is None else context_json(self.context_schema)

    def get_input_schema(self, config: Any = None) -> Any:
        """The pydantic model of the input. Raises ImportError without pydantic."""
        return self._model_of("input")

    def get_output_schema(self, config: Any = None) -> Any:
        """The pydantic model of the output; no key is required. Raises ImportError without pydantic."""
        return self._model_of("output")

    @property
    def input_schema(self) -> Any:
        """As `get_input_schema`."""
        return self._model_of("input")

    @property
    def output_schema(self) -> Any:
        """As `get_output_schema`."""
        return self._model_of("output")

    def _model_of(self, side: Literal["input", "output"]) -> Any:
        title = suffixed(self.name, side)
        if title not in self._models:
            self._models[title] = model_of(self._model_shape(side), title)
        return self._models[title]

    def _model_shape(self, side: Literal["input", "output"]) -> Shape:
        return self.shape_of(side)

    def config_schema(self, *, include: Sequence[str] | None = None) -> Any:
        """The pydantic model of the config. Deprecated: use `get_context_jsonschema`."""
        warnings.warn(
            "`config_schema` is deprecated. Use `get_context_jsonschema` for the relevant schema "
            "instead.",
            LangGraphDeprecatedSinceV10,
            stacklevel=2,
        )
        return config_model(self.context_schema, suffixed(self.name, "config"))

    def get_config_jsonschema(self, *, include: Sequence[str] | None = None) -> JsonSchema:
        """The JSON Schema of the config. Deprecated: use `get_context_jsonschema`."""
        warnings.warn(
            "`get_config_jsonschema` is deprecated. Use `get_context_jsonschema` instead.",
            LangGraphDeprecatedSinceV10,
            stacklevel=2,
        )
        model = config_model(self.context_schema, suffixed(self.name, "config"))
        return cast(JsonSchema, model.model_json_schema())
