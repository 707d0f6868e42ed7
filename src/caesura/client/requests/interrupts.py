"""Requests of ``client.interrupts``: what waits for a person, and answering it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

from caesura.client.requests import (
    Request,
    StreamRequest,
    call,
    given,
    json_body,
    keyed,
    nothing,
    path,
)
from caesura.client.requests.runs import settings_body
from caesura.client.shapes import (
    Answered,
    AnswerItem,
    Headers,
    InterruptFilter,
    InterruptRecord,
    Params,
    StreamPart,
)


def list_interrupts(**which: Unpack[InterruptFilter]) -> Request[list[InterruptRecord]]:
    """The interrupts that match and that you may see; without ``status``, those that are open."""
    query = settings_body(which, InterruptFilter)
    return call(
        "GET", "/interrupts", json_body,
        headers=which.get("headers"), params={**query, **(which.get("params") or {})},
    )  # fmt: skip


def get(
    interrupt_id: str,
    *,
    thread_id: str | None = None,
    headers: Headers = None,
    params: Params = None,
) -> Request[InterruptRecord]:
    """One interrupt, whatever became of it. Raises `NotFoundError`."""
    where = path("/interrupts/{}", interrupt_id)
    return call("GET", where, json_body, headers=headers, params=params, thread_id=thread_id)


def answer(
    interrupt_id: str,
    answer: Any,
    *,
    decision: str | None = None,
    reason: str | None = None,
    thread_id: str | None = None,
    idempotency_key: str | None = None,
    if_match: str | None = None,
    headers: Headers = None,
    params: Params = None,
) -> Request[Answered]:
    """Answer an interrupt; the program goes on. ``decision`` and ``reason`` are kept with it.

    ``idempotency_key``: the same key and answer again returns the first outcome. ``if_match``: the
    ``digest`` of what you saw; if the question is another by now, the answer is refused. ``thread_id``
    says which is meant where a thread was copied with its questions. Raises `AlreadyAnsweredError`,
    `InvalidAnswerError`, `InterruptClosedError` (of `caesura.errors`); `NotFoundError`,
    `PreconditionFailedError`, `PermissionDeniedError`. Nothing is changed then.
    """
    said = {"answer": answer, **given(decision=decision, reason=reason)}
    match = None if if_match is None else _quoted(if_match)
    extra = given(**{"Idempotency-Key": idempotency_key, "If-Match": match})
    return call(
        "POST", path("/interrupts/{}/answer", interrupt_id), json_body, said,
        headers=keyed({**(headers or {}), **extra}), params=params, thread_id=thread_id,
    )  # fmt: skip


def _quoted(tag: str) -> str:
    return tag if tag.startswith(('"', "W/", "*")) else f'"{tag}"'


def answer_many(
    answers: Sequence[AnswerItem],
    *,
    idempotency_key: str | None = None,
    headers: Headers = None,
    params: Params = None,
) -> Request[list[Any]]:
    """Answer several; one result for each, in order. A refused one does not stop the others.

    A result has a ``status``: 200, and it is an `Answered`; or what the refusal would have been alone,
    with ``code`` and ``detail``.
    """
    extra = given(**{"Idempotency-Key": idempotency_key})
    return call(
        "POST", "/interrupts/answers", json_body, {"answers": list(answers)},
        headers=keyed({**(headers or {}), **extra}), params=params,
    )  # fmt: skip


def stream(
    *,
    last_event_id: str | None = None,
    headers: Headers = None,
    params: Params = None,
) -> StreamRequest[StreamPart]:
    """What happens to interrupts as it happens: ``asked``, ``answered``, ``withdrawn``, ``superseded``.

    It does not end by itself. Broken connections are taken up again where they broke.
    """
    resumed = given(**{"Last-Event-ID": last_event_id})
    request = call(
        "GET", "/interrupts/stream", nothing,
        headers={**resumed, **(headers or {})}, params=params,
    )  # fmt: skip
    return StreamRequest(request, lambda part: part, endless=True)
