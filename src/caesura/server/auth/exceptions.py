"""How a caller is refused: `HTTPException` is raised by handlers, `AuthRefusal` by the server.

A handler's exception is known by its shape (``status_code``, ``detail``, ``headers``), so that those of
``langgraph_sdk``, Starlette and FastAPI do as well as ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus


class HTTPException(Exception):
    """Raise it in a handler to refuse the request with this status, detail and headers.

    ``detail`` None: the usual phrase of the status.
    """

    def __init__(
        self,
        status_code: int = 401,
        detail: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.status_code = status_code
        self.detail = HTTPStatus(status_code).phrase if detail is None else detail
        self.headers = headers

    def __str__(self) -> str:
        return f"{self.status_code}: {self.detail}"

    def __repr__(self) -> str:
        return f"HTTPException(status_code={self.status_code!r}, detail={self.detail!r})"


class AuthRefusal(Exception):
    """The request is refused with ``status``, ``detail`` and ``headers``. Nothing was changed."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, dict(headers or {})


def not_authenticated() -> AuthRefusal:
    """401, the same words whatever was wrong: a caller learns nothing about the credential."""
    headers = {"WWW-Authenticate": "Bearer"}
    return AuthRefusal(401, "Missing or invalid credentials", headers)


def forbidden() -> AuthRefusal:
    """403."""
    return AuthRefusal(403, "Forbidden")


def refusal_of(error: Exception) -> AuthRefusal | None:
    """What a handler's exception tells the caller, or None if it was not meant for callers."""
    status = getattr(error, "status_code", None)
    if not isinstance(status, int) or not 400 <= status <= 599:
        return None
    if not (hasattr(error, "detail") and hasattr(error, "headers")):
        return None
    return AuthRefusal(status, str(error.detail), error.headers)
