"""Parts of a stream (``version="v2"``) → events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from caesura.execution.clock import clock
from caesura.stream._types import ProtocolEvent


def convert_to_protocol_event(part: Mapping[str, Any]) -> ProtocolEvent:
    """The event of a part ``{"type", "ns", "data"[, "interrupts"]}``; it has no number yet."""
    event = event_of(part["type"], part["ns"], part["data"])
    if "interrupts" in part:
        event["params"]["interrupts"] = part["interrupts"]
    return event


def event_of(method: str, ns: tuple[str, ...], data: Any) -> ProtocolEvent:
    """An event that happens now."""
    millis = int(clock().epoch() * 1000)
    return {
        "type": "event",
        "method": method,
        "params": {"namespace": list(ns), "timestamp": millis, "data": data},
    }
