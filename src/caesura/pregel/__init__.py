"""Compiled programs."""

from caesura.pregel.compiled import Pregel

__all__ = ("Pregel",)
