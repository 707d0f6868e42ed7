"""Names in stored checkpoints and configs, where LangGraph keeps them."""

from caesura.constants import CONF, ERROR, INTERRUPT, PULL, PUSH, RESUME, RETURN, TASKS

CONFIG_KEY_THREAD_ID = "thread_id"
CONFIG_KEY_CHECKPOINT_ID = "checkpoint_id"
CONFIG_KEY_CHECKPOINT_NS = "checkpoint_ns"
CONFIG_KEY_CHECKPOINT_MAP = "checkpoint_map"
OVERWRITE = "__overwrite__"

__all__ = (
    "CONF",
    "CONFIG_KEY_CHECKPOINT_ID",
    "CONFIG_KEY_CHECKPOINT_MAP",
    "CONFIG_KEY_CHECKPOINT_NS",
    "CONFIG_KEY_THREAD_ID",
    "ERROR",
    "INTERRUPT",
    "OVERWRITE",
    "PULL",
    "PUSH",
    "RESUME",
    "RETURN",
    "TASKS",
)
