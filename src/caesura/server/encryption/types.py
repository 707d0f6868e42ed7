"""What handlers of an `Encryption` get and may return. The names are those of ``langgraph_sdk``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")
Json = dict[str, Any]


class EncryptionContext:
    """What a handler is told: ``model`` and ``field`` of the data (``run``, ``kwargs``), and ``metadata``.

    ``metadata`` is what the request's ``X-Encryption-Context`` header, or the context handler, said; it
    is stored beside the encrypted data, readable, and given again to decrypt.
    """

    __slots__ = ("field", "metadata", "model")

    def __init__(
        self,
        model: str | None = None,
        metadata: dict[str, Any] | None = None,
        field: str | None = None,
    ) -> None:
        self.model, self.field, self.metadata = model, field, metadata or {}

    def __repr__(self) -> str:
        return (
            f"EncryptionContext(model={self.model!r}, field={self.field!r}, "
            f"metadata={self.metadata!r})"
        )


@dataclass(frozen=True, slots=True)
class DecryptResult(Generic[T]):
    """What a decrypt handler may return instead of the plaintext.

    ``replacement``, the same data under a newer key, is not stored: data is encrypted anew when it is
    next written.
    """

    plaintext: T
    replacement: T | None = None


BlobEncryptor = Callable[[EncryptionContext, bytes], Awaitable[bytes]]
BlobDecryptor = Callable[[EncryptionContext, bytes], Awaitable[bytes | DecryptResult[bytes]]]
JsonEncryptor = Callable[[EncryptionContext, Json], Awaitable[Json]]
JsonDecryptor = Callable[[EncryptionContext, Json], Awaitable[Json | DecryptResult[Json]]]
ContextHandler = Callable[[Any, EncryptionContext], Awaitable[dict[str, Any]]]
