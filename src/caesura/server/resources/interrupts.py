"""Questions to people: found, read, answered, followed.

An answer goes the way of every resume (`caesura.server.runs`): accepted in one transaction with the run
that carries it into the program, or refused, and then nothing has changed. What may not be read is not
found, and cannot be answered either.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Any, Final

import msgspec

from caesura.checkpoint.operations import InterruptRow
from caesura.errors import InterruptClosedError
from caesura.interrupts.moments import Moment, moments
from caesura.interrupts.service import STATUSES, AmbiguousThreadError
from caesura.records.operations import FindQuestions, Question
from caesura.records.shapes import Thread
from caesura.server import wire
from caesura.server.auth import AuthRefusal, filter_matches
from caesura.server.drafting import Origin
from caesura.server.encoding import encode
from caesura.server.feed import News, Position
from caesura.server.http.call import Call
from caesura.server.http.problems import Problem, invalid, not_found, problem_of
from caesura.server.http.replies import Reply
from caesura.server.http.routes import Answer, Routes
from caesura.server.http.sse import EventStream
from caesura.server.protocol.closing import until
from caesura.server.running.streams import HEARTBEAT
from caesura.server.runs import Started
from caesura.server.services import Server
from caesura.server.threads import graph_of
from caesura.server.views import Json

routes = Routes("Interrupts", group="interrupts")
_LONGEST_KEY: Final = 240
"""Of a batch's Idempotency-Key: each item gets its own, which is longer."""


# --- forms -------------------------------------------------------------------------------------


def interrupt_view(row: InterruptRow, thread: Thread) -> Json:
    """An interrupt as these routes show it; see `wire.InterruptView`."""
    return {
        "id": row.id,
        "thread_id": row.thread_id,
        "graph_id": graph_of(thread),
        "status": row.status,
        "value": row.payload,
        "title": row.title,
        "key": row.key,
        "node": row.node,
        "namespace": row.ns,
        "checkpoint_id": row.checkpoint_id,
        "digest": row.digest,
        "response_schema": row.response_schema,
        "asked_at": row.asked_at,
        "answer": row.answer,
        "answered_at": row.answered_at,
        "answered_by": row.answered_by,
        "reason": row.reason,
        "superseded_by": row.superseded_by,
        "closed_at": row.closed_at,
    }


def _detail(question: Question) -> Json:
    row, thread = question
    about = {
        "thread_id": thread.thread_id,
        "status": thread.status,
        "metadata": dict(thread.metadata),
        "created_at": thread.created_at,
        "updated_at": thread.updated_at,
    }
    history = [_moment_view(moment) for moment in moments(row)]
    return {**interrupt_view(row, thread), "thread": about, "history": history}


def _moment_view(moment: Moment) -> Json:
    view: Json = {"event": moment.event, "at": moment.at}
    if moment.event == "answered":
        view.update(answer=moment.answer, actor=moment.actor)
    elif moment.event != "asked":
        view.update(reason=moment.reason, superseded_by=moment.superseded_by)
    return view


def entity_tag(row: InterruptRow) -> str:
    """The ``ETag`` of an interrupt: what was asked, and how it stands."""
    return f'"{row.digest}-{row.status}"'


# --- reading -----------------------------------------------------------------------------------


@routes.get(
    "/interrupts",
    query=wire.InterruptQuery,
    answers={
        200: Answer(
            "A page of interrupts.",
            list[wire.InterruptView],
            headers=("X-Pagination-Total", "X-Pagination-Next"),
        )
    },
)
async def list_interrupts(call: Call[None, wire.InterruptQuery]) -> Any:
    """List interrupts over all threads, those that are open and were asked first at the top.

    `q` searches titles and payloads. `X-Pagination-Total` counts all that match; `X-Pagination-Next` is
    the `cursor` of the next page.
    """
    filters = await call.authorise("threads", "search", {"metadata": {}})
    query = replace(find_by(call.query), filters=filters)
    interrupts = call.server.interrupts
    page, total = await interrupts.alist(query), await interrupts.acount(query)
    headers = {"X-Pagination-Total": str(total)}
    if page.more:
        headers["X-Pagination-Next"] = _cursor(page.rows[-1][0])
    return Reply([interrupt_view(row, thread) for row, thread in page.rows], headers=headers)


def find_by(query: wire.InterruptQuery) -> FindQuestions:
    """What a query asks for. Raises 422 for a cursor that was not given here."""
    asked = query.status or ["open"]
    return FindQuestions(
        statuses=STATUSES if "all" in asked else tuple(dict.fromkeys(map(str, asked))),
        thread_ids=None if query.thread_id is None else [query.thread_id],
        graph_id=query.graph_id,
        created_after=query.created_after,
        q=query.q,
        order="asc" if query.sort == "oldest" else "desc",
        limit=query.limit,
        cursor=None if query.cursor is None else _read_cursor(query.cursor),
    )


def _cursor(row: InterruptRow) -> str:
    place = msgspec.json.encode((row.asked_at, row.id))
    return base64.urlsafe_b64encode(place).decode().rstrip("=")


def _read_cursor(text: str) -> tuple[str, str]:
    try:
        place = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        return msgspec.json.decode(place, type=tuple[str, str])
    except (binascii.Error, msgspec.MsgspecError, ValueError):
        raise invalid("cursor must be what X-Pagination-Next gave") from None


@routes.get(
    "/interrupts/{interrupt_id}",
    query=wire.InterruptPlace,
    answers={200: Answer("The interrupt.", wire.InterruptDetail, headers=("ETag",))},
    errors=(404, 409),
)
async def get_interrupt(call: Call[None, wire.InterruptPlace]) -> Any:
    """Get an interrupt: what is asked, the schema of its answer, what happened to it, and its thread.

    Where a thread was copied, its interrupts are on both; then `thread_id` says which one is meant.
    """
    question = await visible(call, call.text("interrupt_id"), call.query.thread_id)
    return Reply(_detail(question), headers={"ETag": entity_tag(question.row)})


async def visible(call: Call[Any, Any], id: str, thread_id: str | None) -> Question:
    """The interrupt, if the caller may read its thread. Raises 404; 409 if there are several."""
    found = await call.server.interrupts.alist(
        FindQuestions(statuses=STATUSES, interrupt_id=id, thread_ids=thread_id and [thread_id])
    )
    place = found.rows[0][0].thread_id if len(found.rows) == 1 else thread_id
    filters = await call.authorise("threads", "read", {"thread_id": place})
    seen = [Question(*each) for each in found.rows if filter_matches(each[1].metadata, filters)]
    if not seen:
        raise not_found(f"Interrupt {id} not found")
    if len(seen) > 1:
        raise _several(AmbiguousThreadError(id, [each.row.thread_id for each in seen]))
    return seen[0]


def _several(error: AmbiguousThreadError) -> Problem:
    return Problem(409, str(error), code=error.code, thread_ids=list(error.thread_ids))


# --- answering ---------------------------------------------------------------------------------


@routes.post(
    "/interrupts/{interrupt_id}/answer",
    body=wire.AnswerBody,
    query=wire.InterruptPlace,
    returns=wire.Answered,
    errors=(400, 404, 409, 410, 412),
)
async def answer_interrupt(call: Call[wire.AnswerBody, wire.InterruptPlace]) -> Any:
    """Answer an interrupt; a run carries the answer into the program.

    Refused, with nothing changed: 409 `already_answered` with the recorded answer, or `superseded`; 410
    `withdrawn`; 412 if `If-Match` names another question than the one that is asked; 422 with the
    fields of an answer that does not fit. The same `Idempotency-Key` and answer again give the first
    outcome. `decision` and `reason` are kept in the metadata of the run.
    """
    body = call.body
    question = await visible(call, call.text("interrupt_id"), call.query.thread_id)
    _check_match(call.header("if-match"), question.row)
    said = Said(body.answer, body.decision, body.reason)
    started = await accept(call, question.row, said, call.header("idempotency-key"))
    return await _answered(call.server, question, started)


class Said(msgspec.Struct, frozen=True):
    """What a person said: the answer, in what spirit, and why."""

    answer: Any
    decision: str | None = None
    reason: str | None = None


async def accept(
    call: Call[Any, Any], row: InterruptRow, said: Said, idempotency_key: str | None
) -> Started:
    """Accept an answer with the run that carries it. Raises what tells why it was refused."""
    origin = Origin(call.caller, call.request_id, idempotency_key, call.request.headers)
    try:
        return await call.server.runs.answer(
            origin, row.thread_id, {row.id: said.answer}, decision=said.decision, reason=said.reason
        )
    except InterruptClosedError as error:
        raise _closed(error) from None


def _closed(error: InterruptClosedError) -> Problem:
    told = problem_of(error)
    assert told is not None
    status = 410 if error.status == "withdrawn" else 409
    return Problem(status, told.detail, code=error.status, **told.more)


def _check_match(wanted: str | None, row: InterruptRow) -> None:
    """412 unless ``If-Match`` names the payload that is asked about; how it stands is told otherwise."""
    if wanted is None or wanted.strip() == "*":
        return
    tags = [tag.strip().removeprefix("W/").strip('"') for tag in wanted.split(",")]
    if not any(tag.partition("-")[0] == row.digest for tag in tags):
        raise Problem(
            412,
            f"Interrupt {row.id} asks about something else than what If-Match names (its digest is "
            f"{row.digest}). Nothing was changed. Look at it again before you answer.",
            code="digest_differs",
            digest=row.digest,
        )


async def _answered(server: Server, question: Question, started: Started) -> Json:
    row = question.row
    now = await server.interrupts.aget(row.id, row.thread_id)
    shown = interrupt_view(*(now or question))
    run = started.run
    return {"interrupt": shown, "run_id": run.run_id, "thread_id": run.thread_id}


@routes.post(
    "/interrupts/answers", body=wire.Answers, returns=list[wire.AnswerResult], errors=(400,)
)
async def answer_interrupts(call: Call[wire.Answers, None]) -> Any:
    """Answer several interrupts, each by itself: one result for each, in order.

    A refused one does not stop the others: its `status` and `code` say what a single answer would have
    been told. An `Idempotency-Key` counts for the whole: send the same list again.
    """
    key = call.header("idempotency-key")
    if key is not None and not 1 <= len(key) <= _LONGEST_KEY:
        raise invalid(f"Here an Idempotency-Key has 1 to {_LONGEST_KEY} characters.")
    results = []
    for place, item in enumerate(call.body.answers):
        own = None if key is None else f"{key}[{place}]"
        results.append({"interrupt_id": item.interrupt_id, **await _answer_one(call, item, own)})
    return results


async def _answer_one(call: Call[Any, Any], item: wire.AnswerItem, key: str | None) -> Json:
    try:
        question = await visible(call, item.interrupt_id, item.thread_id)
        started = await accept(
            call, question.row, Said(item.answer, item.decision, item.reason), key
        )
        return {"status": 200, **await _answered(call.server, question, started)}
    except Exception as error:
        problem = _problem_of(error)
        if problem is None:
            raise
        told = {"detail": problem.detail, "code": problem.code, **problem.more}
        return {**told, "status": problem.status, "thread_id": item.thread_id}


def _problem_of(error: Exception) -> Problem | None:
    if isinstance(error, AuthRefusal):
        return Problem(error.status, error.detail, code="refused")
    return problem_of(error)


# --- following ---------------------------------------------------------------------------------


@routes.get(
    "/interrupts/stream",
    answers={200: Answer("Server-sent events.", str, "text/event-stream")},
    errors=(422, 429),
)
async def stream_interrupts(call: Call[None, None]) -> Any:
    """Follow what happens to interrupts: `asked`, `answered`, `withdrawn`, `superseded`.

    The data is the interrupt as it is now. With `Last-Event-ID` the stream goes on behind that event,
    over restarts of the server too; what the client may have missed is told again rather than left out.
    """
    return await following(call)


async def following(call: Call[Any, Any]) -> EventStream:
    """The stream of changes that the caller may see, behind its ``Last-Event-ID``."""
    filters = await call.authorise("threads", "search", {"metadata": {}})
    last = call.header("last-event-id")
    try:
        after = None if not last else Position.parse(last)
    except ValueError:
        raise invalid("Last-Event-ID must be the id of an event of this stream") from None
    return EventStream(frames(call.server, after, filters))


async def frames(
    server: Server, after: Position | None, filters: Mapping[str, Any]
) -> AsyncGenerator[bytes]:
    """What happens behind a position, as server-sent events, until the server is about to stop."""
    async with aclosing(until(server.closing, server.feed.follow(after))) as news:
        async for each in news:
            if each is None:
                yield HEARTBEAT
            elif filter_matches(each.change.thread.metadata, filters):
                yield _frame(each)


def _frame(news: News) -> bytes:
    at, _, _, event = news.change.key
    data = {"at": at, "event": event, **interrupt_view(news.change.row, news.change.thread)}
    return b"event: %b\r\ndata: %b\r\nid: %b\r\n\r\n" % (
        event.encode(), encode(data), str(news.position).encode(),
    )  # fmt: skip
