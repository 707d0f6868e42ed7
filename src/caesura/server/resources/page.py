"""Pages for people: what is served, what waits, a form to answer it, what became of it.

A page does what the API does, through the same services; it decides nothing by itself. Where callers
must say who they are, a person signs in once (`caesura.server.page.sessions`).
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from starlette.responses import RedirectResponse, Response

from caesura.checkpoint.operations import InterruptRow
from caesura.errors import AlreadyAnsweredError, InvalidAnswerError
from caesura.records.errors import IdempotencyError
from caesura.records.operations import Question
from caesura.schemas.fields import example, read_json
from caesura.server import wire
from caesura.server.auth import AuthRefusal
from caesura.server.drafting import Origin
from caesura.server.http.call import Call
from caesura.server.http.problems import Problem, not_found, problem_of
from caesura.server.http.replies import Reply
from caesura.server.http.routes import Answer, Routes
from caesura.server.ids import uuid7
from caesura.server.page import rendering, views
from caesura.server.page.form import AnswerForm, is_resizing, read, without_problems
from caesura.server.page.requests import check_origin, prefers_html, read_form
from caesura.server.page.sessions import COOKIE
from caesura.server.resources.interrupts import Said, accept, following, visible

routes = Routes("Pages", group="pages")
PAGE: Final = Answer("A page.", str, "text/html")
HOME: Final = Answer(
    "A page, or for programs that the server is up.",
    str,
    "text/html",
    others=(("application/json", wire.Health),),
)
DONE: Final = Answer("Go on to the page that the `Location` header names.")
_MAY_FAIL: Final = (400, 403, 404, 409, 410, 412, 413, 415)
Handler = Callable[[Call[Any, Any]], Awaitable[Any]]


def for_people(handler: Handler) -> Handler:
    """A route that knows people by their session, and tells errors on a page."""

    @wraps(handler)
    async def shown(call: Call[Any, Any]) -> Any:
        try:
            call.caller = await call.server.sessions.caller(call.request, call.server.identify)
            return await handler(call)
        except AuthRefusal as refusal:
            return _refused(call, refusal)
        except Exception as error:
            problem = problem_of(error)
            if problem is None:
                raise
            return _page(call, "problem.html", problem.status, problem=problem)

    return shown


def _refused(call: Call[Any, Any], refusal: AuthRefusal) -> Response:
    if refusal.status == 401:
        return _sign_in_page(call, 401)
    problem = Problem(refusal.status, refusal.detail)
    return _page(call, "problem.html", refusal.status, problem=problem)


def _page(call: Call[Any, Any], template: str, status: int = 200, **values: Any) -> Response:
    person = call.caller.display_name if call.server.sessions.holds(call.request) else None
    return rendering.html(
        call.request, template, status, prefix=call.server.prefix, person=person, **values
    )


def _go(call: Call[Any, Any], path: str) -> RedirectResponse:
    root = call.request.scope.get("root_path", "") + call.server.prefix
    return RedirectResponse(root + path, 303, rendering.SECURITY)


# --- the landing page --------------------------------------------------------------------------


@routes.get("/", answers={200: HOME, 401: PAGE}, public=True)
async def show_home(call: Call[None, None]) -> Any:
    """Show what is served and what waits, to browsers; to programs, that the server is up."""
    if not prefers_html(call.header("accept") or ""):
        return Reply({"ok": True, "services": {}}, headers={"Vary": "Accept"})
    return await _home(call)


@for_people
async def _home(call: Call[None, None]) -> Any:
    return await _landing(call)


async def _landing(call: Call[Any, Any], status: int = 200, **tried: str) -> Response:
    values = await views.landing(call)
    page = _page(call, "home.html", status, keyed=views.is_keyed(call), tried=tried, **values)
    page.headers["Vary"] = "Accept"
    return page


@routes.post("/inbox/runs", answers={303: DONE, 422: PAGE}, errors=_MAY_FAIL, public=True)
@for_people
async def start_from_page(call: Call[None, None]) -> Any:
    """Start a run on a new thread, from the form of the landing page."""
    posted = await read_form(call)
    assistant, text = posted.get("assistant", ""), posted.get("input", "")
    try:
        given = read_json(text)
    except (ValueError, RecursionError) as error:
        why = f"This is no JSON: {error}"
        return await _landing(call, 422, assistant=assistant, input=text, problem=why)
    body = wire.RunCreate(assistant_id=assistant, input=given, if_not_exists="create")
    origin = Origin(call.caller, call.request_id, None, call.request.headers)
    started = await call.server.runs.start(origin, uuid7(), body)
    return _go(call, f"/inbox/threads/{started.run.thread_id}")


@routes.get("/inbox/static/{name}", answers={200: PAGE}, errors=(404,), public=True)
async def get_static(call: Call[None, None]) -> Any:
    """Get a file that the pages use."""
    found = rendering.static(call.text("name"))
    if found is None:
        raise not_found()
    return found


@routes.get(
    "/inbox/stream", answers={200: Answer("Server-sent events.", str, "text/event-stream")},
    errors=(422, 429), public=True,
)  # fmt: skip
@for_people
async def stream_to_page(call: Call[None, None]) -> Any:
    """Follow what happens to interrupts, for pages."""
    return await following(call)


# --- threads, interrupts -----------------------------------------------------------------------


@routes.get(
    "/inbox/threads/{thread_id}", answers={200: PAGE, 401: PAGE}, errors=(404,), public=True
)
@for_people
async def show_thread(call: Call[None, None]) -> Any:
    """Show a thread: what it holds, its steps, runs and questions."""
    return _page(call, "thread.html", **await views.thread_page(call, call.text("thread_id")))


@routes.get(
    "/inbox/interrupts/{interrupt_id}", query=wire.InterruptPlace, answers={200: PAGE, 401: PAGE},
    errors=(404, 409), public=True,
)  # fmt: skip
@for_people
async def show_interrupt(call: Call[None, wire.InterruptPlace]) -> Any:
    """Show an interrupt with a form to answer it, or what became of it."""
    question = await visible(call, call.text("interrupt_id"), call.query.thread_id)
    return await _show(call, question)


async def _show(call: Call[Any, Any], question: Question, status: int = 200) -> Response:
    if question.row.status != "open":
        return await _outcome(call, question, status)
    return await _form(call, question, read(question.row.response_schema), status)


class Typed(NamedTuple):
    """What a form holds beside the answer. ``key``: names this sheet, so that sending it twice counts
    once."""

    reason: str = ""
    key: str = ""


_FRESH: Final = Typed()


async def _form(
    call: Call[Any, Any],
    question: Question,
    form: AnswerForm,
    status: int = 200,
    typed: Typed = _FRESH,
    notice: str = "",
) -> Response:
    row = question.row
    values = await views.question_page(call, question)
    hidden = {"digest": row.digest, "key": typed.key or secrets.token_urlsafe(16)}
    return _page(
        call, "interrupt.html", status, form=form, hidden=hidden, reason=typed.reason,
        sample=example(row.response_schema), notice=notice, curl=views.curl, **values,
    )  # fmt: skip


async def _outcome(
    call: Call[Any, Any], question: Question, status: int = 200, notice: str = ""
) -> Response:
    values = await views.question_page(call, question)
    return _page(call, "answered.html", status, notice=notice, **values)


@routes.post(
    "/inbox/interrupts/{interrupt_id}", query=wire.InterruptPlace,
    answers={200: PAGE, 303: DONE, 401: PAGE, 422: PAGE}, errors=_MAY_FAIL, public=True,
)  # fmt: skip
@for_people
async def answer_from_page(call: Call[None, wire.InterruptPlace]) -> Any:
    """Answer an interrupt from its form. What does not fit is shown again with everything typed."""
    posted = await read_form(call)
    question = await visible(call, call.text("interrupt_id"), call.query.thread_id)
    row = question.row
    form = read(row.response_schema, posted)
    typed = Typed(posted.get("reason", ""), posted.get("key", "")[:100])
    if row.status == "open":
        if is_resizing(posted):
            return await _form(call, question, without_problems(form), typed=typed)
        if posted.get("digest") != row.digest:
            return await _form(call, question, form, 412, typed, _DIFFERS)
        if not form.fits:
            return await _form(call, question, form, 422, typed)
    elif not form.fits:
        return await _outcome(call, question, 409, _CLOSED)
    return await _hand_in(call, question, form, typed)


_DIFFERS: Final = (
    "The question is another than the one you were shown. Nothing was sent: read it again, then "
    "answer."
)
_FASTER: Final = "Somebody was faster: your answer was not used, and nothing was changed."
_CLOSED: Final = "This takes no answer any more: yours was not used, and nothing was changed."


async def _hand_in(
    call: Call[Any, Any], question: Question, form: AnswerForm, typed: Typed
) -> Response:
    row = question.row
    key = f"page:{row.id}:{typed.key}" if typed.key else None
    try:
        await accept(call, row, Said(form.answer, reason=typed.reason.strip() or None), key)
    except InvalidAnswerError as error:
        form.refuse(error.errors)
        return await _form(call, question, form, 422, typed)
    except (AlreadyAnsweredError, IdempotencyError):
        return await _outcome(call, await _again(call, row), 409, _FASTER)
    except Problem as problem:
        if problem.code not in ("withdrawn", "superseded"):
            raise
        return await _outcome(call, await _again(call, row), problem.status, _CLOSED)
    return _go(call, f"/inbox/interrupts/{row.id}?thread_id={quote(row.thread_id)}")


async def _again(call: Call[Any, Any], row: InterruptRow) -> Question:
    return await visible(call, row.id, row.thread_id)


# --- signing in --------------------------------------------------------------------------------


@routes.get("/inbox/session", answers={200: PAGE}, public=True)
async def show_sign_in(call: Call[None, None]) -> Any:
    """Show the form to sign in."""
    return _sign_in_page(call, 200)


def _sign_in_page(call: Call[Any, Any], status: int, problem: str = "") -> Response:
    then = call.request.url.path if call.request.method == "GET" else ""
    return _page(call, "sign_in.html", status, problem=problem, then=then)


@routes.post(
    "/inbox/session", answers={303: DONE, 401: PAGE}, errors=(403, 413, 415, 422), public=True
)
async def sign_in(call: Call[None, None]) -> Any:
    """Begin a session with an API key or a token."""
    try:
        posted = await read_form(call)
    except Problem as problem:
        return _page(call, "problem.html", problem.status, problem=problem)
    sessions, request = call.server.sessions, call.request
    token = await sessions.begin(posted.get("credential", ""), request, call.server.identify)
    if token is None:
        return _sign_in_page(call, 401, "This key or token is not valid here.")
    sessions.end(request)
    reply = _go(call, "/")
    reply.set_cookie(
        COOKIE, token, httponly=True, samesite="strict", secure=request.url.scheme == "https"
    )
    return reply


@routes.post("/inbox/session/end", answers={303: DONE}, errors=(403,), public=True)
async def sign_out(call: Call[None, None]) -> Any:
    """End the session."""
    check_origin(call.request)
    call.server.sessions.end(call.request)
    reply = _go(call, "/")
    reply.delete_cookie(COOKIE)
    return reply
