"""Encryption of everything that a serializer writes: a cipher around any serializer.

`EncryptedSerializer` adds the cipher's name to the tag of the bytes (``msgpack+aes-gcm``), so that it
can tell what to do with them when it reads; bytes without one were stored before there was a cipher.
Two ciphers are at hand: `aes_gcm.AesGcm`, ours, whose keys can be rotated, and LangGraph's AES-EAX
(`from_pycryptodome_aes`), for data that LangGraph wrote.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final

from caesura.checkpoint.serde._msgpack import AllowedMsgpackModules
from caesura.checkpoint.serde.base import CipherProtocol, SerializerProtocol
from caesura.checkpoint.serde.jsonplus import JsonPlusSerializer
from caesura.errors import DecryptionError

__all__ = ["EncryptedSerializer"]

_AES_KEY: Final = "LANGGRAPH_AES_KEY"
_AES_LENGTHS: Final = (16, 24, 32)
_EAX_NONCE: Final = 16
_EAX_TAG: Final = 16


class EncryptedSerializer:
    """Encrypts what ``serde`` writes with ``cipher``, and decrypts before ``serde`` reads.

    Data that was stored without encryption can still be read, unless ``require_encrypted``: set that
    when all old data is gone, since whoever can write to the database could otherwise put plain data
    in the place of encrypted data.

    A cipher may have ``bound_encrypt(plaintext, bound)`` and ``bound_decrypt(name, ciphertext,
    bound)`` besides the methods of `CipherProtocol`. They are preferred, and are given the inner tag
    as bytes to authenticate.
    """

    def __init__(
        self,
        cipher: CipherProtocol,
        serde: SerializerProtocol | None = None,
        *,
        require_encrypted: bool = False,
    ) -> None:
        self.cipher = cipher
        self.serde: SerializerProtocol = JsonPlusSerializer() if serde is None else serde
        self.require_encrypted = require_encrypted

    def dumps_typed(self, obj: Any) -> tuple[str, bytes]:
        """``("<inner tag>+<cipher>", ciphertext)``. Raises what serializer and cipher raise."""
        tag, data = self.serde.dumps_typed(obj)
        bound = getattr(self.cipher, "bound_encrypt", None)
        name, sealed = self.cipher.encrypt(data) if bound is None else bound(data, tag.encode())
        return f"{tag}+{name}", sealed

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        """The value that ``dumps_typed`` was given.

        Raises DecryptionError if the bytes were changed, if no key fits, or if they are not
        encrypted and have to be.
        """
        tag, sealed = data
        inner, plus, name = tag.partition("+")
        if not plus:
            if self.require_encrypted:
                raise DecryptionError(
                    "A stored value is not encrypted, and require_encrypted is set. It was not read."
                )
            return self.serde.loads_typed(data)
        bound = getattr(self.cipher, "bound_decrypt", None)
        if bound is None:
            return self.serde.loads_typed((inner, self.cipher.decrypt(name, sealed)))
        return self.serde.loads_typed((inner, bound(name, sealed, inner.encode())))

    def with_allowlist(self, extra: AllowedMsgpackModules) -> EncryptedSerializer:
        """A serializer like this one whose inner one may also build the classes in ``extra``."""
        widen = getattr(self.serde, "with_msgpack_allowlist", None)
        if widen is None:
            return self
        wider = type(self).__new__(type(self))
        wider.__dict__.update(self.__dict__)
        wider.serde = widen(extra)
        return wider

    with_msgpack_allowlist = with_allowlist

    @classmethod
    def from_aes_gcm(
        cls,
        keys: Mapping[str, bytes] | bytes | str | None = None,
        *,
        associated_data: bytes = b"",
        serde: SerializerProtocol | None = None,
        require_encrypted: bool = False,
    ) -> EncryptedSerializer:
        """AES-256-GCM. Needs the package ``cryptography`` (``pip install "caesura[encryption]"``).

        ``keys``: names and 32 bytes each, the first of which encrypts, while all decrypt; one key
        alone; a text ``name:base64,name:base64``; None: such a text from the environment variable
        ``CAESURA_ENCRYPTION_KEYS``. ``associated_data`` is authenticated with every value: data
        stored with another one cannot be read.

        Raises ValueError for unusable keys and ImportError without the package.
        """
        from caesura.checkpoint.serde.aes_gcm import AesGcm, keys_of

        cipher = AesGcm(keys_of(keys), associated_data)
        return cls(cipher, serde, require_encrypted=require_encrypted)

    @classmethod
    def from_pycryptodome_aes(
        cls,
        serde: SerializerProtocol | None = None,
        *,
        require_encrypted: bool = False,
        **kwargs: Any,
    ) -> EncryptedSerializer:
        """AES-EAX, as LangGraph stores it. Needs the package ``pycryptodome``.

        ``key``: 16, 24 or 32 bytes; without one, the text of ``LANGGRAPH_AES_KEY`` is it. More
        keyword arguments go to ``Crypto.Cipher.AES.new``.

        Raises ValueError for an unusable key and ImportError without the package.
        """
        cipher = _PycryptodomeAes(_aes_key(kwargs.pop("key", None)), kwargs)
        return cls(cipher, serde, require_encrypted=require_encrypted)


def _aes_key(given: Any) -> bytes:
    if given is None:
        text = os.environ.get(_AES_KEY)
        if text is None:
            raise ValueError(f"{_AES_KEY} environment variable is not set.")
        if len(text.encode()) not in _AES_LENGTHS:
            raise ValueError(f"{_AES_KEY} must be 16, 24, or 32 bytes long.")
        return text.encode()
    if not isinstance(given, bytes) or len(given) not in _AES_LENGTHS:
        raise ValueError("An AES key is 16, 24, or 32 bytes long.")
    return given


class _PycryptodomeAes:
    """LangGraph's cipher: nonce (16), tag (16), ciphertext."""

    def __init__(self, key: bytes, options: dict[str, Any]) -> None:
        try:
            from Crypto.Cipher import AES
        except ImportError:
            raise ImportError(
                "from_pycryptodome_aes needs the package pycryptodome: pip install pycryptodome"
            ) from None
        self._key, self._new = key, AES.new
        self._options = {"mode": AES.MODE_EAX, **options}

    def encrypt(self, plaintext: bytes) -> tuple[str, bytes]:
        cipher = self._new(self._key, **self._options)
        sealed, tag = cipher.encrypt_and_digest(plaintext)
        return "aes", cipher.nonce + tag + sealed

    def decrypt(self, ciphername: str, ciphertext: bytes) -> bytes:
        if ciphername != "aes":
            raise DecryptionError(
                f"A stored value was encrypted with {ciphername!r}, which this cipher (aes) cannot "
                "decrypt."
            )
        nonce, rest = ciphertext[:_EAX_NONCE], ciphertext[_EAX_NONCE:]
        try:
            cipher = self._new(self._key, **self._options, nonce=nonce)
            plain: bytes = cipher.decrypt_and_verify(rest[_EAX_TAG:], rest[:_EAX_TAG])
        except ValueError:
            raise DecryptionError(
                "A stored value cannot be decrypted: it was changed, or encrypted with another key. "
                "It was not read."
            ) from None
        return plain
