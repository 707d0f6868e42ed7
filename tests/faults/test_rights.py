"""A user whom Postgres does not let do everything: told which right is missing, and nothing half stored.

The users are roles of the tests' Postgres, made for a test; who may make none takes the bundled server.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest
from psycopg import sql
from tests.databases import bundled_url, fresh_schema, postgres_url

from caesura.checkpoint.postgres import PostgresSaver
from caesura.errors import StorageError
from caesura.testing.faults import FailingSaver

from .programs import CASES, CONFIG, Witness
from .server_process import served
from .test_hostile_surroundings import through

RIGHTS = ("SELECT", "INSERT", "UPDATE", "DELETE")
TABLES = ("thread_checkpoints", "thread_writes", "thread_interrupts")
WHAT_TO_DO = "grant it USAGE on the schema and SELECT, INSERT, UPDATE and DELETE on its tables"
_numbers = itertools.count()


@dataclass
class Limited:
    """A user, a schema, and the connection of somebody who may do anything with both."""

    owner: psycopg.Connection[Any]
    schema: str
    role: str
    server: str

    @property
    def url(self) -> str:
        """The database, as the user."""
        options = f"options=-c%20role%3D{self.role}"
        return f"{self.owned}&{options}"

    @property
    def owned(self) -> str:
        """The database, as its owner."""
        return f"{self.server}{'&' if '?' in self.server else '?'}schema={self.schema}"

    def grant(self, *rights: str) -> None:
        """Let the user into the schema, and use these rights on its tables; others are taken."""
        schema, role = sql.Identifier(self.schema), sql.Identifier(self.role)
        self._do("GRANT USAGE ON SCHEMA {} TO {}", schema, role)
        self._do("REVOKE ALL ON ALL TABLES IN SCHEMA {} FROM {}", schema, role)
        for right in rights:
            self._do(f"GRANT {right} ON ALL TABLES IN SCHEMA {{}} TO {{}}", schema, role)

    def _do(self, statement: Any, *parts: Any) -> None:
        self.owner.execute(sql.SQL(statement).format(*parts))

    def stored(self) -> list[Any]:
        """Everything in the tables of threads."""
        found: list[Any] = []
        for table in TABLES:
            named = sql.Identifier(self.schema, table)
            query = sql.SQL("SELECT * FROM {} AS t ORDER BY t::text").format(named)
            found += self.owner.execute(query).fetchall()
        return found


def _server() -> str:
    """A server whose user may make roles."""
    question = "SELECT rolsuper FROM pg_roles WHERE rolname = current_user"
    with psycopg.connect(postgres_url()) as connection:
        may = connection.execute(question).fetchone()
    return postgres_url() if may == (True,) else bundled_url()


@contextmanager
def limited_user() -> Iterator[Limited]:
    server = _server()
    role = f"test_{os.getpid()}_{next(_numbers)}_{uuid4().hex[:8]}"
    with psycopg.connect(server, autocommit=True) as owner:
        owner.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(role)))
        try:
            with fresh_schema(server) as schema:
                yield Limited(owner, schema, role, server)
        finally:
            owner.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(role)))
            owner.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


@pytest.fixture
def user() -> Iterator[Limited]:
    with limited_user() as found:
        yield found


def set_up(user: Limited) -> None:
    with closing(PostgresSaver(user.owned)) as saver:
        saver.setup()


# --- the library ---------------------------------------------------------------------------------


def test_who_may_not_make_a_schema_is_told_and_makes_nothing(user: Limited) -> None:
    with (
        closing(PostgresSaver(user.url)) as saver,
        pytest.raises(StorageError, match=r"CREATE to make .*Nothing was changed"),
    ):
        saver.setup()
    question = "SELECT count(*) FROM pg_namespace WHERE nspname = %s"
    assert user.owner.execute(question, (user.schema,)).fetchone() == (0,)


def test_who_may_not_make_tables_is_told_and_makes_none(user: Limited) -> None:
    names = sql.Identifier(user.schema), sql.Identifier(user.role)
    user.owner.execute(sql.SQL("CREATE SCHEMA {}").format(names[0]))
    user.owner.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(*names))
    with closing(PostgresSaver(user.url)) as saver:
        with pytest.raises(StorageError, match=r"CREATE to make .*Nothing was changed"):
            saver.setup()
        question = "SELECT count(*) FROM pg_tables WHERE schemaname = %s"
        assert user.owner.execute(question, (user.schema,)).fetchone() == (0,)
        user.owner.execute(sql.SQL("GRANT CREATE ON SCHEMA {} TO {}").format(*names))
        saver.setup()


@pytest.mark.parametrize("missing", ["SELECT", "INSERT", "UPDATE"])
@pytest.mark.parametrize("program", list(CASES))
def test_a_run_whose_user_lacks_a_right_is_told_and_goes_on_once_it_is_granted(
    program: str, missing: str, user: Limited
) -> None:
    set_up(user)
    user.grant(*(right for right in RIGHTS if right != missing))
    case, told = CASES[program], []

    def granted(error: StorageError) -> None:
        told.append(str(error))
        user.grant(*RIGHTS)

    with closing(PostgresSaver(user.url)) as postgres:
        saver = FailingSaver(postgres)
        witness = Witness([saver.performed])
        assert through(case, case.make_sync(witness, saver), granted) == case.result
    assert witness.repeated == []
    [message] = told
    assert WHAT_TO_DO in message
    assert "permission denied for table" in message
    assert "Nothing was changed" in message


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("right", ["INSERT", "UPDATE", "DELETE"])
def test_an_operation_that_lacks_a_right_on_one_table_changes_no_other(
    right: str, table: str, user: Limited
) -> None:
    """All that can be done to a thread that waits: each is done, or leaves everything as it was."""
    set_up(user)
    with closing(PostgresSaver(user.owned)) as owner, closing(PostgresSaver(user.url)) as saver:
        case = CASES["graph"]
        case.make_sync(Witness([]), owner).invoke(case.input, CONFIG)
        user.grant(*RIGHTS)
        names = sql.Identifier(user.schema, table), sql.Identifier(user.role)
        user.owner.execute(sql.SQL(f"REVOKE {right} ON {{}} FROM {{}}").format(*names))
        thread_id = CONFIG["configurable"]["thread_id"]
        refused = 0
        for deed in (
            lambda: saver.copy_thread(thread_id, "copy"),
            lambda: saver.prune([thread_id]),
            lambda: saver.delete_thread(thread_id),
        ):
            before = user.stored()
            refusal = refused_with(deed)
            if refusal is not None:
                assert WHAT_TO_DO in refusal
                assert user.stored() == before
                refused += 1
        assert refused >= (right != "UPDATE" or table == "thread_checkpoints")


def refused_with(deed: Callable[[], None]) -> str | None:
    try:
        deed()
    except StorageError as error:
        return str(error)
    return None


# --- the command line and the server -------------------------------------------------------------


def test_the_command_line_tells_a_missing_right_without_a_traceback(user: Limited) -> None:
    command = [sys.executable, "-m", "caesura", "keys", "list", "--database", user.url]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "CREATE to make or upgrade them" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stdout + done.stderr


def end_of_server(folder: Path, database: str) -> str:
    """What a server wrote that ended before it answered."""
    with (
        pytest.raises(AssertionError, match="the server ended") as ended,
        served(folder, environment={"DATABASE_URI": database}),
    ):
        pass
    return str(ended.value)


def test_a_server_whose_user_may_not_make_tables_says_so_and_ends(
    user: Limited, tmp_path: Path
) -> None:
    said = end_of_server(tmp_path / "project", user.url)
    assert "CREATE to make or upgrade them" in said
    assert "Traceback" not in said


def test_a_server_that_loses_its_rights_refuses_in_its_form_and_goes_on_with_them(
    user: Limited, tmp_path: Path
) -> None:
    with served(tmp_path / "first", environment={"DATABASE_URI": user.owned}):
        pass
    user.grant(*RIGHTS)
    environment = {"DATABASE_URI": user.url}
    asks = {"assistant_id": "asking", "input": {"job": "x", "asks": 1}}
    with served(tmp_path / "project", environment=environment) as server, server.client() as client:
        thread = client.post("/threads", json={}).json()["thread_id"]
        asked = client.post(f"/threads/{thread}/runs/wait", json=asks).json()["__interrupt__"]
        user.grant("SELECT")
        answer = {"answer": "yes"}
        path = f"/interrupts/{asked[0]['id']}/answer"
        for refused in (
            client.post("/threads", json={}),
            client.post(f"/threads/{thread}/runs", json=asks),
            client.post(path, json=answer),
            client.delete(f"/threads/{thread}"),
        ):
            check_refused(refused, WHAT_TO_DO)
        assert client.get(f"/threads/{thread}").json()["status"] == "interrupted"
        user.grant(*RIGHTS)
        assert client.post(path, json=answer).status_code == 200
        joined = client.get(f"/threads/{thread}/state").json()
        assert "Traceback" not in server.log
        assert joined["values"]["job"] == "x"


def test_a_server_on_a_database_that_may_only_be_read_says_so_and_ends(
    user: Limited, tmp_path: Path
) -> None:
    set_up(user)
    options = "options=-c%20default_transaction_read_only%3Don"
    said = end_of_server(tmp_path / "project", f"{user.owned}&{options}")
    assert "is read-only" in said
    assert "Traceback" not in said


def check_refused(reply: httpx.Response, text: str) -> None:
    """The form of every error of ours, as a thing that may go well later."""
    assert reply.status_code == 503, reply.text
    body = reply.json()
    assert text in body["detail"]
    assert body["code"] == StorageError.code
    assert "Traceback" not in reply.text
