"""Our own client against the server: every resource, sync and async.

Each test runs with both clients; `Blocking` makes the async one callable without ``await``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from caesura import errors as library
from caesura.client import (
    ConflictError,
    NotFoundError,
    PreconditionFailedError,
    RunError,
    UnprocessableEntityError,
    get_client,
    get_sync_client,
)

from .server import Server


class Blocking:
    """An async object whose methods return instead of being awaited."""

    def __init__(self, inner: Any, runner: asyncio.Runner) -> None:
        self._inner, self._runner = inner, runner

    def __getattr__(self, name: str) -> Any:
        return Blocking(getattr(self._inner, name), self._runner)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        made = self._inner(*args, **kwargs)
        return self._each(made) if hasattr(made, "__anext__") else self._runner.run(made)

    def _each(self, items: Any) -> Iterator[Any]:
        try:
            while True:
                try:
                    yield self._runner.run(anext(items))
                except StopAsyncIteration:
                    return
        finally:
            self._runner.run(items.aclose())


@pytest.fixture(params=["sync", "async"])
def client(request: pytest.FixtureRequest, server: Server) -> Iterator[Any]:
    if request.param == "sync":
        with get_sync_client(url=server.url, api_key=None) as sync_client:
            yield sync_client
        return
    with asyncio.Runner() as runner:
        made = get_client(url=server.url, api_key=None)
        yield Blocking(made, runner)
        runner.run(made.aclose())


@pytest.fixture
def thread(client: Any) -> str:
    return str(client.threads.create()["thread_id"])


def paused(client: Any, thread: str, graph: str = "agent") -> list[dict[str, Any]]:
    output = client.runs.wait(thread, graph, input={"topic": "cats"})
    return list(output["__interrupt__"])


class TestAssistants:
    def test_each_graph_has_one(self, client: Any) -> None:
        [found] = client.assistants.search(graph_id="agent", metadata={"created_by": "system"})
        assert found["name"] == "agent"
        assert client.assistants.get(found["assistant_id"]) == found
        page = client.assistants.search(limit=1, response_format="object")
        assert (len(page["assistants"]), page["next"]) == (1, "1")

    def test_it_is_made_changed_rolled_back_and_deleted(self, client: Any) -> None:
        made = client.assistants.create("agent", metadata={"v": 1}, name="mine")
        id = made["assistant_id"]
        assert client.assistants.update(id, name="yours")["version"] == 2
        assert client.assistants.set_latest(id, 1)["name"] == "mine"
        assert [v["version"] for v in client.assistants.get_versions(id)] == [2, 1]
        assert client.assistants.count(name="mine") == 1
        with pytest.raises(ConflictError):
            client.assistants.create("agent", assistant_id=id)
        client.assistants.delete(id)
        with pytest.raises(NotFoundError):
            client.assistants.get(id)

    def test_its_graph_can_be_looked_at(self, client: Any) -> None:
        [sub] = client.assistants.search(graph_id="sub")
        shown = client.assistants.get_graph(sub["assistant_id"], xray=True)
        assert "child:inner_ask" in [node["id"] for node in shown["nodes"]]
        schemas = client.assistants.get_schemas(sub["assistant_id"])
        assert "topic" in schemas["state_schema"]["properties"]
        assert "child" in client.assistants.get_subgraphs(sub["assistant_id"])


class TestThreads:
    def test_it_is_made_found_changed_copied_and_deleted(self, client: Any) -> None:
        mark = {"mark": str(uuid4())}
        id = client.threads.create(metadata=mark, graph_id="agent")["thread_id"]
        assert client.threads.get(id)["metadata"] == {**mark, "graph_id": "agent"}
        assert client.threads.update(id, metadata={"more": 1}, return_minimal=True) is None
        [found] = client.threads.search(metadata=mark, select=["thread_id", "metadata"])
        assert found == {"thread_id": id, "metadata": {**mark, "graph_id": "agent", "more": 1}}
        assert client.threads.count(metadata=mark) == 1
        client.threads.update_state(id, {"topic": "dogs"}, as_node="draft")
        assert client.threads.get_state(id)["next"] == ["approve"]
        copy = client.threads.copy(id)["thread_id"]
        assert client.threads.get_state(copy)["values"]["topic"] == "dogs"
        assert client.threads.prune([copy]) == {"pruned_count": 1}
        client.threads.delete(id)
        with pytest.raises(NotFoundError):
            client.threads.get(id)

    def test_its_states_can_be_read_at_any_checkpoint(self, client: Any, thread: str) -> None:
        paused(client, thread)
        newest, before = client.threads.get_history(thread, limit=2)
        assert (newest["next"], before["next"]) == (["approve"], ["draft"])
        assert client.threads.get_state(thread, before["checkpoint"])["next"] == ["draft"]
        id = before["checkpoint"]["checkpoint_id"]
        assert client.threads.get_state(thread, checkpoint_id=id)["next"] == ["draft"]

    def test_what_happens_on_it_can_be_followed(self, client: Any, thread: str) -> None:
        run = client.runs.create(thread, "trivial", input={}, stream_resumable=True)
        client.runs.join(thread, run["run_id"])
        events = client.threads.join_stream(thread, last_event_id="0-0")
        told = next(events)
        assert (told.event, told.data["run_id"]) == ("metadata", run["run_id"])
        events.close()


class TestRuns:
    def test_a_run_pauses_and_goes_on_with_the_answer(self, client: Any, thread: str) -> None:
        seen: list[Any] = []
        output = client.runs.wait(
            thread, "agent", input={"topic": "cats"}, on_run_created=seen.append
        )
        [question] = output["__interrupt__"]
        assert question["value"] == {"question": "approve?", "draft": "draft about cats"}
        assert [run["thread_id"] for run in seen] == [thread]
        done = client.runs.wait(thread, "agent", command={"resume": {question["id"]: "yes"}})
        assert done["log"] == ["draft", "approve", "publish:yes"]

    def test_its_events_are_streamed(self, client: Any, thread: str) -> None:
        how = {"input": {"topic": "cats"}, "stream_mode": ["updates", "custom"]}
        events = [part.event for part in client.runs.stream(thread, "agent", **how)]
        assert [e for e in events if e != "end"] == ["metadata", "custom", "updates", "updates"]

    def test_under_v2_the_interrupts_stand_apart(self, client: Any, thread: str) -> None:
        parts = list(client.runs.stream(thread, "agent", input={"topic": "cats"}, version="v2"))
        assert parts[-1]["type"] == "values"
        assert parts[-1]["interrupts"][0]["value"]["question"] == "approve?"
        assert "__interrupt__" not in parts[-1]["data"]

    def test_a_failed_run_is_an_error_unless_that_is_turned_off(
        self, client: Any, thread: str
    ) -> None:
        with pytest.raises(RunError, match="ValueError: boom at node"):
            client.runs.wait(thread, "err", input={})
        failed = client.runs.wait(None, "err", input={}, raise_error=False)
        assert failed["__error__"]["error"] == "ValueError"

    def test_a_run_in_the_background_can_be_joined(self, client: Any, thread: str) -> None:
        run = client.runs.create(
            thread, "slow", input={"seconds": 0.3}, stream_mode="custom", stream_resumable=True
        )
        parts = list(client.runs.join_stream(thread, run["run_id"], last_event_id="0"))
        assert [p.data for p in parts if p.event == "custom"] == [{"tick": n} for n in range(3)]
        assert client.runs.join(thread, run["run_id"])["ticks"] == [3, -1]
        assert client.runs.get(thread, run["run_id"])["status"] == "success"
        assert [r["run_id"] for r in client.runs.list(thread)] == [run["run_id"]]

    def test_a_run_can_be_stopped_and_deleted(self, client: Any, thread: str) -> None:
        run = client.runs.create(thread, "slow", input={"seconds": 60})["run_id"]
        client.runs.cancel(thread, run, wait=True)
        assert client.runs.get(thread, run)["status"] == "interrupted"
        client.runs.delete(thread, run)
        with pytest.raises(NotFoundError):
            client.runs.get(thread, run)

    def test_several_can_be_started_and_stopped_at_once(self, client: Any, thread: str) -> None:
        made = client.runs.create_batch([{"assistant_id": "trivial", "input": {}}] * 2)
        assert len({run["run_id"] for run in made}) == 2
        run = client.runs.create(thread, "slow", input={"seconds": 60})["run_id"]
        client.runs.cancel_many(thread_id=thread, run_ids=[run])
        client.runs.join(thread, run)
        assert client.runs.get(thread, run)["status"] == "interrupted"

    def test_a_busy_thread_may_be_left_alone(self, client: Any, thread: str) -> None:
        run = client.runs.create(thread, "slow", input={"seconds": 60})["run_id"]
        with pytest.raises(ConflictError):
            client.runs.create(thread, "slow", input={}, multitask_strategy="reject")
        client.runs.cancel(thread, run, wait=True)

    def test_a_misspelt_graph_is_refused(self, client: Any, thread: str) -> None:
        with pytest.raises(UnprocessableEntityError):
            client.runs.create(thread, "agnet", input={})

    def test_the_same_key_starts_one_run(self, client: Any, thread: str) -> None:
        headers = {"Idempotency-Key": str(uuid4())}
        runs = [client.runs.create(thread, "trivial", input={}, headers=headers) for _ in range(2)]
        assert runs[0]["run_id"] == runs[1]["run_id"]
        assert len(client.runs.list(thread)) == 1


class TestCronsAndStore:
    def test_a_cron_is_made_changed_found_and_deleted(self, client: Any, thread: str) -> None:
        made = client.crons.create_for_thread(thread, "trivial", schedule="0 0 1 1 *", input={})
        assert client.crons.update(made["cron_id"], enabled=False)["enabled"] is False
        [found] = client.crons.search(thread_id=thread)
        assert found["cron_id"] == made["cron_id"]
        client.crons.delete(made["cron_id"])
        assert client.crons.count(thread_id=thread) == 0

    def test_values_are_kept_found_and_deleted(self, client: Any) -> None:
        space = ["client", str(uuid4())]
        client.store.put_item(space, "k", {"v": 1})
        assert client.store.get_item(space, "k")["value"] == {"v": 1}
        [found] = client.store.search_items(space, filter={"v": 1})["items"]
        assert found["key"] == "k"
        assert client.store.list_namespaces(prefix=space) == {"namespaces": [space]}
        client.store.delete_item(space, "k")
        assert client.store.get_item(space, "k") is None


class TestInterrupts:
    def test_what_waits_is_listed_and_answered(self, client: Any, thread: str) -> None:
        [question] = paused(client, thread)
        [listed] = client.interrupts.list(thread_id=thread)
        assert (listed["id"], listed["status"]) == (question["id"], "open")
        accepted = client.interrupts.answer(question["id"], "yes", reason="fine by me")
        assert accepted["interrupt"]["status"] == "answered"
        assert client.runs.join(thread, accepted["run_id"])["decision"] == "yes"
        assert client.interrupts.list(thread_id=thread) == []
        assert client.interrupts.get(question["id"])["answer"] == "yes"

    def test_the_second_answer_is_told_the_first(self, client: Any, thread: str) -> None:
        [question] = paused(client, thread)
        client.interrupts.answer(question["id"], "yes")
        with pytest.raises(library.AlreadyAnsweredError) as caught:
            client.interrupts.answer(question["id"], "no")
        assert isinstance(caught.value, ConflictError)
        assert caught.value.answer == "yes"

    def test_the_same_key_returns_the_first_outcome(self, client: Any, thread: str) -> None:
        [question] = paused(client, thread)
        key = str(uuid4())
        first, second = (
            client.interrupts.answer(question["id"], "yes", idempotency_key=key) for _ in range(2)
        )
        assert first["run_id"] == second["run_id"]

    def test_a_wrong_answer_is_refused_and_the_question_stays(
        self, client: Any, thread: str
    ) -> None:
        [question] = paused(client, thread, "typedg")
        with pytest.raises(library.InvalidAnswerError) as caught:
            client.interrupts.answer(question["id"], {"approve": "perhaps"})
        assert [e["pointer"] for e in caught.value.errors] == ["/approve"]
        assert [i["id"] for i in client.interrupts.list(thread_id=thread)] == [question["id"]]

    def test_an_answer_to_what_was_not_seen_is_refused(self, client: Any, thread: str) -> None:
        [question] = paused(client, thread)
        with pytest.raises(PreconditionFailedError):
            client.interrupts.answer(question["id"], "yes", if_match="something else")
        seen = client.interrupts.get(question["id"])["digest"]
        client.interrupts.answer(question["id"], "yes", if_match=seen)

    def test_several_are_answered_in_one_go(self, client: Any, thread: str) -> None:
        first, second = paused(client, thread, "multi")
        done = client.interrupts.answer_many(
            [
                {"interrupt_id": first["id"], "answer": "A"},
                {"interrupt_id": "0" * 32, "answer": "nobody asked"},
                {"interrupt_id": second["id"], "answer": "B"},
            ]
        )
        assert [result["status"] for result in done] == [200, 404, 200]
        states = {
            i["id"]: i["status"] for i in client.interrupts.list(thread_id=thread, status="all")
        }
        assert states == {first["id"]: "answered", second["id"]: "answered"}

    def test_a_resume_that_does_not_fit_is_what_it_is_locally(
        self, client: Any, thread: str
    ) -> None:
        first, second = paused(client, thread, "multi")
        with pytest.raises(library.AmbiguousResumeError) as caught:
            client.runs.wait(thread, "multi", command={"resume": "bare"})
        assert {i.id for i in caught.value.open_interrupts} == {first["id"], second["id"]}
        with pytest.raises(library.UnknownInterruptError):
            client.runs.wait(thread, "multi", command={"resume": {"0" * 32: "x"}})


async def test_what_happens_to_interrupts_can_be_followed(server: Server) -> None:
    async with get_client(url=server.url, api_key=None) as client, asyncio.timeout(20):
        told = asyncio.create_task(anext(aiter(client.interrupts.stream())))
        while not told.done():  # the first few may have been asked before the stream was open
            await client.runs.wait(None, "agent", input={"topic": "cats"}, on_completion="keep")
        assert (await told).event == "asked"
