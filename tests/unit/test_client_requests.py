"""What the client sends, and how it reads what comes back. No connection is made."""

from __future__ import annotations

import enum
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from caesura import errors as library
from caesura.client import errors
from caesura.client.encoding import encode
from caesura.client.requests import (
    NO_BODY,
    Reply,
    assistants,
    crons,
    interrupts,
    json_body,
    path,
    runs,
    store,
    threads,
)
from caesura.client.sse import Parser
from caesura.client.transport import arguments
from caesura.types import Command, Send


def feed(*chunks: bytes) -> list[tuple[str, Any, str | None]]:
    parser = Parser()
    return [tuple(part) for chunk in chunks for part in parser.feed(chunk)]


def refusal(status_code: int, **body: Any) -> errors.ApiError:
    return errors.error_of(status_code, {"x-request-id": "r1"}, json.dumps(body).encode())


class TestEventStreams:
    FRAMES = (
        b"\xef\xbb\xbf: heartbeat\r\n\r\nevent: metadata\r\ndata: {\"run_id\":\"r\"}\r\n\r\n"
        b"event: values|child:1\r\ndata: {\"a\":\r\ndata: \"\xc3\xa9\"}\r\nid: 7-0\r\n\r\nevent: end\r\n\r\n"
    )  # fmt: skip
    PARTS = [
        ("metadata", {"run_id": "r"}, None),
        ("values|child:1", {"a": "é"}, "7-0"),
        ("end", None, None),
    ]

    def test_events_are_read_wherever_the_bytes_are_cut(self) -> None:
        for size in range(1, len(self.FRAMES)):
            cut = [self.FRAMES[i : i + size] for i in range(0, len(self.FRAMES), size)]
            assert feed(*cut) == self.PARTS

    @pytest.mark.parametrize("ending", [b"\n", b"\r\n", b"\r"], ids=["lf", "crlf", "cr"])
    def test_lines_may_end_in_three_ways(self, ending: bytes) -> None:
        frames = self.FRAMES.replace(b"\r\n", ending) + b": the next line has begun\n"
        assert feed(frames) == self.PARTS

    def test_an_event_is_yielded_only_when_it_is_complete(self) -> None:
        assert feed(b"event: values\r\ndata: 1\r\n") == []

    def test_data_that_is_no_json_is_refused(self) -> None:
        with pytest.raises(errors.InvalidReplyError, match="'values' is no JSON"):
            feed(b"event: values\ndata: {oops\n\n")


class TestRequests:
    def test_an_id_stays_one_segment_of_the_path(self) -> None:
        assert threads.get("../runs?x=1#y").path == "/threads/..%2Fruns%3Fx%3D1%23y"
        assert path("/a/{}/b", "ü/") == "/a/%C3%BC%2F/b"

    def test_what_starts_or_answers_something_has_a_key_of_its_own(self) -> None:
        started = [
            runs.create("t", "agent"),
            runs.wait(None, "agent"),
            runs.stream("t", "agent").request,
            runs.create_batch([{"assistant_id": "agent"}]),
            crons.create("agent", schedule="* * * * *"),
            interrupts.answer("i", "yes"),
            interrupts.answer_many([{"interrupt_id": "i", "answer": 1}]),
        ]
        keys = [request.key for request in started]
        assert None not in keys
        assert len(set(keys)) == len(keys)

    @pytest.mark.parametrize("name", ["Idempotency-Key", "idempotency-key"])
    def test_the_callers_own_key_is_kept(self, name: str) -> None:
        assert runs.create("t", "agent", headers={name: "mine"}).key == "mine"

    def test_what_only_reads_has_no_key(self) -> None:
        assert threads.get_state("t").key is None

    def test_what_is_not_given_is_not_sent(self) -> None:
        assert runs.create("t", "agent").body == {"assistant_id": "agent"}
        assert threads.create().body == {}
        assert threads.get("t").body is NO_BODY

    def test_an_update_of_none_is_sent(self) -> None:
        assert threads.update_state("t", None, as_node="n").body == {"values": None, "as_node": "n"}

    def test_the_end_of_a_cron_can_be_cleared(self) -> None:
        assert crons.update("c", end_time=None).body == {"end_time": None}
        assert crons.update("c", enabled=False).body == {"enabled": False}

    def test_a_misspelt_option_is_a_type_error(self) -> None:
        with pytest.raises(TypeError, match="unexpected keyword argument 'inputs'"):
            runs.wait("t", "agent", inputs={})  # type: ignore[call-arg]

    def test_a_label_with_a_dot_is_refused_before_anything_is_sent(self) -> None:
        with pytest.raises(ValueError, match="cannot contain a dot"):
            store.put_item(["a.b"], "k", {})

    def test_queries_are_texts_and_lists_repeat_their_key(self) -> None:
        request = runs.list_runs("t", select=["run_id", "status"], params={"flag": True})
        assert arguments(request)["params"] == [
            ("limit", "10"), ("offset", "0"), ("select", "run_id"), ("select", "status"),
            ("flag", "true"),
        ]  # fmt: skip

    def test_what_was_seen_is_sent_as_an_entity_tag(self) -> None:
        assert interrupts.answer("i", 1, if_match="abc").headers["If-Match"] == '"abc"'

    def test_a_search_for_pages_tells_where_the_next_one_is(self) -> None:
        read = assistants.search(response_format="object").read
        page = read(Reply(200, {"x-pagination-next": "10"}, b"[]"))
        assert page == {"assistants": [], "next": "10"}


class TestReplies:
    def test_an_empty_body_is_none(self) -> None:
        assert json_body(Reply(204, {}, b"")) is None

    def test_heartbeats_before_the_output_are_no_part_of_it(self) -> None:
        assert runs.output(Reply(200, {}, b'\n\n{"a":1}')) == {"a": 1}

    def test_a_page_of_some_other_server_is_refused_with_a_hint(self) -> None:
        with pytest.raises(errors.InvalidReplyError, match="LangGraph API"):
            json_body(Reply(200, {}, b"<html>"))

    def test_a_failed_run_is_raised_unless_that_is_turned_off(self) -> None:
        failed = Reply(200, {}, b'{"__error__":{"error":"ValueError","message":"boom"}}')
        with pytest.raises(errors.RunError, match="ValueError: boom") as caught:
            runs.wait("t", "agent").read(failed)
        assert (caught.value.error, caught.value.message) == ("ValueError", "boom")
        assert "__error__" in runs.wait("t", "agent", raise_error=False).read(failed)

    def test_a_part_under_v2_has_namespace_and_interrupts_apart(self) -> None:
        [part] = Parser().feed(
            b'event: values|c:1|d:2\ndata: {"a":1,"__interrupt__":[{"id":"i"}]}\n\n'
        )
        assert runs.as_v2(part) == {
            "type": "values", "ns": ["c:1", "d:2"], "data": {"a": 1}, "interrupts": [{"id": "i"}],
        }  # fmt: skip


class TestErrors:
    @pytest.mark.parametrize(
        ("status", "kind"),
        [
            (400, errors.BadRequestError),
            (401, errors.AuthenticationError),
            (403, errors.PermissionDeniedError),
            (404, errors.NotFoundError),
            (409, errors.ConflictError),
            (410, errors.GoneError),
            (412, errors.PreconditionFailedError),
            (422, errors.UnprocessableEntityError),
            (429, errors.RateLimitError),
            (500, errors.ServerError),
            (503, errors.ServerError),
            (418, errors.ApiError),
        ],
    )
    def test_each_status_has_its_class(self, status: int, kind: type[errors.ApiError]) -> None:
        error = refusal(status, detail="why")
        assert type(error) is kind
        assert (error.status_code, error.detail, error.request_id) == (status, "why", "r1")

    @pytest.mark.parametrize(
        ("code", "status", "local"),
        [
            ("resume_refused", 409, library.ResumeError),
            ("nothing_to_resume", 409, library.NothingToResumeError),
            ("unknown_thread", 404, library.UnknownThreadError),
            ("unknown_interrupt", 404, library.UnknownInterruptError),
            ("ambiguous_resume", 409, library.AmbiguousResumeError),
            ("already_answered", 409, library.AlreadyAnsweredError),
            ("interrupt_closed", 409, library.InterruptClosedError),
            ("superseded", 409, library.InterruptClosedError),
            ("withdrawn", 410, library.InterruptClosedError),
            ("expired", 410, library.InterruptClosedError),
            ("invalid_answer", 422, library.InvalidAnswerError),
        ],
    )
    def test_a_refused_resume_is_what_it_would_be_locally(
        self, code: str, status: int, local: type[library.ResumeError]
    ) -> None:
        waiting = [{"id": "i2", "value": "and now?", "title": None}]
        error = refusal(status, detail="no", code=code, interrupts=waiting)
        assert isinstance(error, local)
        assert isinstance(error, errors.BY_STATUS[status])
        assert error.code == code
        assert [(item.id, item.value) for item in error.open_interrupts] == [("i2", "and now?")]

    def test_a_refused_answer_tells_what_was_recorded(self) -> None:
        recorded = {"answer": "no", "answered_at": "2026-01-01T00:00:00+00:00"}
        error = refusal(409, code="already_answered", interrupt_id="i", recorded=recorded)
        assert isinstance(error, library.AlreadyAnsweredError)
        assert (error.interrupt_id, error.answer, error.answered_at) == ("i", *recorded.values())

    def test_a_wrong_answer_tells_what_is_wrong_with_it(self) -> None:
        wrong = [{"pointer": "/amount", "message": "is not a number"}]
        error = refusal(422, code="invalid_answer", interrupt_id="i", errors=wrong)
        assert isinstance(error, library.InvalidAnswerError)
        assert error.errors == wrong

    def test_a_closed_interrupt_tells_what_became_of_it(self) -> None:
        error = refusal(409, code="interrupt_closed", status="withdrawn", reason="new input")
        assert isinstance(error, library.InterruptClosedError)
        assert (error.status, error.reason, error.status_code) == ("withdrawn", "new input", 409)

    @pytest.mark.parametrize(
        ("body", "detail"),
        [
            (b'{"error":"Key is required"}', "Key is required"),
            (b'{"error":{"message":"deep"}}', "deep"),
            (b'{"detail":[{"loc":["a"]}]}', '[{"loc": ["a"]}]'),
            (b"Internal Server Error", "Internal Server Error"),
            (b"", "HTTP 500"),
            (b"\xff[", "\ufffd["),
        ],
        ids=["error", "nested", "list", "text", "empty", "bytes"],
    )
    def test_the_reason_is_found_wherever_it_stands(self, body: bytes, detail: str) -> None:
        assert errors.error_of(500, {}, body).detail == detail


class Colour(enum.Enum):
    RED = "red"


@dataclass
class Point:
    x: int


class TestEncoding:
    def test_values_of_programs_have_a_json_form(self) -> None:
        id = UUID(int=1)
        value = {
            "point": Point(1), "colour": Colour.RED, "id": id, "at": datetime(2026, 1, 1, tzinfo=UTC),
            "set": {1}, "text": "é", "send": Send("n", Point(2)),
            "command": Command(resume=None, goto=[Send("n", 1), "m"], update={"a": 1}),
        }  # fmt: skip
        assert json.loads(encode(value)) == {
            "point": {"x": 1}, "colour": "red", "id": str(id), "at": "2026-01-01T00:00:00+00:00",
            "set": [1], "text": "é", "send": {"node": "n", "input": {"x": 2}},
            "command": {"update": {"a": 1}, "goto": [{"node": "n", "input": 1}, "m"]},
        }  # fmt: skip

    def test_a_value_without_one_is_refused(self) -> None:
        with pytest.raises(TypeError, match="object has no JSON form"):
            encode(object())

    def test_no_number_is_sent_that_json_does_not_have(self) -> None:
        with pytest.raises(ValueError, match="not JSON compliant"):
            encode(float("nan"))
