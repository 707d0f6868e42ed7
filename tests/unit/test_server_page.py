"""The pages: what is served and waits is shown, and a form made from a schema answers it."""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.unit.asking_server import SCHEMA, ask, serving

from caesura.records.operations import FindKeys, PutKey, RevokeKey
from caesura.server.auth import KeyAuth, new_key
from caesura.server.page.form import AnswerForm, Control, is_resizing, read, without_problems
from caesura.server.page.readable import one_line, readable
from caesura.server.page.requests import prefers_html
from caesura.server.page.sessions import COOKIE, LONGEST_SECONDS
from caesura.server.services import Server

HTML = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
OURS = {**HTML, "sec-fetch-site": "same-origin"}

# --- forms -------------------------------------------------------------------------------------


def controls(form: AnswerForm) -> dict[str, Control]:
    """The controls that count, by their place in the answer."""
    return {control.pointer: control for control in form.control.active()}


@pytest.mark.parametrize(
    ("schema", "posted", "value"),
    [
        ({"type": "string"}, {"answer": "two\r\nlines"}, "two\nlines"),
        ({"type": "string"}, {"answer": "5"}, "5"),
        ({"type": "integer"}, {"answer": " 5 "}, 5),
        ({"type": "number"}, {"answer": "2.5"}, 2.5),
        ({"type": "boolean"}, {"answer": "0"}, True),
        ({"type": "boolean"}, {"answer": "1"}, False),
        ({"enum": ["a", 1, None]}, {"answer": "1"}, 1),
        ({"enum": ["a", 1, None]}, {"answer": "2"}, None),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, {"answer": ""}, None),
        ({"type": ["string", "null"]}, {"answer": "x"}, "x"),
        ({"oneOf": [{"const": 1}, {"const": 2}]}, {"answer": "1"}, 2),
        ({"const": "fixed"}, {}, "fixed"),
        (None, {"answer": "plain words"}, "plain words"),
        (None, {"answer": '{"a": 1}'}, {"a": 1}),
        ({"type": "object"}, {"answer": '{"a": 1}'}, {"a": 1}),
        (SCHEMA, {"answer.0": "0", "answer.1": ""}, {"decision": "approve"}),
        (SCHEMA, {"answer.0": "1", "answer.1": "3"}, {"decision": "reject", "amount": 3}),
        (SCHEMA, {"as": "json", "json": '{"decision": "reject"}'}, {"decision": "reject"}),
    ],
    ids=range(18),
)
def test_what_is_posted_becomes_the_answer(schema: Any, posted: Any, value: Any) -> None:
    form = read(schema, posted)
    assert form.fits, (form.problems, form.control)
    assert form.answer == value
    assert type(form.answer) is type(value)


def test_what_does_not_fit_is_said_beside_its_field_and_stays_typed() -> None:
    form = read(SCHEMA, {"answer.0": "", "answer.1": "-2"})
    assert not form.fits
    found = controls(form)
    assert found["/decision"].problems == ["an answer is needed here"]
    assert "less than or equal" in found["/amount"].problems[0]
    assert found["/amount"].text == "-2"
    assert found[""].problems == []


def test_a_text_that_is_no_number_is_kept_with_the_reason() -> None:
    field = controls(read(SCHEMA, {"answer.0": "0", "answer.1": "ten"}))["/amount"]
    assert (field.text, field.problems) == ("ten", ["'ten' is no number"])


LISTS = {
    "type": "object",
    "properties": {
        "guests": {"type": "array", "items": {"type": "string", "minLength": 2}},
        "seats": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"row": {"type": "integer"}},
                "required": ["row"],
            },
        },
    },
    "required": ["guests", "seats"],
}


def test_lists_leave_out_what_is_empty_and_name_the_item_that_is_wrong() -> None:
    posted = {"answer.0#": "3", "answer.0.0": "", "answer.0.1": "A", "answer.0.2": "Bob"}
    form = read(LISTS, {**posted, "answer.1#": "1", "answer.1.0.0": "4"})
    assert form.answer == {"guests": ["A", "Bob"], "seats": [{"row": 4}]}
    (wrong,) = (c for c in form.control.active() if c.problems)
    assert (wrong.name, wrong.text) == ("answer.0.1", "A")


def test_a_list_grows_and_shrinks_and_keeps_what_was_typed() -> None:
    posted = {"answer.0#": "2", "answer.0.0": "Ada", "answer.0.1": "Bob", "answer.1#": "0"}
    assert is_resizing({**posted, "add": "answer.0"})
    grown = without_problems(read(LISTS, {**posted, "add": "answer.0"}))
    assert [part.text for part in grown.control.parts[0].parts] == ["Ada", "Bob", ""]
    shrunk = without_problems(read(LISTS, {**posted, "remove": "answer.0.0"}))
    assert [part.text for part in shrunk.control.parts[0].parts] == ["Bob"]


TAGGED = {
    "anyOf": [
        {"type": "object", "properties": {"kind": {"const": "approve"}}, "required": ["kind"]},
        {
            "type": "object",
            "properties": {"kind": {"const": "edit"}, "amount": {"type": "number"}},
            "required": ["kind", "amount"],
        },
    ]
}


def test_alternatives_are_a_menu_and_only_the_chosen_one_counts() -> None:
    form = read(TAGGED)
    assert [label for _, label in form.control.choices] == ["approve", "edit"]
    assert read(TAGGED, {"answer?": "0", "answer.1.1": "nonsense"}).answer == {"kind": "approve"}
    assert read(TAGGED, {"answer?": "1", "answer.1.1": "7"}).answer == {"kind": "edit", "amount": 7}
    assert not read(TAGGED, {"answer?": "1", "answer.1.1": "x"}).fits
    assert not read(TAGGED, {}).fits


def test_the_tag_of_an_alternative_is_not_asked_for() -> None:
    kind = {"enum": ["edit"]}
    edit = {
        "properties": {"kind": kind, "amount": {"type": "number"}},
        "required": ["kind", "amount"],
    }
    schema = {"anyOf": [TAGGED["anyOf"][0], {"type": "object", **edit}]}
    assert read(schema, {"answer?": "1", "answer.1.1": "7"}).answer == {"kind": "edit", "amount": 7}
    wrong = read(schema, {"answer?": "1", "answer.1.1": "much"})
    assert [c.pointer for c in wrong.control.active() if c.problems] == ["/amount"]


def test_an_object_that_may_be_left_out_is_asked_for_first() -> None:
    inner = {
        "type": "object",
        "properties": {"city": {"type": "string", "minLength": 1}},
        "required": ["city"],
    }
    schema = {"type": "object", "properties": {"address": inner}}
    assert read(schema, {"answer.0.0": ""}).answer == {}
    assert read(schema, {"answer.0.0": ""}).fits
    assert not read(schema, {"answer.0?": "on", "answer.0.0": ""}).fits
    assert read(schema, {"answer.0?": "on", "answer.0.0": "Ulm"}).answer == {
        "address": {"city": "Ulm"}
    }


def test_a_schema_without_end_becomes_json_where_it_is_too_deep() -> None:
    again = {"$ref": "#/$defs/tree"}
    tree = {"type": "object", "properties": {"left": again, "right": again}}
    schema = {"$defs": {"tree": tree}, **again}
    form = read(schema)
    count = sum(1 for _ in _every(form.control))
    assert count < 1_000


def _every(control: Control) -> Any:
    yield control
    for part in control.parts:
        yield from _every(part)


@pytest.mark.parametrize(
    "schema",
    [{"type": 7}, {"$ref": "#/nowhere"}, {"$ref": "http://a.test/"}, {"anyOf": []}, {"enum": []}],
    ids=range(5),
)
def test_an_odd_schema_still_has_a_form(schema: Any) -> None:
    assert isinstance(read(schema), AnswerForm)
    assert isinstance(read(schema, {"answer": "1", "answer#": "9" * 40}), AnswerForm)


@pytest.mark.parametrize("text", ["{", "NaN", "1e", '"\\ud800"', "[" * 100_000], ids=range(5))
def test_json_that_is_none_is_told_and_kept(text: str) -> None:
    form = read(SCHEMA, {"as": "json", "json": text})
    assert not form.fits
    assert form.raw == text


def test_defaults_stand_in_the_form() -> None:
    schema = {
        "type": "object",
        "default": {"b": [1, 2]},
        "properties": {
            "a": {"type": "string", "default": "x"},
            "b": {"type": "array", "items": {"type": "integer"}},
            "c": {"type": "boolean", "default": False},
        },
    }
    a, b, c = read(schema).control.parts
    assert (a.text, [part.text for part in b.parts], c.text) == ("x", ["1", "2"], "1")


# --- values ------------------------------------------------------------------------------------


def test_objects_of_one_kind_are_a_table_and_messages_a_conversation() -> None:
    table = readable([{"a": 1, "b": None}, {"a": 2}])
    assert (table.shape, table.columns) == ("table", ["a", "b"])
    talk = readable([{"role": "user", "content": "hi"}, {"type": "ai", "content": "ho"}])
    assert [who for who, _ in talk.pairs] == ["user", "ai"]
    assert readable({"first_name": True}).pairs[0][0] == "first name"


def test_a_huge_or_deep_value_is_shown_in_part() -> None:
    deep: Any = "end"
    for _ in range(100):
        deep = {"inner": deep}
    assert readable(deep).shape == "pairs"
    assert readable(list(range(10_000))).left_out == 9_800
    assert len(one_line({"a": "x" * 10_000})) <= 90


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("text/html,application/xml;q=0.9,*/*;q=0.8", True),
        ("*/*", False),
        ("application/json", False),
        ("application/json, text/html;q=0.5", False),
        ("text/html;q=0", False),
        ("text/html;q=oops", False),
        ("", False),
    ],
)
def test_only_who_asks_for_a_page_gets_one(accept: str, wanted: bool) -> None:
    assert prefers_html(accept) is wanted


# --- pages -------------------------------------------------------------------------------------


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[tuple[httpx.AsyncClient, Server]]:
    """A client and its server."""
    async with serving(tmp_path) as both:
        yield both


@pytest.fixture
def client(served: tuple[httpx.AsyncClient, Server]) -> httpx.AsyncClient:
    """The client."""
    return served[0]


async def opened(client: httpx.AsyncClient, path: str, **how: Any) -> str:
    """A page's text."""
    reply = await client.get(path, headers=HTML, **how)
    assert reply.status_code == 200, reply.text
    return reply.text


def hidden(page: str) -> dict[str, str]:
    """The hidden fields of a form."""
    found = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page)
    return {html.unescape(name): html.unescape(value) for name, value in found}


async def test_programs_are_told_that_the_server_is_up_and_browsers_get_the_page(
    client: Any,
) -> None:
    reply = await client.get("/")
    assert reply.json() == {"ok": True, "services": {}}
    page = await client.get("/", headers=HTML)
    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["vary"] == "Accept"


async def test_the_landing_page_shows_what_is_served_and_what_waits(client: Any) -> None:
    asked = await ask(client, "<b>ACME</b>")
    page = await opened(client, "/")
    assert "Pay &lt;b&gt;ACME&lt;/b&gt;" in page
    assert "<b>ACME" not in page
    assert f"/inbox/interrupts/{asked['id']}" in page
    assert "wonder" in page
    assert "has no &#39;missing&#39;" in page  # why the broken graph is not served
    assert "curl -s http://server.test/runs/wait" in page


async def test_pages_forbid_foreign_code_and_frames(client: Any) -> None:
    asked = await ask(client)
    for path in ("/", f"/inbox/interrupts/{asked['id']}", f"/inbox/threads/{asked['thread_id']}"):
        reply = await client.get(path, headers=HTML)
        policy = reply.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert " style=" not in reply.text
        assert " onclick=" not in reply.text
        assert not re.search(r"<script(?![^>]* src=)", reply.text)
        assert not re.findall(r'(?:src|href)="https?://', reply.text)


async def test_files_of_the_pages_are_served_and_nothing_else(client: Any) -> None:
    page = await opened(client, "/")
    for path in re.findall(r'(?:src|href)="(/inbox/static/[^"]+)"', page):
        assert (await client.get(path)).status_code == 200
    for name in ("nothing.css", "..%2Fapp.py", "page.py"):
        assert (await client.get(f"/inbox/static/{name}")).status_code == 404


async def test_an_answer_from_the_form_is_carried_into_the_program(client: Any) -> None:
    asked = await ask(client)
    path = f"/inbox/interrupts/{asked['id']}"
    page = await opened(client, path)
    assert "Lathe" in page
    posted = {**hidden(page), "answer.0": "0", "answer.1": "12", "reason": "Agreed."}
    reply = await client.post(path, data=posted, headers=OURS)
    assert reply.status_code == 303
    assert reply.headers["location"].startswith(path)
    row = (await client.get(f"/interrupts/{asked['id']}")).json()
    assert row["answer"] == {"decision": "approve", "amount": 12}
    again = await client.post(path, data=posted, headers=OURS)
    assert again.status_code == 303  # the same sheet sent twice counts once
    page = await opened(client, reply.headers["location"])
    assert "What the program does with it" in page


async def test_a_form_that_does_not_fit_comes_back_with_everything_typed(client: Any) -> None:
    asked = await ask(client)
    path = f"/inbox/interrupts/{asked['id']}"
    fields = hidden(await opened(client, path))
    typed = {"answer.0": "", "answer.1": "a <lot>", "reason": "because"}
    reply = await client.post(path, data={**fields, **typed}, headers=OURS)
    assert reply.status_code == 422
    assert "an answer is needed here" in reply.text
    assert "&#39;a &lt;lot&gt;&#39; is no number" in reply.text
    assert 'value="a &lt;lot&gt;"' in reply.text
    assert "because</textarea>" in reply.text
    assert hidden(reply.text)["key"] == fields["key"]


async def test_who_is_slower_is_shown_the_recorded_answer(client: Any) -> None:
    asked = await ask(client)
    path = f"/inbox/interrupts/{asked['id']}"
    fields = hidden(await opened(client, path))
    body = {"answer": {"decision": "reject"}}
    await client.post(f"/interrupts/{asked['id']}/answer", json=body)
    reply = await client.post(path, data={**fields, "answer.0": "0"}, headers=OURS)
    assert reply.status_code == 409
    assert "Somebody was faster" in reply.text
    assert "reject" in reply.text


async def test_a_sheet_of_another_question_is_not_used(client: Any) -> None:
    asked = await ask(client)
    path = f"/inbox/interrupts/{asked['id']}"
    posted = {"digest": "0" * 64, "answer.0": "0", "answer.1": ""}
    reply = await client.post(path, data=posted, headers=OURS)
    assert reply.status_code == 412
    assert (await client.get(f"/interrupts/{asked['id']}")).json()["status"] == "open"


async def test_a_form_of_another_site_is_refused(client: Any) -> None:
    asked = await ask(client)
    path = f"/inbox/interrupts/{asked['id']}"
    posted = {**hidden(await opened(client, path)), "answer.0": "0", "answer.1": ""}
    for headers in (
        {},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "http://evil.test"},
        {"origin": "null"},
        {"origin": "http://["},
    ):
        reply = await client.post(path, data=posted, headers={**HTML, **headers})
        assert reply.status_code == 403, headers
    assert (await client.get(f"/interrupts/{asked['id']}")).json()["status"] == "open"
    reply = await client.post(path, data=posted, headers={**HTML, "origin": "http://server.test"})
    assert reply.status_code == 303


async def test_json_is_no_form(client: Any) -> None:
    asked = await ask(client)
    path = f"/inbox/interrupts/{asked['id']}"
    reply = await client.post(path, json={"answer.0": "0"}, headers=OURS)
    assert reply.status_code == 415
    reply = await client.post(
        path,
        content=b"a=%ff",
        headers={**OURS, "content-type": "application/x-www-form-urlencoded"},
    )
    assert reply.status_code == 422


async def test_a_run_can_be_started_from_the_page(client: Any) -> None:
    page = await opened(client, "/")
    assert 'value="pay"' in page
    posted = {"assistant": "pay", "input": '{"to": "Ada"}'}
    reply = await client.post("/inbox/runs", data=posted, headers=OURS)
    assert reply.status_code == 303
    thread = reply.headers["location"].rsplit("/", 1)[1]
    await client.get(f"/threads/{thread}/runs")
    assert thread in await opened(client, reply.headers["location"])


async def test_input_that_is_no_json_is_kept_and_told(client: Any) -> None:
    posted = {"assistant": "pay", "input": "{to: Ada"}
    reply = await client.post("/inbox/runs", data=posted, headers=OURS)
    assert reply.status_code == 422
    assert "{to: Ada</textarea>" in reply.text
    assert "This is no JSON" in reply.text


async def test_a_thread_shows_its_values_steps_and_questions(client: Any) -> None:
    asked = await ask(client)
    answered = await client.post(
        f"/interrupts/{asked['id']}/answer", json={"answer": {"decision": "approve"}}
    )
    told = answered.json()
    await client.get(f"/threads/{told['thread_id']}/runs/{told['run_id']}/join")
    page = await opened(client, f"/inbox/threads/{asked['thread_id']}")
    for text in ("Pay ACME", "answered", "approve", "Steps", "success"):
        assert text in page


async def test_what_is_not_there_is_told_on_a_page(client: Any) -> None:
    for path in (
        "/inbox/interrupts/" + "f" * 32,
        "/inbox/threads/0190a1b2-0000-7000-8000-000000000000",
    ):
        reply = await client.get(path, headers=HTML)
        assert reply.status_code == 404
        assert "Not here" in reply.text


async def test_a_copied_question_offers_the_threads_to_choose_from(client: Any) -> None:
    asked = await ask(client)
    copy = (await client.post(f"/threads/{asked['thread_id']}/copy")).json()["thread_id"]
    reply = await client.get(f"/inbox/interrupts/{asked['id']}", headers=HTML)
    assert reply.status_code == 409
    assert f"?thread_id={copy}" in reply.text


async def test_under_a_prefix_every_link_has_it(tmp_path: Path) -> None:
    async with serving(tmp_path, http={"mount_prefix": "/flow"}) as (client, _):
        page = await opened(client, "/flow/")
        links = re.findall(r'(?:href|src|action)="(/[^"]*)"', page)
        assert links
        assert [link for link in links if not link.startswith("/flow/")] == []
        assert (await client.get(links[0])).status_code == 200


# --- signing in --------------------------------------------------------------------------------


@pytest.fixture
async def keyed(tmp_path: Path) -> AsyncIterator[tuple[httpx.AsyncClient, Server, str]]:
    """A client, a server that asks for keys, and a key."""
    async with serving(tmp_path, auth={"keys": True}) as (client, server):
        key, record = new_key("desk", "ada")
        await server.do(PutKey(record))
        yield client, server, key


async def test_who_has_not_signed_in_sees_nothing_but_the_form(keyed: Any) -> None:
    client, _, key = keyed
    asked = await ask(client, **{"x-api-key": key})
    for path in ("/", f"/inbox/interrupts/{asked['id']}", f"/inbox/threads/{asked['thread_id']}"):
        reply = await client.get(path, headers=HTML)
        assert reply.status_code == 401
        assert "Sign in" in reply.text
        assert "ACME" not in reply.text
    assert (await client.get("/inbox/stream")).status_code == 401
    posted = {"answer.0": "0", "digest": asked["digest"]}
    reply = await client.post(f"/inbox/interrupts/{asked['id']}", data=posted, headers=OURS)
    assert reply.status_code == 401


async def test_a_key_begins_a_session_whose_cookie_does_not_hold_it(keyed: Any) -> None:
    client, _, key = keyed
    asked = await ask(client, **{"x-api-key": key})
    reply = await client.post("/inbox/session", data={"credential": key}, headers=OURS)
    assert reply.status_code == 303
    cookie = reply.headers["set-cookie"].lower()
    assert key.lower() not in cookie
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    path = f"/inbox/interrupts/{asked['id']}"
    page = await opened(client, path)
    assert key not in page
    posted = {**hidden(page), "answer.0": "0", "answer.1": ""}
    assert (await client.post(path, data=posted, headers=OURS)).status_code == 303
    row = await client.get(f"/interrupts/{asked['id']}", headers={"x-api-key": key})
    assert row.json()["answered_by"] == "ada"


async def test_a_wrong_key_begins_no_session(keyed: Any) -> None:
    client, _, _ = keyed
    for credential in ("csk_" + "x" * 43, "", "a\nb", "ä", "x" * 20_000):
        reply = await client.post("/inbox/session", data={"credential": credential}, headers=OURS)
        assert reply.status_code == 401
        assert "set-cookie" not in reply.headers
    foreign = {**HTML, "sec-fetch-site": "cross-site"}
    reply = await client.post("/inbox/session", data={"credential": "x"}, headers=foreign)
    assert reply.status_code == 403


async def test_a_session_is_no_credential_for_the_api(keyed: Any) -> None:
    client, _, key = keyed
    await client.post("/inbox/session", data={"credential": key}, headers=OURS)
    assert client.cookies.get(COOKIE)
    assert (await client.get("/interrupts")).status_code == 401


async def test_a_session_ends_with_signing_out_and_with_time(keyed: Any) -> None:
    client, server, key = keyed
    await client.post("/inbox/session", data={"credential": key}, headers=OURS)
    assert "Sign out" in await opened(client, "/")
    token = client.cookies.get(COOKIE)
    await client.post("/inbox/session/end", headers=OURS)
    client.cookies.set(COOKIE, token)
    assert (await client.get("/", headers=HTML)).status_code == 401
    client.cookies.clear()
    await client.post("/inbox/session", data={"credential": key}, headers=OURS)
    began = server.sessions.now()
    server.sessions.now = lambda: began + LONGEST_SECONDS + 1
    assert (await client.get("/", headers=HTML)).status_code == 401


# --- attacks on a session ----------------------------------------------------------------------


async def signed_in(client: Any, key: str) -> str:
    """Sign in → the session's token."""
    reply = await client.post("/inbox/session", data={"credential": key}, headers=OURS)
    assert reply.status_code == 303
    return str(client.cookies.get(COOKIE))


async def test_a_cookie_that_was_planted_does_not_become_a_session(keyed: Any) -> None:
    client, _, key = keyed
    client.cookies.set(COOKIE, "planted")
    await client.post("/inbox/session", data={"credential": key}, headers={**OURS})
    client.cookies.clear()
    client.cookies.set(COOKIE, "planted")
    assert (await client.get("/", headers=HTML)).status_code == 401


async def test_each_session_has_a_token_of_its_own_and_signing_out_ends_only_that(
    keyed: Any,
) -> None:
    client, _, key = keyed
    first = await signed_in(client, key)
    client.cookies.clear()
    second = await signed_in(client, key)
    assert first != second
    assert len(first) >= 32
    await client.post("/inbox/session/end", headers=OURS)
    client.cookies.clear()
    client.cookies.set(COOKIE, first)
    assert (await client.get("/", headers=HTML)).status_code == 200


@pytest.mark.parametrize(
    "sent",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
        {"sec-fetch-site": "cross-site", "origin": "http://server.test"},
        {"origin": "https://evil.example"},
        {"origin": "http://server.test.evil.example"},
        {"origin": "null"},
        {},
    ],
    ids=str,
)
@pytest.mark.parametrize(
    "path", ["/inbox/runs", "/inbox/interrupts/{id}", "/inbox/session", "/inbox/session/end"]
)
async def test_no_other_site_can_use_the_session_of_a_person(
    keyed: Any, sent: Any, path: str
) -> None:
    client, _, key = keyed
    asked = await ask(client, **{"x-api-key": key})
    token = await signed_in(client, key)
    posted = {"answer.0": "0", "answer.1": "", "digest": asked["digest"], "assistant": "pay",
              "input": "{}", "credential": key}  # fmt: skip
    reply = await client.post(path.format(id=asked["id"]), data=posted, headers={**HTML, **sent})
    assert reply.status_code == 403, (path, sent)
    assert "set-cookie" not in reply.headers
    row = await client.get(f"/interrupts/{asked['id']}", headers={"x-api-key": key})
    assert row.json()["status"] == "open"
    client.cookies.clear()
    client.cookies.set(COOKIE, token)
    assert (await client.get("/", headers=HTML)).status_code == 200, "somebody else signed them out"


async def test_a_link_changes_nothing(keyed: Any) -> None:
    client, _, key = keyed
    asked = await ask(client, **{"x-api-key": key})
    await signed_in(client, key)
    for path in (
        "/inbox/session/end",
        "/inbox/runs",
        f"/inbox/interrupts/{asked['id']}?answer.0=0",
    ):
        assert (await client.get(path, headers=OURS)).status_code in (200, 405)
    row = await client.get(f"/interrupts/{asked['id']}", headers={"x-api-key": key})
    assert row.json()["status"] == "open"
    assert (await client.get("/", headers=HTML)).status_code == 200


async def test_a_revoked_key_ends_its_sessions(keyed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    client, server, key = keyed
    await signed_in(client, key)
    (record,) = await server.do(FindKeys())
    await server.do(RevokeKey(record.key_id, "2026-11-21T00:00:00+00:00"))
    server.authenticator = KeyAuth(server.database)  # what it remembers for some seconds is gone
    assert (await client.get("/", headers=HTML)).status_code == 401


async def test_the_session_counts_and_not_a_header_that_comes_along(keyed: Any) -> None:
    client, server, key = keyed
    other, record = new_key("other", "eve")
    await server.do(PutKey(record))
    asked = await ask(client, **{"x-api-key": key})
    await signed_in(client, key)
    path = f"/inbox/interrupts/{asked['id']}"
    posted = {**hidden(await opened(client, path)), "answer.0": "0", "answer.1": ""}
    await client.post(path, data=posted, headers={**OURS, "x-api-key": other})
    row = await client.get(f"/interrupts/{asked['id']}", headers={"x-api-key": key})
    assert row.json()["answered_by"] == "ada"
