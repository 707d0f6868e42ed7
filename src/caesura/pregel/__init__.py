"""Compiled programs, and programs made by hand of nodes and channels."""

from caesura.pregel.building import ChannelWriteEntry, NodeBuilder
from caesura.pregel.compiled import Pregel

__all__ = ("ChannelWriteEntry", "NodeBuilder", "Pregel")
