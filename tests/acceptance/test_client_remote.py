"""`RemoteGraph`: a program on the server behaves like one that runs here, its pauses above all."""

from __future__ import annotations

import asyncio
import operator
from collections.abc import Callable, Iterator
from typing import Annotated, Any, TypedDict
from uuid import uuid4

import pytest

from caesura import errors
from caesura.checkpoint.memory import InMemorySaver
from caesura.client import RunError, SyncClient, get_client, get_sync_client
from caesura.graph import START, StateGraph
from caesura.pregel.remote import RemoteGraph
from caesura.types import Command, StateSnapshot

from .server import Server


class S(TypedDict, total=False):
    topic: str
    draft: str
    decision: Any
    log: Annotated[list[str], operator.add]


@pytest.fixture
def client(server: Server) -> Iterator[SyncClient]:
    with get_sync_client(url=server.url, api_key=None) as made:
        yield made


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as made:
        yield made


@pytest.fixture
def remote(
    server: Server, client: SyncClient, runner: asyncio.Runner
) -> Iterator[Callable[[str], RemoteGraph]]:
    aclient = get_client(url=server.url, api_key=None)
    yield lambda name: RemoteGraph(name, client=aclient, sync_client=client)
    runner.run(aclient.aclose())


def around(node: Any) -> Any:
    """A local program with a node before ``node`` and one after it."""
    builder = StateGraph(S)
    builder.add_node("before", lambda state: {"topic": state["topic"].upper()})
    builder.add_node("remote", node)
    builder.add_node("after", lambda state: {"log": ["after"]})
    builder.add_edge(START, "before")
    builder.add_edge("before", "remote")
    builder.add_edge("remote", "after")
    return builder.compile(checkpointer=InMemorySaver())


def here() -> dict[str, Any]:
    return {"configurable": {"thread_id": str(uuid4())}}


def remote_threads(client: SyncClient, graph: str, topic: str) -> list[Any]:
    """The threads on the server on which ``graph`` was asked about ``topic``."""
    return client.threads.search(metadata={"graph_id": graph}, values={"topic": topic}, limit=100)


class TestOnItsOwn:
    def test_it_is_invoked_pauses_and_is_resumed(self, remote: Any) -> None:
        agent, config = remote("agent"), here()
        [question] = agent.invoke({"topic": "cats"}, config)["__interrupt__"]
        assert question.value == {"question": "approve?", "draft": "draft about cats"}
        done = agent.invoke(Command(resume={question.id: "yes"}), config)
        assert done["log"] == ["draft", "approve", "publish:yes"]

    def test_it_is_streamed_as_a_local_one(self, remote: Any) -> None:
        modes = ["updates", "custom"]
        items = list(remote("agent").stream({"topic": "cats"}, here(), stream_mode=modes))
        assert items[:2] == [
            ("custom", {"progress": "drafting"}),
            ("updates", {"draft": {"draft": "draft about cats", "log": ["draft"]}}),
        ]
        [question] = items[2][1]["__interrupt__"]
        assert question.value["question"] == "approve?"

    def test_a_nested_graph_of_it_has_its_namespace(self, remote: Any) -> None:
        items = list(remote("sub").stream({"topic": "cats"}, here(), subgraphs=True))
        assert [list(payload) for ns, payload in items if ns and ns[0].startswith("child:")] == [
            ["inner_a"], ["__interrupt__"],
        ]  # fmt: skip

    def test_its_state_and_history_can_be_read_and_changed(self, remote: Any) -> None:
        agent, config = remote("agent"), here()
        agent.invoke({"topic": "cats"}, config)
        state = agent.get_state(config)
        assert isinstance(state, StateSnapshot)
        assert (state.next, state.tasks[0].name) == (("approve",), "approve")
        history = list(agent.get_state_history(config))
        assert [s.next for s in history] == [("approve",), ("draft",), ("__start__",)]
        assert agent.get_state(history[1].config).next == ("draft",)
        assert [s.next for s in agent.get_state_history(config, limit=1)] == [("approve",)]
        made = agent.update_state(config, {"topic": "dogs"}, as_node="approve")
        assert agent.get_state(made).next == ("publish",)

    def test_it_can_be_drawn(self, remote: Any) -> None:
        assert "approve --> publish" in remote("agent").get_graph().draw_mermaid()

    def test_its_failure_is_raised(self, remote: Any) -> None:
        with pytest.raises(RunError, match="ValueError: boom at node"):
            remote("err").invoke({})

    def test_it_is_awaited(self, remote: Any, runner: asyncio.Runner) -> None:
        agent, config = remote("agent"), here()

        async def awaited() -> None:
            await agent.ainvoke({"topic": "cats"}, config)
            assert (await agent.aget_state(config)).next == ("approve",)
            items = [i async for i in agent.astream(Command(resume="yes"), config)]
            assert items[-1] == {"publish": {"log": ["publish:yes"]}}
            assert len([s async for s in agent.aget_state_history(config)]) == 5
            made = await agent.aupdate_state(config, {"topic": "dogs"}, as_node="approve")
            assert (await agent.aget_state(made)).next == ("publish",)
            assert "approve" in (await agent.aget_graph()).nodes

        runner.run(awaited())


class TestAsANode:
    @pytest.mark.parametrize("colour", ["sync", "async"])
    def test_a_pause_inside_it_is_a_pause_here(
        self, remote: Any, client: SyncClient, runner: asyncio.Runner, colour: str
    ) -> None:
        program, config, topic = around(remote("agent")), here(), str(uuid4()).upper()

        def run(input: Any) -> Any:
            if colour == "sync":
                return program.invoke(input, config)
            return runner.run(program.ainvoke(input, config))

        [question] = run({"topic": topic})["__interrupt__"]
        [thread] = remote_threads(client, "agent", topic)
        [[asked]] = thread["interrupts"].values()
        assert (question.id, question.value) == (asked["id"], asked["value"])
        assert program.get_state(config).next == ("remote",)
        done = run(Command(resume="yes"))
        assert (done["decision"], done["log"][-1]) == ("yes", "after")
        assert client.threads.get(thread["thread_id"])["status"] == "idle"

    def test_it_is_started_once_however_often_it_pauses(
        self, remote: Any, client: SyncClient
    ) -> None:
        program, config, topic = around(remote("seq2")), here(), str(uuid4()).upper()
        first = program.invoke({"topic": topic}, config)["__interrupt__"]
        second = program.invoke(Command(resume="one"), config)["__interrupt__"]
        assert [i.value for i in (*first, *second)] == ["first?", "second?"]
        done = program.invoke(Command(resume="two"), config)
        assert done["log"] == ["one/two", "after"]
        [thread] = remote_threads(client, "seq2", topic)
        runs = client.runs.list(thread["thread_id"])
        assert [bool(r["kwargs"].get("command")) for r in runs] == [True, True, False]

    def test_an_answer_is_forwarded_by_id(self, remote: Any, client: SyncClient) -> None:
        program, config, topic = around(remote("agent")), here(), str(uuid4()).upper()
        [question] = program.invoke({"topic": topic}, config)["__interrupt__"]
        program.invoke(Command(resume="yes"), config)
        [thread] = remote_threads(client, "agent", topic)
        newest = client.runs.list(thread["thread_id"])[0]
        assert newest["kwargs"]["command"]["resume"] == {question.id: "yes"}

    def test_several_questions_are_answered_here_in_any_order(self, remote: Any) -> None:
        program, config = around(remote("multi")), here()
        first, second = program.invoke({"topic": "t"}, config)["__interrupt__"]
        [left] = program.invoke(Command(resume={second.id: "B"}), config)["__interrupt__"]
        assert left.id == first.id
        done = program.invoke(Command(resume={first.id: "A"}), config)
        assert done["log"] == ["a1=A", "a2=B", "after"]

    def test_a_question_of_a_graph_nested_in_it_comes_through(self, remote: Any) -> None:
        program, config = around(remote("nested")), here()
        [question] = program.invoke({"topic": "t"}, config)["__interrupt__"]
        assert question.value == {"inner": True}
        assert program.invoke(Command(resume="ok"), config)["decision"] == "ok"

    def test_a_wrong_answer_is_refused_here_before_anything_runs(self, remote: Any) -> None:
        program, config = around(remote("typedg")), here()
        [question] = program.invoke({"topic": "t"}, config)["__interrupt__"]
        with pytest.raises(errors.InvalidAnswerError):
            program.invoke(Command(resume={"approve": "perhaps"}), config)
        assert [i.id for i in program.get_state(config).interrupts] == [question.id]
        done = program.invoke(Command(resume={"approve": True}), config)
        assert done["decision"] == {"approve": True}

    def test_two_calls_in_one_node_have_a_thread_each(self, remote: Any) -> None:
        agent = remote("agent")

        def both(state: S) -> S:
            one = agent.invoke({"topic": "a"})["decision"]
            two = agent.invoke({"topic": "b"})["decision"]
            return {"log": [f"{one}/{two}"]}

        program, config = around(both), here()
        [a] = program.invoke({"topic": "t"}, config)["__interrupt__"]
        [b] = program.invoke(Command(resume="first"), config)["__interrupt__"]
        assert [i.value["draft"] for i in (a, b)] == ["draft about a", "draft about b"]
        assert program.invoke(Command(resume="second"), config)["log"] == ["first/second", "after"]

    def test_what_was_done_before_a_crash_here_is_not_done_again(
        self, remote: Any, client: SyncClient
    ) -> None:
        topic, crash = str(uuid4()).upper(), iter([True, False])

        def node(state: S) -> S:
            done = remote("trivial").invoke(state)
            if next(crash):
                raise OSError("the machine went away")
            return {"log": done["log"]}

        program, config = around(node), here()
        with pytest.raises(OSError, match="went away"):
            program.invoke({"topic": topic}, config)
        assert program.invoke(None, config)["log"] == ["one", "after"]
        [thread] = remote_threads(client, "trivial", topic)
        assert len(client.runs.list(thread["thread_id"])) == 1

    def test_its_failure_fails_the_node(self, remote: Any) -> None:
        with pytest.raises(RunError, match="boom at node"):
            around(remote("err")).invoke({"topic": "t"}, here())

    def test_a_breakpoint_inside_it_stops_here_too(self, remote: Any) -> None:
        agent = remote("trivial")

        def node(state: S) -> S:
            return {"log": agent.invoke(state, interrupt_before=["one"])["log"]}

        program, config = around(node), here()
        program.invoke({"topic": "t"}, config)
        assert program.get_state(config).next == ("remote",)
        assert program.invoke(None, config)["log"] == ["one", "after"]

    @pytest.mark.parametrize("colour", ["sync", "async"])
    def test_its_events_are_events_of_a_nested_graph(
        self, remote: Any, runner: asyncio.Runner, colour: str
    ) -> None:
        program = around(remote("sub"))
        how: Any = {"stream_mode": "updates", "subgraphs": True}

        async def collected() -> list[Any]:
            return [item async for item in program.astream({"topic": "t"}, here(), **how)]

        if colour == "sync":
            items = list(program.stream({"topic": "t"}, here(), **how))
        else:
            items = runner.run(collected())
        shown = [(tuple(part.split(":")[0] for part in ns), *payload) for ns, payload in items]
        assert shown == [
            ((), "before"),
            (("remote",), "first"),
            (("remote", "child"), "inner_a"),
            (("remote", "child"), "__interrupt__"),
            (("remote",), "__interrupt__"),
            ((), "__interrupt__"),
        ]

    def test_nothing_of_it_is_shown_if_nested_graphs_are_not(self, remote: Any) -> None:
        items = list(around(remote("sub")).stream({"topic": "t"}, here(), stream_mode="updates"))
        assert [list(item) for item in items] == [["before"], ["__interrupt__"]]

    def test_a_thread_that_is_named_is_used_again(self, remote: Any, client: SyncClient) -> None:
        thread = str(uuid4())
        named = remote("trivial").with_config({"configurable": {"thread_id": thread}})
        for _ in range(2):
            around(named).invoke({"topic": "t"}, here())
        assert client.threads.get_state(thread)["values"]["log"] == ["one", "one"]
