"""What a saver needs from a serializer and a cipher, as protocols."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable


class UntypedSerializerProtocol(Protocol):
    """The older form: bytes without a tag that says how to read them."""

    def dumps(self, obj: Any) -> bytes:
        """``obj`` as bytes."""
        ...

    def loads(self, data: bytes) -> Any:
        """The object that ``dumps`` was given."""
        ...


@runtime_checkable
class SerializerProtocol(Protocol):
    """Turns values into tagged bytes and back."""

    def dumps_typed(self, obj: Any) -> tuple[str, bytes]:
        """``(tag, bytes)``; the tag says how the bytes are to be read."""
        ...

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        """The value that ``dumps_typed`` was given."""
        ...


class SerializerCompat:
    """Gives an untyped serializer the typed methods; the tag is the class of the value."""

    def __init__(self, serde: UntypedSerializerProtocol) -> None:
        self.serde = serde

    def dumps_typed(self, obj: Any) -> tuple[str, bytes]:
        """``(class name, bytes)``."""
        return type(obj).__name__, self.serde.dumps(obj)

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        """The value behind the bytes; the tag is not needed."""
        return self.serde.loads(data[1])


def maybe_add_typed_methods(
    serde: SerializerProtocol | UntypedSerializerProtocol,
) -> SerializerProtocol:
    """``serde`` itself if it has the typed methods, else `SerializerCompat` around it."""
    if isinstance(serde, SerializerProtocol):
        return serde
    return SerializerCompat(serde)


class CipherProtocol(Protocol):
    """Encrypts stored bytes. Both methods must be safe to call from several threads."""

    def encrypt(self, plaintext: bytes) -> tuple[str, bytes]:
        """``(name of the cipher, ciphertext)``."""
        ...

    def decrypt(self, ciphername: str, ciphertext: bytes) -> bytes:
        """The plaintext. Raises if the name is unknown or the ciphertext was tampered with."""
        ...
