"""`Encryption`: where a program registers how what is stored is encrypted and decrypted."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from caesura.server.encryption import types

F = TypeVar("F", bound=Callable[..., Any])


class DuplicateHandlerError(Exception):
    """A handler of this kind is registered already; a second one would replace it unnoticed."""


class Encryption:
    """Handlers of one server. Name it in ``langgraph.json``: ``{"encryption": {"path": "./e.py:it"}}``.

    Handlers are async and take ``(ctx, data)``: bytes for ``blob``, a dict for ``json``. A JSON
    encryptor may change values, but must keep the keys; a decryptor must pass on what is not encrypted.
    """

    types = types

    def __init__(self) -> None:
        self.handlers: dict[str, Callable[..., Any]] = {}
        """By kind: ``blob encryptor``, ``blob decryptor``, ``JSON encryptor``, ``JSON decryptor`` and
        ``context handler``."""
        self.encrypt = _Decorators(self.handlers, "encryptor")
        self.decrypt = _Decorators(self.handlers, "decryptor")

    def context(self, fn: F) -> F:
        """Register what makes ``ctx.metadata`` of the authenticated user, once a request."""
        return _register(self.handlers, "context handler", fn)

    def get_json_encryptor(self, _model: str | None = None) -> types.JsonEncryptor | None:
        """The JSON encryptor, or None."""
        return self.handlers.get("JSON encryptor")

    def get_json_decryptor(self, _model: str | None = None) -> types.JsonDecryptor | None:
        """The JSON decryptor, or None."""
        return self.handlers.get("JSON decryptor")

    def __repr__(self) -> str:
        names = ", ".join(name.lower().replace(" ", "_") for name in sorted(self.handlers))
        return f"Encryption(handlers=[{names}])"


class _Decorators:
    """``blob`` and ``json`` of one direction."""

    def __init__(self, handlers: dict[str, Callable[..., Any]], what: str) -> None:
        self._handlers, self._what = handlers, what

    def blob(self, fn: F) -> F:
        """Register the handler of bytes: checkpoints, writes, events."""
        return _register(self._handlers, f"blob {self._what}", fn)

    def json(self, fn: F) -> F:
        """Register the handler of dicts: metadata, inputs, configurations, items of the store."""
        return _register(self._handlers, f"JSON {self._what}", fn)


def _register(handlers: dict[str, Callable[..., Any]], name: str, fn: F) -> F:
    shown = name[0].upper() + name[1:]
    if name in handlers:
        raise DuplicateHandlerError(f"{shown} already registered")
    if not inspect.iscoroutinefunction(fn):
        raise TypeError(f"{shown} must be an async function, got {type(fn)}")
    count = len(inspect.signature(fn).parameters)
    if count != 2:
        second = "user, ctx" if name == "context handler" else "ctx, data"
        raise TypeError(f"{shown} must accept exactly 2 parameters ({second}), got {count}")
    handlers[name] = fn
    return fn
