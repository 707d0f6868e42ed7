"""From the configuration to how a server's data is encrypted and serialised."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from starlette.requests import Request

from caesura.checkpoint.saver import EngineSaver
from caesura.checkpoint.serde.aes_gcm import keys_of
from caesura.checkpoint.serde.base import SerializerProtocol
from caesura.checkpoint.serde.encrypted import EncryptedSerializer
from caesura.checkpoint.serde.jsonplus import JsonPlusSerializer
from caesura.records.shapes import Run
from caesura.server.auth import Caller
from caesura.server.encryption.contexts import RUN_KEY, current_context, said_by, use_context
from caesura.server.encryption.decorators import Encryption
from caesura.server.encryption.records import Vault, sealing
from caesura.server.encryption.sealing import HandlerSealer, KeySealer, Sealer
from caesura.server.encryption.types import EncryptionContext
from caesura.server.project.errors import ConfigError, ProjectProblem
from caesura.server.project.loading import load_object
from caesura.server.project.settings import Settings

_PAIRS: Final = ("blob", "JSON")
_SLOTS: Final = {
    "blob encryptor": "_blob_encryptor",
    "blob decryptor": "_blob_decryptor",
    "JSON encryptor": "_json_encryptor",
    "JSON decryptor": "_json_decryptor",
    "context handler": "_context_handler",
}
"""Handlers → the attributes that instances of ``langgraph_sdk.Encryption`` carry them in."""
_MSGPACK, _JSON = "allowed_msgpack_modules", "allowed_json_modules"


class ProjectEncryption:
    """How the data of one server is encrypted."""

    def __init__(
        self, sealer: Sealer, context: Callable[..., Any] | None = None, *, required: bool = False
    ) -> None:
        self._sealer, self._context, self._required = sealer, context, required

    def serializer(self, inner: SerializerProtocol | None) -> SerializerProtocol | None:
        """``inner`` (None: the usual one), encrypting, if checkpoints are to be encrypted."""
        if self._sealer.cipher is None:
            return inner
        return EncryptedSerializer(self._sealer.cipher, inner, require_encrypted=self._required)

    def sealing(self, kind: type[EngineSaver]) -> type[EngineSaver]:
        """A kind of saver that seals what it stores."""
        return sealing(kind, Vault(self._sealer))

    async def enter(self, request: Request, caller: Caller) -> None:
        """Let a request have its context: what its header says, or the project makes of its caller."""
        use_context(said_by(request))
        if self._context is not None:
            context = EncryptionContext(metadata=current_context())
            use_context(await self._context(caller.user, context))

    def take_up(self, run: Run) -> None:
        """Let a run have the context of the request that it came with."""
        use_context(run.kwargs.get(RUN_KEY))

    def close(self) -> None:
        """Give up threads."""
        self._sealer.close()


def encryption_of(settings: Settings) -> ProjectEncryption | None:
    """What ``encryption`` says; None if it says nothing. Raises `ConfigError`, `BrokenFileError`."""
    given = settings.encryption
    if given is None:
        return None
    if given.path is not None and given.keys_env is not None:
        raise _wrong(settings, "encryption", "takes path or keys_env, not both")
    if settings.store.index is not None:
        raise _wrong(
            settings,
            "store.index",
            "cannot be used with encryption: the vectors tell what the texts say. Take one away",
        )
    if given.path is not None:
        handlers = _handlers(settings, given.path)
        context = handlers.get("context handler")
        return ProjectEncryption(HandlerSealer(handlers), context, required=given.require_encrypted)
    if given.keys_env is None:
        raise _wrong(settings, "encryption", "names neither a path nor a keys_env")
    sealer = _key_sealer(settings, given.keys_env)
    return ProjectEncryption(sealer, required=given.require_encrypted)


def _key_sealer(settings: Settings, name: str) -> KeySealer:
    text = os.environ.get(name, "")
    if not text.strip():
        raise _wrong(settings, "encryption.keys_env", f"names {name}, which is not set")
    try:
        return KeySealer(keys_of(text))
    except (ValueError, ImportError) as error:
        raise _wrong(settings, "encryption.keys_env", f"{name}: {error}") from None


def _handlers(settings: Settings, path: str) -> Mapping[str, Any]:
    found = load_object(path, settings.directory)
    if isinstance(found, Encryption):
        handlers: dict[str, Any] = found.handlers
    else:
        try:
            slots = {name: getattr(found, slot) for name, slot in _SLOTS.items()}
        except AttributeError:
            text = f"names a {type(found).__name__}, which is no Encryption object"
            raise _wrong(settings, "encryption.path", text) from None
        handlers = {name: handler for name, handler in slots.items() if handler is not None}
    pairs = [[f"{kind} {way}" in handlers for way in ("encryptor", "decryptor")] for kind in _PAIRS]
    if not any(any(pair) for pair in pairs):
        raise _wrong(settings, "encryption.path", "names an object without encryptors")
    for kind, (encrypts, decrypts) in zip(_PAIRS, pairs, strict=True):
        if encrypts and not decrypts:
            text = f"has a {kind} encryptor and no {kind} decryptor; nothing could be read again"
            raise _wrong(settings, "encryption.path", text)
    return handlers


def serializer_of(
    settings: Settings, encryption: ProjectEncryption | None
) -> SerializerProtocol | None:
    """What ``checkpointer.serde`` says, encrypting if need be. Raises `ConfigError`."""
    given = settings.checkpointer.serde
    inner: SerializerProtocol | None = None
    if given:
        if given.get("pickle_fallback"):
            text = "is refused: reading a pickle runs whatever code its bytes name"
            raise _wrong(settings, "checkpointer.serde.pickle_fallback", text)
        inner = JsonPlusSerializer(
            allowed_json_modules=_modules(settings, given, _JSON),
            allowed_msgpack_modules=_modules(settings, given, _MSGPACK),
        )
    return inner if encryption is None else encryption.serializer(inner)


def _modules(settings: Settings, given: Mapping[str, Any], key: str) -> Any:
    """``true``, or pairs of module and name."""
    allowed = given.get(key)
    if allowed is None or isinstance(allowed, bool):
        return allowed or None
    if not (isinstance(allowed, Sequence) and all(map(_is_name, allowed))):
        text = 'must be true, or a list of ["module", "name"]'
        raise _wrong(settings, f"checkpointer.serde.{key}", text)
    return [tuple(entry) for entry in allowed]


def _is_name(entry: Any) -> bool:
    listed = isinstance(entry, (list, tuple)) and len(entry) >= 2
    return listed and all(isinstance(part, str) for part in entry)


def _wrong(settings: Settings, key: str, text: str) -> ConfigError:
    return ConfigError([ProjectProblem(settings.file or settings.directory, key, text)])
