"""Values → the JSON that is sent. Takes what programs put into inputs: dataclasses, models, dates, …"""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any
from uuid import UUID

from caesura.types import Command, Send


def encode(value: Any) -> bytes:
    """``value`` as JSON. Raises TypeError for what has no JSON form, ValueError for NaN and infinity."""
    text = json.dumps(
        value, default=_plain, ensure_ascii=False, allow_nan=False, separators=(",", ":")
    )
    return text.encode("utf-8", "surrogatepass")


def _plain(value: Any) -> Any:
    if isinstance(value, Send):
        return {"node": value.node, "input": value.arg}
    if isinstance(value, Command):
        return command_body(value)
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: getattr(value, f.name) for f in fields(value)}
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, (UUID, PurePath, Decimal)):
        return str(value)
    if isinstance(value, (set, frozenset, range)) or hasattr(value, "__next__"):
        return list(value)
    raise TypeError(
        f"{type(value).__name__} has no JSON form. Nothing was sent. Convert it to plain values first."
    )


def command_body(command: Command[Any]) -> dict[str, Any]:
    """A command as the API takes it; what it does not say is left out."""
    body = {"update": command.update, "resume": command.resume}
    said = {name: value for name, value in body.items() if value is not None}
    return {**said, "goto": command.goto} if command.goto else said
