"""LangGraph's name of `caesura.checkpoint.ids`."""

from caesura.checkpoint.ids import new_id, uuid6

__all__ = ["new_id", "uuid6"]
