"""Observers of what a serializer refused to build: register a function, get one event each time."""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Lock
from typing import NotRequired, TypedDict

logger = logging.getLogger(__name__)


class SerdeEvent(TypedDict):
    """Something noteworthy while reading stored bytes.

    ``kind`` is ``msgpack_blocked`` (a class that is not allowed stayed raw data) or
    ``msgpack_unbuildable`` (an allowed class could not take its stored data, which stayed raw).
    """

    kind: str
    module: str
    name: str
    method: NotRequired[str]


SerdeEventListener = Callable[[SerdeEvent], None]

_listeners: tuple[SerdeEventListener, ...] = ()
_lock = Lock()


def register_serde_event_listener(listener: SerdeEventListener) -> Callable[[], None]:
    """Call ``listener`` with every event from now on. Returns a function that ends that."""
    global _listeners
    with _lock:
        _listeners = (*_listeners, listener)

    def unregister() -> None:
        global _listeners
        with _lock:
            _listeners = tuple(known for known in _listeners if known is not listener)

    return unregister


def emit_serde_event(event: SerdeEvent) -> None:
    """Tell every listener. A listener that fails is logged and disturbs nothing."""
    for listener in _listeners:
        try:
            listener(event)
        except Exception:
            logger.warning("A serde event listener failed", exc_info=True)
