"""A search that takes long holds up nobody but whoever asked for it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.unit.serving import Served, served

from caesura.checkpoint.sqlite import SqliteSaver
from caesura.errors import StorageError
from caesura.records.operations import CountThreads
from caesura.server.reading import Searches
from caesura.storage.parts import register
from caesura.storage.records import PART

PATIENCE = 20.0


class Held:
    """SQL statements that wait, in the middle, until they are let go on."""

    def __init__(self) -> None:
        self.begun, self.released = threading.Event(), threading.Event()

    def step(self) -> int:
        self.begun.set()
        return 0 if self.released.wait(PATIENCE) else 1


@contextmanager
def searches_held(api: Served) -> Iterator[Held]:
    """All searches stop inside of SQLite."""
    held = Held()
    connections = [saver.conn for saver in api.server.searches.savers]
    connections.append(api.server.store._searcher.conn)
    for connection in connections:
        connection.set_progress_handler(held.step, 1)
    try:
        yield held
    finally:
        held.released.set()  # the handlers stay: to take one from a statement that runs is to wait for it


SEARCHES: dict[str, Any] = {
    "/threads/search": {"metadata": {"a": 1}},
    "/threads/count": {"metadata": {"a": 1}},
    "/assistants/search": {"name": "a"},
    "/assistants/count": {"name": "a"},
    "/runs/crons/search": {"metadata": {"a": 1}},
    "/runs/crons/count": {"metadata": {"a": 1}},
    "/store/items/search": {"namespace_prefix": ["a"], "filter": {"a": 1}},
    "/store/namespaces": {},
    "/interrupts": None,
}


@pytest.mark.parametrize("path", SEARCHES)
async def test_while_a_search_goes_on_requests_are_answered_and_runs_run(
    tmp_path: Path, path: str
) -> None:
    async with served(tmp_path) as api, asyncio.timeout(PATIENCE):
        with searches_held(api) as held:
            body = SEARCHES[path]
            method = "GET" if body is None else "POST"
            searching = asyncio.create_task(api(method, path, body))
            await asyncio.to_thread(held.begun.wait, PATIENCE)
            assert await api.json("GET", "/ok?check_db=1")
            run = {"assistant_id": "agent", "input": {"topic": "x"}}
            assert await api.json("POST", "/runs/wait", run) == {"topic": "x", "log": ["one"]}
            item = {"namespace": ["a"], "key": "k", "value": {"a": 1}}
            await api.json("PUT", "/store/items", item, status=204)
            assert not searching.done(), "the search was not the one that is held"
            held.released.set()
        assert (await searching).status_code == 200


async def test_what_was_just_written_is_found(tmp_path: Path) -> None:
    async with served(tmp_path) as api:
        for number in range(20):
            mark = {"number": number}
            made = await api.json("POST", "/threads", {"metadata": mark})
            (found,) = await api.json("POST", "/threads/search", {"metadata": mark})
            assert found["thread_id"] == made["thread_id"]
            await api.json("DELETE", f"/threads/{made['thread_id']}", status=204)
            assert await api.json("POST", "/threads/search", {"metadata": mark}) == []


@pytest.mark.parametrize("body", [{"limit": 30}, {"limit": 30, "values": {"topic": "x"}}])
async def test_a_search_that_reads_many_values_lets_others_take_turns(
    tmp_path: Path, body: Any
) -> None:
    async with served(tmp_path) as api:
        for _ in range(30):
            thread = await api.json("POST", "/threads", {})
            run = {"assistant_id": "agent", "input": {"topic": "x"}}
            await api.json("POST", f"/threads/{thread['thread_id']}/runs/wait", run)
        turns = 0
        read = api.server.threads.snapshot
        between: list[int] = []

        async def noted(*args: Any) -> Any:
            between.append(turns)
            return await read(*args)

        api.server.threads.snapshot = noted  # type: ignore[method-assign]
        searching = asyncio.create_task(api.json("POST", "/threads/search", body))
        while not searching.done():
            await asyncio.sleep(0)
            turns += 1
        assert len(await searching) == 30
        assert between == sorted(set(between)), "two were read without a turn for others"


class Endless:
    """A search that never ends."""


def _endless(dialect: Any, codec: Any, op: Endless) -> Any:
    numbers = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n)"
    return (yield f"{numbers} SELECT count(*) FROM n", ())


register(PART, {Endless: _endless})


async def test_a_search_that_goes_on_as_the_server_stops_is_broken_off(tmp_path: Path) -> None:
    with SqliteSaver.from_conn_string(str(tmp_path / "data.sqlite")) as saver:
        searches, begun = Searches(saver), threading.Event()
        for each in searches.savers:
            each.execute(CountThreads())
            each.conn.set_progress_handler(begun.set, 1)
        searching = asyncio.create_task(searches.perform(Endless()))
        await asyncio.to_thread(begun.wait, PATIENCE)
        closing = asyncio.create_task(asyncio.to_thread(searches.close))
        done, _ = await asyncio.wait({closing}, timeout=PATIENCE)
        for each in searches.savers if not done else ():
            each.conn.interrupt()
        assert done, "the server waits for a search that never ends"
        with pytest.raises(StorageError):
            await searching
