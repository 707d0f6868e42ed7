"""The encryption context of what is going on: what a request said, and what its run goes on with.

It is set at each request and at each run, and read wherever something is encrypted meanwhile.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any, Final

from starlette.requests import Request

from caesura.server.http.problems import invalid

HEADER: Final = "x-encryption-context"
RUN_KEY: Final = "encryption_context"
"""Key of a run's ``kwargs`` under which its context is kept, readable."""

_current: ContextVar[Mapping[str, Any]] = ContextVar("caesura_encryption_context")
_NOTHING: Final[Mapping[str, Any]] = {}


def current_context() -> dict[str, Any]:
    """The context of the request or run that goes on here; a new dict."""
    return dict(_current.get(_NOTHING))


def use_context(metadata: Mapping[str, Any] | None) -> None:
    """Let what goes on here have this context from now on."""
    _current.set(metadata or _NOTHING)


def said_by(request: Request) -> dict[str, Any]:
    """What a request's header says: a JSON object, as it is or in base64. Raises a `Problem` (422)."""
    text = request.headers.get(HEADER)
    if not text:
        return {}
    try:
        found = json.loads(text if text.lstrip().startswith("{") else base64.b64decode(text))
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise invalid(f"The header {HEADER} must be a JSON object, as it is or in base64.")
    return found
