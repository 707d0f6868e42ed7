"""The configuration of a run: merging, checking, and what of it is stored. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import is_dataclass
from typing import Any

from caesura.config import default_recursion_limit
from caesura.constants import CONF
from caesura.types import is_pydantic
from caesura.warnings import LangGraphDeprecatedSinceV10, warn_renamed

_ADDRESS = frozenset({"thread_id", "checkpoint_id", "checkpoint_ns", "checkpoint_map"})
_NEEDED = (
    "Checkpointer requires one or more of the following 'configurable' keys: "
    "thread_id, checkpoint_ns, checkpoint_id"
)


def merge_configs(*configs: Mapping[str, Any] | None) -> dict[str, Any]:
    """Later ones win; tags and lists of callbacks are appended, dicts merged."""
    merged: dict[str, Any] = {}
    for config in configs:
        for key, value in (config or {}).items():
            if value is None:
                continue
            before = merged.get(key)
            if key in ("metadata", CONF) and before:
                merged[key] = {**before, **value}
            elif key == "tags" and before:
                merged[key] = [*before, *(t for t in value if t not in before)]
            elif key == "callbacks" and isinstance(before, list) and isinstance(value, list):
                merged[key] = [*before, *(c for c in value if all(c is not b for b in before))]
            else:
                merged[key] = value
    return merged


def thread_of(configurable: Mapping[str, Any]) -> str:
    """The thread id, as text. Raises ValueError or KeyError if it is not given."""
    if "thread_id" in configurable:
        return str(configurable["thread_id"])
    if not configurable:
        raise ValueError(_NEEDED)
    raise KeyError("thread_id")


def limit_of(config: Mapping[str, Any]) -> int:
    """The recursion limit. Raises ValueError below 1."""
    limit = config.get("recursion_limit")
    if limit is None:
        return default_recursion_limit()
    if limit < 1:
        raise ValueError("recursion_limit must be at least 1")
    return int(limit)


def stored_metadata(config: Mapping[str, Any]) -> dict[str, Any]:
    """What of a config is stored with each checkpoint: the scalars."""
    found: dict[str, Any] = {}
    for part in (config.get(CONF) or {}, config.get("metadata") or {}):
        for key, value in part.items():
            if key.startswith("__") or key in _ADDRESS:
                continue
            if isinstance(value, (str, int, float, bool)):
                found[key] = value
    if config.get("run_id") is not None:
        found["run_id"] = str(config["run_id"])
    return found


def coerce_context(schema: Any, context: Any) -> Any:
    """A dict as the declared context class. Raises what the class raises for wrong keys."""
    if schema is None or not isinstance(context, dict):
        return context
    if is_dataclass(schema) or is_pydantic(schema):
        return schema(**context)
    return context


def durability_of(durability: str | None, checkpoint_during: bool | None) -> str | None:
    """The durability asked for, the deprecated way included."""
    if checkpoint_during is None:
        return durability
    warn_renamed("checkpoint_during", "durability", LangGraphDeprecatedSinceV10, 3)
    if durability is not None:
        raise ValueError(
            "Cannot use both `checkpoint_during` and `durability` parameters. "
            "Please use `durability` instead."
        )
    return "async" if checkpoint_during else "exit"
