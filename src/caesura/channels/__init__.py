"""Channels: one key of the state each. Pure."""

from caesura.channels.any_value import AnyValue
from caesura.channels.base import BaseChannel
from caesura.channels.binop import BinaryOperatorAggregate
from caesura.channels.delta import DeltaChannel
from caesura.channels.ephemeral_value import EphemeralValue
from caesura.channels.last_value import LastValue, LastValueAfterFinish
from caesura.channels.named_barrier_value import (
    NamedBarrierValue,
    NamedBarrierValueAfterFinish,
)
from caesura.channels.topic import Topic
from caesura.channels.untracked_value import UntrackedValue

__all__ = (
    "AnyValue",
    "BaseChannel",
    "BinaryOperatorAggregate",
    "DeltaChannel",
    "EphemeralValue",
    "LastValue",
    "LastValueAfterFinish",
    "NamedBarrierValue",
    "NamedBarrierValueAfterFinish",
    "Topic",
    "UntrackedValue",
)
