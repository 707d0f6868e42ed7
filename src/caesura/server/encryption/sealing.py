"""Two ways to encrypt what a server stores: keys, without code, and the handlers of a project.

Both are a `Sealer`. `records` says what is given to it.
"""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from collections.abc import Coroutine, Mapping
from typing import Any, Final, Protocol, cast

from caesura.checkpoint.serde.aes_gcm import AesGcm
from caesura.checkpoint.serde.base import CipherProtocol
from caesura.errors import DecryptionError, InvalidFilterError
from caesura.records.shapes import OneOf
from caesura.server.encryption.contexts import RUN_KEY, current_context
from caesura.server.encryption.types import EncryptionContext

Json = Mapping[str, Any]
OWN_KEYS: Final = frozenset({"graph_id", "assistant_id", "created_by", RUN_KEY})
"""What the server itself looks for in records: ids of the program's, which nobody encrypts."""


class EncryptionError(Exception):
    """A handler broke the rules for handlers. What was to be stored was not stored."""


class Sealer(Protocol):
    """Encrypts and decrypts. Methods are safe to call from several threads, and may block."""

    slow: bool
    """It may block for longer than an event loop should."""
    cipher: CipherProtocol | None
    """What encrypts checkpoints, writes, questions and answers; None: nothing does."""

    def seal_json(self, model: str, field: str, data: Json) -> Json:
        """``data`` with the same keys and encrypted values."""
        ...

    def open_json(self, model: str, field: str, data: Json) -> Json:
        """What `seal_json` was given; what is not encrypted stays."""
        ...

    def seal_filter(self, model: str, data: Json) -> Json:
        """``data``, asked of sealed metadata. Raises InvalidFilterError if that cannot be asked."""
        ...

    def seal_bytes(self, data: bytes) -> bytes:
        """An event, encrypted."""
        ...

    def open_bytes(self, data: bytes) -> bytes:
        """What `seal_bytes` was given; what is not encrypted stays."""
        ...

    def close(self) -> None:
        """Give up threads."""
        ...


_SEALED: Final = b"\xc1"
"""No JSON starts with it."""


# --- keys ----------------------------------------------------------------------------------------

_TEXT: Final = "caesura:1:"
_FINDABLE: Final = "caesura:s1:"


class KeySealer:
    """AES-256-GCM for all but metadata, whose leaves are encrypted so that equal ones look equal.

    That is AES-SIV: a search for equal metadata, and authorisation by it, go on to work. It tells
    whoever reads the file which records have equal metadata, and nothing else.
    """

    slow = False

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESSIV

        self._aes = AesGcm(keys)
        self.cipher: CipherProtocol | None = self._aes
        self._findable = {
            name: AESSIV(key)
            for name, key in self._aes.subkey(b"caesura aes-siv metadata", 64).items()
        }

    def seal_json(self, model: str, field: str, data: Json) -> Json:
        if field == "metadata":
            first = next(iter(self._findable))
            return _kept(data, lambda value: _leaves(value, lambda v: self._find_text(v, first)))
        return _kept(data, self._seal)

    def open_json(self, model: str, field: str, data: Json) -> Json:
        return _kept(data, lambda value: _leaves(value, self._open))

    def seal_filter(self, model: str, data: Json) -> Json:
        def alternatives(value: Any) -> Any:
            """What the value may be stored as: under each key, or from before there was one."""
            if value is None:
                return None
            return OneOf((*(self._find_text(value, name) for name in self._findable), value))

        return _kept(data, lambda value: _leaves(value, alternatives))

    def seal_bytes(self, data: bytes) -> bytes:
        return _SEALED + self._aes.encrypt(data)[1]

    def open_bytes(self, data: bytes) -> bytes:
        if data[:1] != _SEALED:
            return data
        return self._aes.decrypt("aes-gcm", data[1:])

    def close(self) -> None:
        pass

    def _seal(self, value: Any) -> Any:
        if value is None:
            return None
        _, sealed = self._aes.bound_encrypt(_json(value), b"json")
        return _TEXT + base64.b64encode(sealed).decode()

    def _find_text(self, value: Any, name: str) -> Any:
        if value is None:
            return None
        sealed = self._findable[name].encrypt(_json(value), [])
        return f"{_FINDABLE}{name}:{base64.b64encode(sealed).decode()}"

    def _open(self, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        if value.startswith(_TEXT):
            sealed = _bytes(value[len(_TEXT) :])
            return json.loads(self._aes.bound_decrypt("aes-gcm", sealed, b"json"))
        if value.startswith(_FINDABLE):
            name, _, text = value[len(_FINDABLE) :].rpartition(":")
            return json.loads(self._open_findable(name, _bytes(text)))
        return value

    def _open_findable(self, name: str, sealed: bytes) -> bytes:
        from cryptography.exceptions import InvalidTag

        siv = self._findable.get(name)
        if siv is None:
            raise DecryptionError(
                f"Stored metadata was encrypted with the key {name!r}, which is not among the keys "
                "given. It was not read."
            )
        try:
            return siv.decrypt(sealed, [])
        except (InvalidTag, ValueError):
            raise DecryptionError("Stored metadata was changed. It was not read.") from None


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        raise DecryptionError("A stored value was changed. It was not read.") from None


def _kept(data: Json, change: Any) -> Json:
    """``data`` with changed values, except those that the server looks for."""
    return {key: value if key in OWN_KEYS else change(value) for key, value in data.items()}


def _leaves(value: Any, change: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _leaves(inner, change) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_leaves(inner, change) for inner in value]
    return change(value)


# --- handlers ------------------------------------------------------------------------------------

_CONTEXT: Final = "__encryption_context__"


class HandlerSealer:
    """Asks a project's handlers. They are async; they run in an event loop and thread of their own."""

    slow = True

    def __init__(self, handlers: Mapping[str, Any]) -> None:
        self._handlers = handlers
        self.cipher: CipherProtocol | None = None
        if "blob encryptor" in handlers:
            self.cipher = _HandlerCipher(self)
        self._encrypts_json = "JSON encryptor" in handlers
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="encryption", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def ask(
        self, name: str, model: str | None, field: str | None, metadata: Json, data: Any
    ) -> Any:
        """What a handler makes of ``data``."""
        context = EncryptionContext(model, dict(metadata), field)
        call: Coroutine[Any, Any, Any] = self._handlers[name](context, data)
        made = asyncio.run_coroutine_threadsafe(call, self._loop).result()
        # A `DecryptResult`, ours or one of langgraph_sdk.
        return made.plaintext if hasattr(made, "plaintext") else made

    # --- JSON ---

    def seal_json(self, model: str, field: str, data: Json) -> Json:
        if not self._encrypts_json:
            return data
        given = {key: value for key, value in data.items() if key not in OWN_KEYS}
        metadata = current_context()
        made = self._encrypted(model, field, metadata, given)
        if metadata:
            made = {
                key: value if value == given[key] else {_CONTEXT: metadata, "value": value}
                for key, value in made.items()
            }
        return {key: made.get(key, value) for key, value in data.items()}

    def _encrypted(self, model: str, field: str, metadata: Json, given: Json) -> dict[str, Any]:
        if not given:
            return {}
        made = self.ask("JSON encryptor", model, field, metadata, dict(given))
        if not isinstance(made, dict) or made.keys() != given.keys():
            raise EncryptionError(
                f"The JSON encryptor changed the keys of {model}.{field}, or returned no dict. It may "
                "only change values. Nothing was stored."
            )
        return made

    def open_json(self, model: str, field: str, data: Json) -> Json:
        if "JSON decryptor" not in self._handlers:
            return data
        groups: dict[str, tuple[Json, dict[str, Any]]] = {}
        for key, value in data.items():
            if key not in OWN_KEYS:
                metadata, stored = _unwrapped(value)
                group = groups.setdefault(json.dumps(metadata, sort_keys=True), (metadata, {}))
                group[1][key] = stored
        made: dict[str, Any] = {}
        for metadata, part in groups.values():
            made.update(self.ask("JSON decryptor", model, field, metadata, part))
        return {key: made.get(key, value) for key, value in data.items()}

    def seal_filter(self, model: str, data: Json) -> Json:
        given = {key: value for key, value in data.items() if key not in OWN_KEYS}
        if not self._encrypts_json or not given:
            return data
        made = self._encrypted(model, "metadata", current_context(), given)
        changed = [key for key in given if made[key] != given[key]]
        if changed:
            again = self._encrypted(model, "metadata", current_context(), given)
            for key in changed:
                if made[key] != again[key] or current_context():
                    raise InvalidFilterError(
                        f"The metadata {key!r} is encrypted, so nothing can be found by it. Let the "
                        "JSON encryptor leave it as it is. Nothing was searched."
                    )
        return {key: made.get(key, value) for key, value in data.items()}

    # --- bytes ---

    def seal_bytes(self, data: bytes) -> bytes:
        return data if self.cipher is None else _SEALED + self.cipher.encrypt(data)[1]

    def open_bytes(self, data: bytes) -> bytes:
        if data[:1] != _SEALED or "blob decryptor" not in self._handlers:
            return data
        return _HandlerCipher(self).decrypt(_HandlerCipher.name, data[1:])


def _unwrapped(value: Any) -> tuple[Json, Any]:
    if isinstance(value, dict) and value.keys() == {_CONTEXT, "value"}:
        return value[_CONTEXT], value["value"]
    return {}, value


class _HandlerCipher:
    """Blob handlers as a cipher: length of the context (4), the context as JSON, ciphertext."""

    name: Final = "handlers"

    def __init__(self, sealer: HandlerSealer) -> None:
        self._sealer = sealer

    def encrypt(self, plaintext: bytes) -> tuple[str, bytes]:
        metadata = current_context()
        context = _json(metadata) if metadata else b""
        made = self._sealer.ask("blob encryptor", "checkpoint", None, metadata, plaintext)
        if not isinstance(made, bytes):
            raise EncryptionError("The blob encryptor returned no bytes. Nothing was stored.")
        return self.name, b"".join((len(context).to_bytes(4, "big"), context, made))

    def decrypt(self, ciphername: str, ciphertext: bytes) -> bytes:
        if ciphername != self.name:
            raise DecryptionError(
                f"A stored value was encrypted with {ciphername!r}, not by the project's handlers. It "
                "was not read."
            )
        end = 4 + int.from_bytes(ciphertext[:4], "big")
        try:
            metadata = json.loads(ciphertext[4:end]) if end > 4 else {}
        except (ValueError, RecursionError):
            metadata = None
        if len(ciphertext) < end or not isinstance(metadata, dict):
            raise DecryptionError("A stored value was changed. It was not read.")
        made = self._sealer.ask("blob decryptor", "checkpoint", None, metadata, ciphertext[end:])
        return cast(bytes, made)
