"""One call of a tool: a run on a thread of its own, and the questions that it asks on the way.

A program that waits for a person makes the call wait, if the client can put the question before one.
Otherwise the call ends with what is asked and how to answer; the thread stays, and so it goes on
whenever somebody answers. Threads of calls that asked nothing are deleted when the call is done.
"""

from __future__ import annotations

import asyncio
import json
import shlex
from collections.abc import AsyncGenerator, Awaitable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from caesura.checkpoint.operations import FindInterrupts, InterruptRow
from caesura.constants import INTERRUPT
from caesura.errors import InvalidAnswerError
from caesura.records.operations import FindRuns
from caesura.records.shapes import Run
from caesura.schemas.fields import example
from caesura.server import wire
from caesura.server.drafting import Origin
from caesura.server.encoding import encode
from caesura.server.http.problems import problem_of
from caesura.server.mcp.forms import answer_of, form_of
from caesura.server.mcp.questions import Asked, Verdict
from caesura.server.mcp.tools import Tool, input_of
from caesura.server.running.streams import HEARTBEAT_SECONDS, RunStream

if TYPE_CHECKING:
    from caesura.server.services import Server

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Request:
    """A question for the client, as a request of MCP."""

    id: str
    params: Json


@dataclass(frozen=True, slots=True)
class Done:
    """The result of the call."""

    result: Json


class ToolCall:
    """A call that has begun. ``base``: the server's address, for people who answer elsewhere."""

    def __init__(self, server: Server, run: Run, stream: RunStream | None, base: str) -> None:
        self._server, self._run, self._stream, self._base = server, run, stream, base
        self._paused = False

    @classmethod
    async def begin(
        cls, server: Server, origin: Origin, tool: Tool, arguments: Mapping[str, Any], base: str
    ) -> ToolCall:
        """Start the run. Raises what `RunService.start` raises."""
        body = wire.RunCreateStateless(
            assistant_id=tool.assistant.assistant_id,
            input=await input_of(server, tool, arguments),
            on_completion="keep",
        )
        started = await server.runs.start(origin, None, body)
        return cls(server, started.run, started.stream, base)

    async def follow(self, *, asks: bool) -> AsyncGenerator[Request | Done | None]:
        """Questions for the client (if it ``asks`` people), then the result; None after a silence."""
        refused: str | None = None
        while True:
            async for _ in self._beats(self._ended()):
                yield None
            rows = await self._open()
            if not rows or not asks:
                yield Done(await self._result(rows))
                return
            self._paused = True
            asked = Asked.new(self._run.thread_id, rows[0].id)
            with self._server.questions.waiting(asked) as verdict:
                yield Request(str(asked), _elicitation(rows[0], refused))
                async for _ in self._beats(self._answered(rows[0], verdict)):
                    yield None
                told = verdict.result() if verdict.done() else None
            refused = None if told is None else told.refused
            if told is not None and refused is None and not told.accepted:
                yield Done(self._waiting(rows, "The person declined to answer now."))
                return
            if refused is None:
                await self._go_on()

    async def _beats(self, work: Awaitable[None]) -> AsyncGenerator[None]:
        """None every few seconds until ``work`` is done."""
        task = asyncio.ensure_future(work)
        try:
            while True:
                await asyncio.wait({task}, timeout=HEARTBEAT_SECONDS)
                if task.done():
                    task.result()
                    return
                yield None
        finally:
            task.cancel()

    async def _ended(self) -> None:
        if self._stream is not None:
            await self._stream.finished()

    async def _open(self) -> Sequence[InterruptRow]:
        rows: Sequence[InterruptRow] = await self._server.do(FindInterrupts(self._run.thread_id))
        return rows

    async def _answered(self, row: InterruptRow, verdict: asyncio.Future[Verdict]) -> None:
        """Until the client has answered, or somebody else has."""
        while not verdict.done():
            changed = asyncio.ensure_future(
                self._server.streams.changed_interrupts.wait(HEARTBEAT_SECONDS)
            )
            both: set[asyncio.Future[Any]] = {verdict, changed}
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            changed.cancel()
            if not verdict.done() and row.id not in {each.id for each in await self._open()}:
                return

    async def _go_on(self) -> None:
        """The answer's run is the thread's newest."""
        newest = FindRuns(self._run.thread_id, limit=1)
        (self._run,) = await self._server.do(newest)
        self._stream = await self._server.runs.attach(self._run.thread_id, self._run.run_id)
        if self._stream is None:
            (self._run,) = await self._server.do(newest)

    # --- results ---

    async def _result(self, rows: Sequence[InterruptRow]) -> Json:
        if rows:
            return self._waiting(rows, "The run waits for a person.")
        if self._stream is not None and self._stream.result is not None:
            body = self._stream.result.body
        else:
            body = (await self._server.runs.result_of(self._run)).body
        values = msgspec.json.decode(body)
        if not self._paused:
            await self._server.threads.remove(self._run.thread_id, {})
        if isinstance(values, dict) and "__error__" in values:
            error = values["__error__"]
            return failed(f"{error['error']}: {error['message']}")
        if isinstance(values, dict):
            values.pop(INTERRUPT, None)
        shown = values if isinstance(values, dict) else {"output": values}
        return {"content": [_text(encode(values).decode())], "structuredContent": shown}

    def _waiting(self, rows: Sequence[InterruptRow], why: str) -> Json:
        """The result of a call that waits: what is asked, and how to answer."""
        asked = [
            {
                "interrupt_id": row.id,
                "value": row.payload,
                "response_schema": row.response_schema,
                "answer_with": self._command(row),
            }
            for row in rows
        ]
        thread_id = self._run.thread_id
        parts = [f"{why} Thread {thread_id} is kept and goes on when its question is answered."]
        for row, each in zip(rows, asked, strict=True):
            parts.append(
                f"Interrupt {row.id} asks:\n{_question(row)}\nAnswer it with:\n{each['answer_with']}"
            )
        content = {"status": "waiting", "thread_id": thread_id, "interrupts": asked}
        return {"content": [_text("\n\n".join(parts))], "structuredContent": content}

    def _command(self, row: InterruptRow) -> str:
        body = encode({"answer": example(row.response_schema)}).decode()
        url = f"{self._base}/interrupts/{row.id}/answer"
        return f"curl -X POST {url} -H 'Content-Type: application/json' --data {shlex.quote(body)}"


async def take_response(server: Server, origin: Origin, message: Mapping[str, Any]) -> None:
    """A client's response to a question: the answer is accepted, or the call told that there is none.

    Responses to what was never asked are ignored.
    """
    asked = Asked.read(message.get("id"))
    if asked is None:
        return
    found = message.get("result")
    given = found if isinstance(found, Mapping) else {}
    if given.get("action") != "accept":
        server.questions.tell(asked, Verdict(False))
        return
    rows = await server.do(FindInterrupts(asked.thread_id, asked.interrupt_id, None, 1))
    if not rows:
        return
    content = given.get("content")
    answer = answer_of(rows[0].response_schema, content if isinstance(content, Mapping) else {})
    try:
        await server.runs.answer(origin, asked.thread_id, {asked.interrupt_id: answer})
    except InvalidAnswerError as error:
        server.questions.tell(asked, Verdict(False, str(error)))
    except Exception as error:
        server.questions.tell(asked, Verdict(False))
        if problem_of(error) is None:
            raise
    else:
        server.questions.tell(asked, Verdict(True))


def failed(text: str) -> Json:
    """The result of a call that failed."""
    return {"content": [_text(text)], "isError": True}


def _text(text: str) -> Json:
    return {"type": "text", "text": text}


def _elicitation(row: InterruptRow, refused: str | None) -> Json:
    message = _question(row)
    if refused is not None:
        message = f"That answer was not accepted: {refused}\n\n{message}"
    return {"message": message, "requestedSchema": form_of(row.response_schema)}


def _question(row: InterruptRow) -> str:
    payload = row.payload
    text = payload if isinstance(payload, str) else json.dumps(
        msgspec.json.decode(encode(payload)), ensure_ascii=False, indent=2
    )  # fmt: skip
    return text if not row.title or row.title == text else f"{row.title}\n\n{text}"
