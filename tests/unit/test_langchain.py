"""LangChain inside tasks: who is heard, who finds the config, and what it costs those who do without."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

pytest.importorskip("langchain_core")

from langchain_core.callbacks import BaseCallbackHandler, CallbackManager
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langchain_core.runnables.config import var_child_runnable_config

from caesura.checkpoint.memory import InMemorySaver
from caesura.config import find_scope
from caesura.execution import models
from caesura.execution.context import TaskScope
from caesura.graph import START, MessagesState, StateGraph
from caesura.pregel.compiled import Pregel


def model(**how: Any) -> GenericFakeChatModel:
    return GenericFakeChatModel(messages=iter([AIMessage("one two") for _ in range(9)]), **how)


def graph_of(node: Any, **how: Any) -> Pregel:
    return StateGraph(MessagesState).add_node("n", node).add_edge(START, "n").compile(**how)


def said(graph: Pregel, **how: Any) -> list[str]:
    """What the stream of messages tells."""
    items = graph.stream({"messages": []}, stream_mode="messages", **how)
    return [message.content for message, _ in items]


def test_without_langchain_a_stream_of_messages_imports_none() -> None:
    code = (
        "import sys\n"
        "from caesura.graph import START, MessagesState, StateGraph\n"
        "from caesura.messages import AIMessage\n"
        "node = lambda state: {'messages': [AIMessage('a')]}\n"
        "graph = StateGraph(MessagesState).add_node('n', node).add_edge(START, 'n').compile()\n"
        "assert len(list(graph.stream({'messages': []}, stream_mode='messages'))) == 1\n"
        "assert not hasattr(graph, 'nonsense')\n"
        "print([m for m in sys.modules if m.startswith('langchain')])\n"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_a_model_that_is_handed_the_config_is_heard_in_a_thread_of_its_own() -> None:
    def node(state: Any, config: RunnableConfig) -> None:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(model().invoke, "x", config).result()

    assert said(graph_of(node)) == ["one", " ", "two"]


async def test_a_model_is_heard_in_a_synchronous_node_of_an_asynchronous_run() -> None:
    graph = graph_of(lambda state: {"messages": [model().invoke("x")]})
    items = graph.astream({"messages": []}, stream_mode="messages")
    assert [message.content async for message, _ in items] == ["one", " ", "two"]


def test_models_do_not_speak_in_pieces_where_nobody_listens() -> None:
    ids = []

    def node(state: Any) -> None:
        ids.append(model().invoke("x").id)

    graph = graph_of(node)
    graph.invoke({"messages": []})
    list(graph.stream({"messages": []}, stream_mode=["values", "custom"]))
    said(graph)
    whole = [
        str(id).endswith("-0") for id in ids
    ]  # So LangChain names what did not come in pieces.
    assert whole == [True, True, False]


def test_a_nested_graph_that_is_streamed_is_heard_by_its_caller_and_outside() -> None:
    inner = graph_of(lambda state: {"messages": [model().invoke("x")]})
    heard: list[str] = []

    def node(state: Any, config: RunnableConfig) -> None:
        for message, _ in inner.stream({"messages": []}, config, stream_mode="messages"):
            heard.append(message.content)

    graph = graph_of(node)
    items = graph.stream({"messages": []}, stream_mode="messages", subgraphs=True)
    assert [message.content for _, (message, _) in items] == ["one", " ", "two"]
    assert heard == ["one", " ", "two"]
    heard.clear()
    graph.invoke({"messages": []})
    assert heard == ["one", " ", "two"]


def test_a_model_that_fails_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    listeners: list[models.ModelListener] = []
    start = models.ModelListener.on_chat_model_start

    def noted(self: models.ModelListener, *args: Any, **more: Any) -> None:
        start(self, *args, **more)
        listeners.append(self)
        assert self._heard

    monkeypatch.setattr(models.ModelListener, "on_chat_model_start", noted)

    def node(state: Any) -> None:
        broken = GenericFakeChatModel(messages=iter([]))
        with pytest.raises(RuntimeError):
            broken.invoke("x")
        model().invoke("x")

    assert said(graph_of(node)) == ["one", " ", "two"]
    assert [listener._heard for listener in listeners] == [{}, {}]


class Silent(BaseCallbackHandler):
    """Hears nothing."""


@pytest.mark.parametrize("managed", [True, False])
def test_the_callbacks_of_the_caller_are_left_as_they_are(managed: bool) -> None:
    mine = Silent()
    given: Any = CallbackManager([], inheritable_handlers=[mine]) if managed else [mine]
    seen = []

    def node(state: Any, config: RunnableConfig) -> None:
        found: Any = config["callbacks"]
        seen.append([type(handler).__name__ for handler in found.inheritable_handlers])

    assert said(graph_of(node), config={"callbacks": given, "tags": ["t"]}) == []
    assert seen == [["Silent", "ModelListener"]]
    handlers = given.inheritable_handlers if managed else given
    assert handlers == [mine]
    assert not managed or (given.tags, given.metadata) == ([], {})


class Own:
    """A handler that is none of LangChain's: its models know nothing of it."""


@pytest.mark.parametrize("handed_on", [True, False])
def test_callbacks_that_are_none_of_langchains_reach_nested_graphs_and_no_models(
    handed_on: bool,
) -> None:
    mine, seen = Own(), list[Any]()

    def inner(state: Any, config: RunnableConfig) -> None:
        scope = find_scope()
        assert isinstance(scope, TaskScope)
        seen.append(scope.frame.setting.config["callbacks"])
        model().invoke("x")

    child = graph_of(inner)

    def node(state: Any, config: RunnableConfig) -> None:
        child.invoke({"messages": []}, config if handed_on else None)

    graph_of(node).invoke({"messages": []}, {"callbacks": [mine]})
    assert seen == [[mine]]


def test_after_a_run_langchain_finds_no_config_any_more() -> None:
    inside = []

    def node(state: Any) -> None:
        inside.append(dict(var_child_runnable_config.get() or {})["metadata"]["langgraph_node"])

    graph_of(node).invoke({"messages": []})
    assert inside == ["n"]
    assert var_child_runnable_config.get() is None


def test_a_graph_called_in_a_chain_is_a_run_of_its_own() -> None:
    """It takes callbacks, tags and the program's keys, and no address of another engine."""
    found: dict[str, Any] = {}

    def node(state: Any, config: RunnableConfig) -> None:
        found.update(config["configurable"], tags=config.get("tags"))

    graph = graph_of(node, checkpointer=InMemorySaver())
    chain = RunnableLambda(lambda x: graph.invoke({"messages": []}))
    foreign = {"__pregel_checkpointer": object(), "checkpoint_id": "x", "checkpoint_ns": "y"}
    config: Any = {"configurable": {"thread_id": "1", "mine": 1, **foreign}, "tags": ["t"]}
    chain.invoke(0, config)
    assert (found["thread_id"], found["mine"], found["tags"]) == ("1", 1, ["t"])
    assert found["checkpoint_ns"].startswith("n:")
    assert graph.get_state({"configurable": {"thread_id": "1"}}).created_at is not None


def test_what_only_langchain_can_do_is_named_where_langchain_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    graph = graph_of(lambda state: None)
    monkeypatch.delitem(sys.modules, "caesura.pregel.runnable", raising=False)
    monkeypatch.setitem(sys.modules, "langchain_core.runnables", None)
    with pytest.raises(AttributeError, match="'pipe' without LangChain"):
        _ = graph.pipe
    with pytest.raises(AttributeError, match=r"no attribute 'nonsense'$"):
        _ = graph.nonsense
