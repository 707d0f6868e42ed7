"""Errors → what the client is told: the status, and ``{"detail", "code", …}``. One table.

Every refusal of a resume lists what is open, so that a client can show it without asking again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from caesura import errors
from caesura.records import errors as records
from caesura.server.http.replies import Reply
from caesura.types import interrupt_as_dict


class Problem(Exception):
    """Raised by a route: this status, this detail. Nothing was changed."""

    def __init__(
        self,
        status: int,
        detail: str,
        /,
        *,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.code = status, detail, code
        self.headers = dict(headers or {})
        self.more = more


def not_found(detail: str = "Not Found") -> Problem:
    """404."""
    return Problem(404, detail, code="not_found")


def invalid(detail: str, **more: Any) -> Problem:
    """422: the request does not have the right form."""
    return Problem(422, detail, code="invalid_request", **more)


def _resume_extras(error: errors.ResumeError) -> dict[str, Any]:
    return {"interrupts": [interrupt_as_dict(i) for i in error.open_interrupts]}


def _answered_extras(error: errors.AlreadyAnsweredError) -> dict[str, Any]:
    recorded = {"answer": error.answer, "answered_at": error.answered_at}
    return {**_resume_extras(error), "interrupt_id": error.interrupt_id, "recorded": recorded}


def _invalid_extras(error: errors.InvalidAnswerError) -> dict[str, Any]:
    return {
        **_resume_extras(error),
        "interrupt_id": error.interrupt_id,
        "errors": list(error.errors),
    }


def _closed_extras(error: errors.InterruptClosedError) -> dict[str, Any]:
    closed = {"interrupt_id": error.interrupt_id, "status": error.status, "reason": error.reason}
    return {**_resume_extras(error), **closed}


def _waiting_extras(error: records.ThreadWaitingError) -> dict[str, Any]:
    rows = error.rows
    return {"interrupts": [{"id": r.id, "value": r.payload, "title": r.title} for r in rows]}


Extras = Callable[[Any], dict[str, Any]]
_NONE: Extras = lambda error: {}  # noqa: E731

TABLE: Sequence[tuple[type[BaseException], int, Extras]] = (
    (errors.AlreadyAnsweredError, 409, _answered_extras),
    (errors.InvalidAnswerError, 422, _invalid_extras),
    (errors.InterruptClosedError, 409, _closed_extras),
    (errors.UnknownThreadError, 404, _resume_extras),
    (errors.AmbiguousResumeError, 409, _resume_extras),
    (errors.UnknownInterruptError, 404, _resume_extras),
    (errors.ResumeError, 409, _resume_extras),
    (records.UnknownRecordError, 404, _NONE),
    (records.ThreadWaitingError, 409, _waiting_extras),
    (records.UnstorableError, 422, _NONE),
    (records.RecordError, 409, _NONE),
    (errors.StaleThreadError, 409, _NONE),
    (errors.InvalidUpdateError, 400, _NONE),
    (errors.EmptyInputError, 400, _NONE),
    (errors.InvalidNamespaceError, 400, _NONE),
    (errors.InvalidFilterError, 422, _NONE),
    (errors.SerializationError, 422, _NONE),
    (errors.UnstorableTextError, 422, _NONE),
    (errors.StorageError, 503, _NONE),
)
"""Exception class → status and what else the body says. The first match counts."""


def problem_of(error: BaseException) -> Problem | None:
    """What a client is told of an error, or None if it is none of ours (a 500)."""
    if isinstance(error, Problem):
        return error
    for kind, status, extras in TABLE:
        if isinstance(error, kind):
            code = getattr(error, "code", None)
            return Problem(status, str(error), code=code, **extras(error))
    return None


def reply_to(problem: Problem) -> Reply:
    """The reply that tells a problem."""
    body: dict[str, Any] = {"detail": problem.detail}
    if problem.code is not None:
        body["code"] = problem.code
    return Reply({**body, **problem.more}, problem.status, problem.headers)
