"""A saver that knows only LangGraph's interface carries pauses, answers and nested graphs."""

from __future__ import annotations

import copy
import operator
from collections.abc import Iterator
from typing import Annotated, Any, TypedDict

import pytest

from caesura.checkpoint.base import BaseCheckpointSaver, CheckpointTuple
from caesura.checkpoint.memory import InMemorySaver
from caesura.errors import AlreadyAnsweredError, NodeError, NothingToResumeError, StorageError
from caesura.func import entrypoint, task
from caesura.graph import START, StateGraph
from caesura.types import Command, interrupt, interrupts


class State(TypedDict):
    log: Annotated[list[str], operator.add]


class ForeignSaver(BaseCheckpointSaver[Any]):
    """What a third party writes: put, put_writes, get_tuple, list; bytes in a dict."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: dict[tuple[str, str], dict[str, Any]] = {}
        self.writes: dict[tuple[str, str, str], dict[tuple[str, int], Any]] = {}

    def get_tuple(self, config: Any) -> CheckpointTuple | None:
        where = config["configurable"]
        thread, ns = where["thread_id"], where.get("checkpoint_ns", "")
        steps = self.steps.get((thread, ns), {})
        id = where.get("checkpoint_id") or max(steps, default=None)
        return self._tuple(thread, ns, id) if id in steps else None

    def _tuple(self, thread: str, ns: str, id: Any) -> CheckpointTuple:
        stored, metadata, parent = self.steps[thread, ns][id]
        writes = sorted(
            self.writes.get((thread, ns, id), {}).items(), key=lambda w: (w[1][3], w[0])
        )

        def config(at: str) -> Any:
            return {"configurable": {"thread_id": thread, "checkpoint_ns": ns, "checkpoint_id": at}}

        return CheckpointTuple(
            config(id),
            self.serde.loads_typed(stored),
            self.serde.loads_typed(metadata),
            config(parent) if parent else None,
            [(t, c, self.serde.loads_typed(v)) for _, (t, c, v, _) in writes],
        )

    def list(self, config: Any, **how: Any) -> Iterator[CheckpointTuple]:
        where = config["configurable"]
        key = where["thread_id"], where.get("checkpoint_ns", "")
        before = ((how.get("before") or {}).get("configurable") or {}).get("checkpoint_id")
        found = 0
        for id in sorted(self.steps.get(key, {}), reverse=True):
            item = self._tuple(*key, id)
            wanted = (how.get("filter") or {}).items()
            if (before and id >= before) or any(item.metadata.get(k) != v for k, v in wanted):
                continue
            if how.get("limit") is not None and found >= how["limit"]:
                return
            found += 1
            yield item

    def put(self, config: Any, checkpoint: Any, metadata: Any, new_versions: Any) -> Any:
        where = config["configurable"]
        key = where["thread_id"], where.get("checkpoint_ns", "")
        self.steps.setdefault(key, {})[checkpoint["id"]] = (
            self.serde.dumps_typed(copy.copy(checkpoint)),
            self.serde.dumps_typed(metadata),
            where.get("checkpoint_id"),
        )
        return {"configurable": {**where, "checkpoint_id": checkpoint["id"]}}

    def put_writes(self, config: Any, writes: Any, task_id: str, task_path: str = "") -> None:
        where = config["configurable"]
        key = where["thread_id"], where.get("checkpoint_ns", ""), where["checkpoint_id"]
        kept = self.writes.setdefault(key, {})
        special = {"__error__": -1, "__scheduled__": -2, "__interrupt__": -3, "__resume__": -4}
        for index, (channel, value) in enumerate(writes):
            at = task_id, special.get(channel, index)
            if at[1] >= 0 and at in kept:
                continue
            kept[at] = (task_id, channel, self.serde.dumps_typed(value), task_path)

    async def aget_tuple(self, config: Any) -> CheckpointTuple | None:
        return self.get_tuple(config)

    async def alist(self, config: Any, **how: Any) -> Any:
        for item in self.list(config, **how):
            yield item

    async def aput(self, *given: Any) -> Any:
        return self.put(*given)

    async def aput_writes(self, *given: Any) -> None:
        self.put_writes(*given)


CFG: Any = {"configurable": {"thread_id": "1"}}


def test_a_pause_and_its_answer_survive_in_a_foreign_saver() -> None:
    """The state shows the interrupt; a second graph object over the saver takes the answer."""
    saver, ran = ForeignSaver(), []

    def build() -> Any:
        def ask(state: State) -> Any:
            ran.append("ask")
            return {"log": [interrupt("?")]}

        def ok(state: State) -> Any:
            ran.append("ok")
            return {"log": ["ok"]}

        graph = StateGraph(State).add_node("ask", ask).add_node("ok", ok)
        return graph.add_edge(START, "ask").add_edge(START, "ok").compile(checkpointer=saver)

    paused = build().invoke({"log": ["in"]}, CFG)
    assert [i.value for i in paused["__interrupt__"]] == ["?"]
    assert build().get_state(CFG).interrupts == tuple(paused["__interrupt__"])
    assert build().invoke(None, CFG)["__interrupt__"] == paused["__interrupt__"]
    id = paused["__interrupt__"][0].id
    assert build().invoke(Command(resume={id: "yes"}), CFG) == {"log": ["in", "yes", "ok"]}
    assert sorted(ran) == ["ask", "ask", "ok"]
    with pytest.raises(NothingToResumeError):
        build().invoke(Command(resume="again"), CFG)


def test_a_nested_question_is_answered_through_a_foreign_saver() -> None:
    """Two levels down, several questions at once, answered in the reverse order."""
    saver = ForeignSaver()

    def ask(state: State) -> Any:
        return {"log": interrupts(["a", "b"])}

    inner = StateGraph(State).add_node("ask", ask).add_edge(START, "ask").compile()
    outer = StateGraph(State).add_node("sub", inner).add_edge(START, "sub")
    graph = outer.compile(checkpointer=saver)
    first, second = graph.invoke({"log": []}, CFG)["__interrupt__"]
    left = graph.invoke(Command(resume={second.id: "B"}), CFG)["__interrupt__"]
    assert [i.id for i in left] == [first.id]
    with pytest.raises(AlreadyAnsweredError):
        graph.invoke(Command(resume={second.id: "B again"}), CFG)
    assert graph.invoke(Command(resume={first.id: "A"}), CFG) == {"log": ["A", "B"]}


async def test_finished_tasks_are_not_repeated_with_a_foreign_saver() -> None:
    """An entrypoint's stored task results are found again, async as well."""
    ran = []

    @task
    async def work(n: int) -> int:
        ran.append(n)
        return n * 10

    @entrypoint(checkpointer=ForeignSaver())
    async def flow(n: int) -> Any:
        done = [await work(i) for i in range(n)]
        return [*done, interrupt("?")]

    await flow.ainvoke(2, CFG)
    assert await flow.ainvoke(Command(resume="x"), CFG) == [0, 10, "x"]
    assert ran == [0, 1]


def test_history_and_forks_work_with_a_foreign_saver() -> None:
    """Time travel needs `list` and `put` only."""

    def node(state: State) -> Any:
        return {"log": [f"n{len(state['log'])}"]}

    graph = StateGraph(State).add_node("n", node).add_edge(START, "n")
    compiled = graph.compile(checkpointer=ForeignSaver())
    compiled.invoke({"log": []}, CFG)
    history = list(compiled.get_state_history(CFG))
    assert [s.metadata["step"] for s in history] == [1, 0, -1]
    assert compiled.invoke(None, history[1].config) == {"log": ["n0"]}
    assert [s.metadata["source"] for s in compiled.get_state_history(CFG)][:2] == ["loop", "fork"]


def test_a_failure_is_handed_over_once_and_its_handler_asks() -> None:
    runs: list[str] = []

    def bad(state: State) -> Any:
        runs.append("bad")
        raise LookupError("gone")

    def handle(state: State, error: NodeError) -> Any:
        runs.append("handler")
        if runs.count("handler") == 1:
            raise KeyError("handler")
        return {"log": [interrupt(f"{error.error}?")]}

    def asks(state: State) -> Any:
        return {"log": [interrupt("z?")]}

    builder = StateGraph(State).add_node("bad", bad, error_handler=handle).add_node("z", asks)
    builder.add_edge(START, "bad").add_edge(START, "z")
    graph = builder.compile(checkpointer=ForeignSaver())
    config: Any = {"configurable": {"thread_id": "1"}}
    with pytest.raises(KeyError):
        graph.invoke({"log": []}, config)
    asked = {item.value: item.id for item in graph.invoke(None, config)["__interrupt__"]}
    graph.invoke(Command(resume={asked["gone?"]: "A"}), config)
    assert graph.invoke(Command(resume={asked["z?"]: "B"}), config) == {"log": ["A", "B"]}
    assert runs == ["bad", "handler", "handler", "handler"]


@pytest.mark.parametrize("make", [ForeignSaver, InMemorySaver])
def test_a_checkpoint_of_a_newer_form_is_refused_and_stays_as_it_is(make: Any) -> None:
    saver = make()
    builder = StateGraph(State)
    builder.add_node("ask", lambda state: {"log": [interrupt("?")]})
    builder.add_edge(START, "ask")
    graph = builder.compile(checkpointer=saver)
    config: Any = {"configurable": {"thread_id": "newer", "checkpoint_ns": ""}}
    graph.invoke({"log": []}, config)
    found = saver.get_tuple(config)
    newer = {**found.checkpoint, "v": 5, "id": found.checkpoint["id"][:-1] + "g"}
    saver.put(found.config, newer, found.metadata, {})
    for act in (lambda: graph.get_state(config), lambda: graph.invoke(Command(resume=1), config)):
        with pytest.raises(StorageError, match=r"v=5.*Upgrade Caesura"):
            act()
    assert saver.get_tuple(config).checkpoint["v"] == 5, "as it was stored"
