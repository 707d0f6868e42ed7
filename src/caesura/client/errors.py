"""What a call of the client raises. One tree; a refused resume is what it would be locally, too.

`error_of` picks the class: by the ``code`` that the body says, else by the status. A class of the
first kind derives from the status class and from the class of `caesura.errors` with that code, so
``except AlreadyAnsweredError`` catches the same thing, whether the program runs here or on a server.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from caesura import errors
from caesura.errors import CaesuraError
from caesura.types import Interrupt


class ClientError(CaesuraError):
    """Base of everything that the client raises on its own account."""

    code = "client"


class ApiConnectionError(ClientError, ConnectionError):
    """The server could not be reached, or the connection broke. The message says what may have happened."""

    code = "connection"


class ApiTimeoutError(ApiConnectionError, TimeoutError):
    """The server did not answer in time. It may have done what was asked."""

    code = "timeout"


class InvalidReplyError(ClientError, ValueError):
    """The server answered with something that is not of the agreed form."""

    code = "invalid_reply"


class RunError(ClientError):
    """The run failed. ``error`` is the name of the exception's class, ``message`` its text."""

    code = "run_failed"

    def __init__(self, error: str, message: str) -> None:
        super().__init__(f"{error}: {message}")
        self.error, self.message = error, message


class ApiError(ClientError):
    """The server refused or failed.

    ``status_code``: the HTTP status. ``code``: the server's stable word for the reason, or the class's
    own where it says none. ``detail``: its text. ``body``: the whole body, decoded if it is JSON.
    ``request_id``: names the request in the server's logs.
    """

    code = "api"

    def __init__(self, status_code: int, headers: Mapping[str, str], content: bytes) -> None:
        self.status_code = status_code
        self.body: Any = _decoded(content)
        self.fields: dict[str, Any] = self.body if isinstance(self.body, dict) else {}
        self.detail = _detail(self.body) or f"HTTP {status_code}"
        if isinstance(code := self.fields.get("code"), str):
            vars(self)["code"] = code  # of this refusal, not of its class
        self.request_id = headers.get("x-request-id")
        self.retry_after = headers.get("retry-after")
        """Seconds to wait, or a date, if the server says."""
        # Not super(): the next class may be one of the library's, which take something else.
        Exception.__init__(self, f"{status_code}: {self.detail}")


class BadRequestError(ApiError):
    """400: it makes no sense as asked."""

    code = "bad_request"


class AuthenticationError(ApiError):
    """401: no key, or a wrong one."""

    code = "unauthenticated"


class PermissionDeniedError(ApiError):
    """403: not for you."""

    code = "forbidden"


class NotFoundError(ApiError):
    """404: it does not exist, or you may not see it."""

    code = "not_found"


class ConflictError(ApiError):
    """409: it does not fit what is there now. Nothing was changed."""

    code = "conflict"


class GoneError(ApiError):
    """410: it was there, and takes nothing any more."""

    code = "gone"


class PreconditionFailedError(ApiError):
    """412: what you saw has changed since. Nothing was changed."""

    code = "precondition_failed"


class UnprocessableEntityError(ApiError):
    """422: the request or a value in it does not have the right form. Nothing was changed."""

    code = "invalid_request"


class RateLimitError(ApiError):
    """429: too many requests."""

    code = "rate_limited"


class ServerError(ApiError):
    """5xx: the server failed."""

    code = "server_error"


# --- refused resumes -------------------------------------------------------------------------


class _Refusal(ApiError):
    """What all refusals of a resume tell."""

    def __init__(self, status_code: int, headers: Mapping[str, str], content: bytes) -> None:
        super().__init__(status_code, headers, content)
        listed = self.fields.get("interrupts") or ()
        self.open_interrupts = tuple(Interrupt(**item) for item in listed)
        self.interrupt_id: Any = self.fields.get("interrupt_id")


class RemoteResumeError(_Refusal, ConflictError, errors.ResumeError):
    """A resume was refused; ``code`` says why."""


class RemoteNothingToResumeError(_Refusal, ConflictError, errors.NothingToResumeError):
    """No interrupt is open on the thread."""


class RemoteUnknownThreadError(_Refusal, NotFoundError, errors.UnknownThreadError):
    """The thread to resume does not exist."""


class _Naming(_Refusal):
    """What refusals tell that are about which interrupt was meant."""

    def __init__(self, status_code: int, headers: Mapping[str, str], content: bytes) -> None:
        super().__init__(status_code, headers, content)
        self.reason = self.fields.get("reason") or "not_pending"
        named = self.fields.get("interrupt_ids") or [self.interrupt_id]
        self.interrupt_ids: tuple[str, ...] = tuple(id for id in named if id)
        self.pending_ids: tuple[str, ...] = tuple(item.id for item in self.open_interrupts)


class RemoteUnknownInterruptError(_Naming, NotFoundError, errors.UnknownInterruptError):
    """The answer names an interrupt that does not exist on this thread."""


class RemoteAmbiguousResumeError(_Naming, ConflictError, errors.AmbiguousResumeError):
    """A bare value was handed in while several interrupts are open."""


class RemoteAlreadyAnsweredError(_Refusal, ConflictError, errors.AlreadyAnsweredError):
    """The interrupt was answered before. ``answer`` is what was recorded."""

    def __init__(self, status_code: int, headers: Mapping[str, str], content: bytes) -> None:
        super().__init__(status_code, headers, content)
        recorded = self.fields.get("recorded") or {}
        self.answer, self.answered_at = recorded.get("answer"), recorded.get("answered_at")


class _Closed(_Refusal):
    """What refusals tell of an interrupt that takes no answer any more: ``status``, and why."""

    def __init__(self, status_code: int, headers: Mapping[str, str], content: bytes) -> None:
        super().__init__(status_code, headers, content)
        self.status = str(self.fields.get("status") or self.code)
        self.reason = self.fields.get("reason")


class RemoteInterruptClosedError(_Closed, ConflictError, errors.InterruptClosedError):
    """The interrupt was asked anew in another form (superseded)."""


class RemoteInterruptGoneError(_Closed, GoneError, errors.InterruptClosedError):
    """The interrupt is withdrawn or expired."""


class RemoteInvalidAnswerError(_Refusal, UnprocessableEntityError, errors.InvalidAnswerError):
    """The answer does not fit. ``errors`` lists ``{"pointer", "message"}``; the interrupt stays open."""

    def __init__(self, status_code: int, headers: Mapping[str, str], content: bytes) -> None:
        super().__init__(status_code, headers, content)
        self.errors = list(self.fields.get("errors") or ())


BY_CODE: Mapping[str, type[ApiError]] = {
    "resume_refused": RemoteResumeError,
    "nothing_to_resume": RemoteNothingToResumeError,
    "unknown_thread": RemoteUnknownThreadError,
    "unknown_interrupt": RemoteUnknownInterruptError,
    "ambiguous_resume": RemoteAmbiguousResumeError,
    "already_answered": RemoteAlreadyAnsweredError,
    "interrupt_closed": RemoteInterruptClosedError,
    "superseded": RemoteInterruptClosedError,
    "withdrawn": RemoteInterruptGoneError,
    "expired": RemoteInterruptGoneError,
    "invalid_answer": RemoteInvalidAnswerError,
}
BY_STATUS: Mapping[int, type[ApiError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    410: GoneError,
    412: PreconditionFailedError,
    422: UnprocessableEntityError,
    429: RateLimitError,
}


def error_of(status: int, headers: Mapping[str, str], content: bytes) -> ApiError:
    """What a reply that is no success stands for."""
    body = _decoded(content)
    code = body.get("code") if isinstance(body, dict) else None
    kind = BY_CODE.get(code) if isinstance(code, str) else None
    kind = kind or BY_STATUS.get(status) or (ServerError if status >= 500 else ApiError)
    return kind(status, headers, content)


def _decoded(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return content.decode("utf-8", "replace")


def _detail(body: Any) -> str | None:
    """The text that says what is wrong, wherever servers and proxies put it."""
    if isinstance(body, str):
        return body.strip()[:1000] or None
    if not isinstance(body, dict):
        return None
    inner = body.get("error")
    places = [body, inner] if isinstance(inner, dict) else [body]
    said = [p[k] for p in places for k in ("message", "detail", "error") if p.get(k)]
    texts = [text for text in said if isinstance(text, str)]
    return texts[0] if texts else json.dumps(said[0]) if said else None
