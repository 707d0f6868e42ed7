"""The payloads of the stream modes ``checkpoints``, ``tasks`` and ``debug``."""

from caesura.types import (
    CheckpointPayload,
    CheckpointTask,
    DebugPayload,
    TaskPayload,
    TaskResultPayload,
)

__all__ = (
    "CheckpointPayload",
    "CheckpointTask",
    "DebugPayload",
    "TaskPayload",
    "TaskResultPayload",
)
