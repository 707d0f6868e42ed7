"""AES-256-GCM with keys that can be rotated.

What it makes of a plaintext::

    version (1) | length of the key's name (1) | name | salt (16) | nonce (12) | ciphertext and tag

The nonce is random. 96 bits of it bear some four thousand million messages under one key; a busy
server has written as many in weeks. So no key encrypts by itself: with a random salt, HKDF makes of
it the key of at most 2**24 messages. Everything before the nonce, the data that belongs to the program
(``associated_data``) and what a caller binds are authenticated with the ciphertext.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import threading
from collections.abc import Mapping
from typing import Any, Final

from caesura.errors import DecryptionError

__all__ = ["KEYS_VARIABLE", "AesGcm", "keys_of"]

KEYS_VARIABLE: Final = "CAESURA_ENCRYPTION_KEYS"
NAME: Final = "aes-gcm"
_VERSION: Final = 1
_KEY: Final = 32
_SALT: Final = 16
_NONCE: Final = 12
_TAG: Final = 16
_MESSAGES: Final = 2**24
_KNOWN: Final = 1024
_INFO: Final = b"caesura aes-256-gcm "

Keys = Mapping[str, bytes]


def keys_of(given: Keys | bytes | str | None) -> dict[str, bytes]:
    """Keys by their names, of whatever form a program names them in. Raises ValueError."""
    if given is None:
        given = os.environ.get(KEYS_VARIABLE, "")
        if not given.strip():
            raise ValueError(f"The environment variable {KEYS_VARIABLE} is not set.")
    if isinstance(given, bytes):
        given = {hashlib.sha256(given).hexdigest()[:8]: given}
    if isinstance(given, str):
        given = _parsed(given)
    keys: dict[Any, Any] = dict(given)
    if not keys:
        raise ValueError("No key to encrypt with was given.")
    for name, key in keys.items():
        if not (isinstance(name, str) and 0 < len(name.encode()) < 256):
            raise ValueError("The name of a key is a text of at most 255 bytes.")
        if not isinstance(key, bytes) or len(key) != _KEY:
            raise ValueError(f"The key {name!r} must be 32 bytes long.")
    return keys


def _parsed(text: str) -> dict[str, bytes]:
    """``name:base64,name:base64``. Errors never show the text: it is a secret."""
    keys: dict[str, bytes] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, colon, encoded = part.partition(":")
        try:
            key = base64.b64decode(encoded, validate=True) if colon else b""
        except binascii.Error:
            key = b""
        if len(key) != _KEY:
            raise ValueError(
                "Keys are written as name:base64 of 32 bytes, separated by commas. One is not."
            )
        if name in keys:
            raise ValueError(f"Two keys are called {name!r}.")
        keys[name] = key
    return keys


class AesGcm:
    """A cipher whose first key encrypts and whose keys all decrypt. Safe to use from many threads."""

    def __init__(self, keys: Keys, associated_data: bytes = b"") -> None:
        try:
            from cryptography.exceptions import InvalidTag
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        except ImportError:
            raise ImportError(
                'Encryption needs the package cryptography: pip install "caesura[encryption]"'
            ) from None
        self._keys = dict(keys)
        self._first = next(iter(self._keys))
        self._associated = associated_data
        self._cipher, self._invalid = AESGCM, InvalidTag
        self._lock = threading.Lock()
        self._known: dict[bytes, Any] = {}
        self._left = 0
        self._head = b""

    def encrypt(self, plaintext: bytes) -> tuple[str, bytes]:
        """``("aes-gcm", ciphertext)``."""
        return self.bound_encrypt(plaintext, b"")

    def decrypt(self, ciphername: str, ciphertext: bytes) -> bytes:
        """The plaintext. Raises DecryptionError."""
        return self.bound_decrypt(ciphername, ciphertext, b"")

    def bound_encrypt(self, plaintext: bytes, bound: bytes) -> tuple[str, bytes]:
        """`encrypt`; ``bound`` has to be given again to decrypt."""
        head = self._next_head()
        nonce = os.urandom(_NONCE)
        sealed = self._cipher_of(head).encrypt(nonce, plaintext, self._checked(head, bound))
        return NAME, b"".join((head, nonce, sealed))

    def bound_decrypt(self, ciphername: str, ciphertext: bytes, bound: bytes) -> bytes:
        """`decrypt` of what was encrypted with the same ``bound``."""
        if ciphername != NAME:
            raise DecryptionError(
                f"A stored value was encrypted with {ciphername!r}, which this cipher ({NAME}) "
                "cannot decrypt."
            )
        head, nonce, sealed = _taken_apart(ciphertext)
        try:
            plain: bytes = self._cipher_of(head).decrypt(nonce, sealed, self._checked(head, bound))
        except self._invalid:
            raise DecryptionError(
                "A stored value cannot be decrypted: it was changed since it was stored, or belongs "
                "to other associated data. It was not read."
            ) from None
        return plain

    def subkey(self, purpose: bytes, length: int) -> dict[str, bytes]:
        """A key of its own for another purpose, for each key; the first first."""
        return {name: self._derived(name, b"", purpose, length) for name in self._keys}

    def _next_head(self) -> bytes:
        with self._lock:
            if self._left <= 0:
                name = self._first.encode()
                salt = os.urandom(_SALT)
                self._head = b"".join((bytes((_VERSION, len(name))), name, salt))
                self._left = _MESSAGES
            self._left -= 1
            return self._head

    def _checked(self, head: bytes, bound: bytes) -> bytes:
        size = len(self._associated).to_bytes(4, "big")
        return b"".join((head, size, self._associated, bound))

    def _cipher_of(self, head: bytes) -> Any:
        cipher = self._known.get(head)
        if cipher is None:
            name, salt = _name_in(head), head[-_SALT:]
            cipher = self._cipher(self._derived(name, salt, _INFO + NAME.encode(), _KEY))
            with self._lock:
                if len(self._known) >= _KNOWN:
                    self._known.clear()
                self._known[head] = cipher
        return cipher

    def _derived(self, name: str, salt: bytes, info: bytes, length: int) -> bytes:
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        key = self._keys.get(name)
        if key is None:
            raise DecryptionError(
                f"A stored value was encrypted with the key {name!r}, which is not among the keys "
                f"given ({', '.join(self._keys)}). It was not read."
            )
        return HKDF(SHA256(), length, salt, info).derive(key)


def _taken_apart(sealed: bytes) -> tuple[bytes, bytes, bytes]:
    """What comes before the nonce, the nonce, and the rest."""
    start = 2 + (sealed[1] if len(sealed) > 1 else 0) + _SALT
    if len(sealed) < start + _NONCE + _TAG:
        raise DecryptionError("A stored value cannot be decrypted: it is cut off. It was not read.")
    if sealed[0] != _VERSION:
        raise DecryptionError(
            f"A stored value was encrypted by a newer version of Caesura (form {sealed[0]}, known "
            f"here: {_VERSION}). Upgrade Caesura; it was not read."
        )
    return sealed[:start], sealed[start : start + _NONCE], sealed[start + _NONCE :]


def _name_in(head: bytes) -> str:
    return head[2:-_SALT].decode("utf-8", "replace")
