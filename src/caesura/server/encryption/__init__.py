"""Encryption of what a server stores: by keys, or by the handlers of a project's `Encryption` object.

`Encryption`, `EncryptionContext` and `types` are what programs import: the names are those of
``langgraph_sdk``, whose own objects are accepted too.
"""

from __future__ import annotations

from caesura.server.encryption import types
from caesura.server.encryption.decorators import DuplicateHandlerError, Encryption
from caesura.server.encryption.types import DecryptResult, EncryptionContext

__all__ = ("DecryptResult", "DuplicateHandlerError", "Encryption", "EncryptionContext", "types")
