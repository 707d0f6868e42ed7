"""Cached results of nodes and tasks: what is used again, what never is, and what a failing cache does."""

from __future__ import annotations

import asyncio
import operator
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest

from caesura.cache.memory import InMemoryCache
from caesura.cache.sqlite import SqliteCache
from caesura.checkpoint.memory import InMemorySaver
from caesura.core.effects import Keep, Recall
from caesura.core.turn import Turn
from caesura.errors import SerializationError
from caesura.func import entrypoint, task
from caesura.graph import START, StateGraph
from caesura.types import CachePolicy, Command, Send, default_cache_key, interrupt
from caesura.warnings import CacheWarning

ALWAYS = CachePolicy(key_func=lambda *args, **kwargs: "one key for everything")


class State(TypedDict, total=False):
    log: Annotated[list[Any], operator.add]


def thread(name: str) -> Any:
    return {"configurable": {"thread_id": name}}


@pytest.fixture(params=["sync", "async"])
def invoke(request: pytest.FixtureRequest) -> Callable[..., Any]:
    if request.param == "sync":
        return lambda program, *args: program.invoke(*args)
    return lambda program, *args: asyncio.run(program.ainvoke(*args))


@pytest.fixture(autouse=True)
def no_warnings() -> Iterator[None]:
    """A warning fails the test unless it asks for it."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", CacheWarning)
        yield


def one_node(node: Any, policy: Any = ALWAYS, **how: Any) -> Any:
    builder = StateGraph(State).add_node("node", node, cache_policy=policy)
    return builder.add_edge(START, "node").compile(**how)


# --- hits are like runs ---------------------------------------------------------------------


def test_a_hit_is_stored_as_the_writes_of_the_task(invoke: Callable[..., Any], saver: Any) -> None:
    graph = one_node(lambda state: {"log": ["ran"]}, cache=InMemoryCache(), checkpointer=saver)
    for name in ("ran", "hit"):
        invoke(graph, {"log": ["in"]}, thread(name))
    ran, hit = (list(graph.get_state_history(thread(name))) for name in ("ran", "hit"))
    assert [s.values for s in hit] == [s.values for s in ran]
    assert [[t.result for t in s.tasks] for s in hit] == [[t.result for t in s.tasks] for s in ran]


def test_a_hit_counts_as_finished_if_a_sibling_fails(
    invoke: Callable[..., Any], saver: Any
) -> None:
    calls: list[str] = []
    cache = InMemoryCache[Any]()
    broken: list[bool] = []

    def good(state: State) -> State:
        calls.append("good")
        return {"log": ["good"]}

    def bad(state: State) -> State:
        if broken:
            raise ValueError("broken")
        return {"log": ["bad"]}

    builder = StateGraph(State).add_node("good", good, cache_policy=ALWAYS).add_node("bad", bad)
    builder.add_edge(START, "good").add_edge(START, "bad")
    graph = builder.compile(cache=cache, checkpointer=saver)
    invoke(graph, {}, thread("fills the cache"))
    broken.append(True)
    with pytest.raises(ValueError, match="broken"):
        invoke(graph, {}, thread("takes from it"))
    cache.clear()
    broken.clear()
    assert invoke(graph, None, thread("takes from it")) == {"log": ["bad", "good"]}
    assert calls == ["good"]


def test_equal_sends_of_one_step_all_take_the_kept_result(invoke: Callable[..., Any]) -> None:
    calls: list[int] = []

    def worker(value: int) -> State:
        calls.append(value)
        return {"log": [value]}

    builder = StateGraph(State).add_node("worker", worker, cache_policy=CachePolicy())
    builder.add_conditional_edges(START, lambda state: [Send("worker", n) for n in (1, 2, 1)])
    graph = builder.compile(cache=InMemoryCache())
    assert invoke(graph, {}) == invoke(graph, {}) == {"log": [1, 2, 1]}
    assert sorted(calls) == [1, 1, 2]


def test_what_uses_no_cache_never_asks_it(monkeypatch: pytest.MonkeyPatch) -> None:
    effects: list[type] = []
    run = Turn.run

    def watched(self: Turn) -> Any:
        steps, value = run(self), None
        while True:
            try:
                effect = steps.send(value)
            except StopIteration as stop:
                return stop.value
            effects.append(type(effect))
            value = yield effect

    monkeypatch.setattr(Turn, "run", watched)
    one_node(lambda state: {}, policy=None, cache=InMemoryCache()).invoke({"log": []})
    one_node(lambda state: {}).invoke({"log": []})
    assert {Recall, Keep}.isdisjoint(effects)
    one_node(lambda state: {}, cache=InMemoryCache()).invoke({"log": []})
    assert {Recall, Keep} <= set(effects)


# --- what a person said is for nobody else --------------------------------------------------


def ask(state: Any) -> State:
    return {"log": [interrupt("which?")]}


def asking_in_a_subgraph() -> Any:
    child = StateGraph(State).add_node("ask", ask).add_edge(START, "ask").compile()
    return one_node(lambda state: {"log": child.invoke({"log": []})["log"]}, **given())


def asking_in_an_earlier_step() -> Any:
    """A graph whose last step no longer knows of the question, but has the answer."""
    builder = StateGraph(State).add_node("ask", ask).add_node("last", lambda state: {"log": ["x"]})
    builder.add_edge(START, "ask").add_edge("ask", "last")
    return builder.compile(interrupt_before=["last"])


def asking_in_an_earlier_step_of_a_subgraph() -> Any:
    return one_node(asking_in_an_earlier_step(), **given())


def asking_in_an_earlier_step_of_a_subgraph_of_a_task() -> Any:
    child = asking_in_an_earlier_step()

    @task
    def inner() -> Any:
        return child.invoke({"log": []})

    return one_node(lambda state: inner().result(), **given())


def asking_in_a_task_of_a_node() -> Any:
    @task
    def inner() -> str:
        return str(interrupt("which?"))

    return one_node(lambda state: {"log": [inner().result()]}, **given())


def asking_in_a_cached_task() -> Any:
    @task(cache_policy=ALWAYS)
    def inner() -> str:
        return str(interrupt("which?"))

    @entrypoint(**given())
    def flow(state: Any) -> Any:
        return {"log": [inner().result()]}

    return flow


def asking_in_an_entrypoint() -> Any:
    @entrypoint(cache_policy=ALWAYS, **given())
    def flow(state: Any) -> Any:
        return ask(state)

    return flow


def given() -> dict[str, Any]:
    return {"cache": InMemoryCache(), "checkpointer": InMemorySaver()}


@pytest.mark.parametrize(
    "make",
    [
        lambda: one_node(ask, **given()),
        asking_in_a_subgraph,
        asking_in_an_earlier_step_of_a_subgraph,
        asking_in_an_earlier_step_of_a_subgraph_of_a_task,
        asking_in_a_task_of_a_node,
        asking_in_a_cached_task,
        asking_in_an_entrypoint,
    ],
    ids=["node", "subgraph", "subgraph step", "step in task", "task in node", "task", "entrypoint"],
)
def test_an_answer_of_one_thread_never_answers_in_another(
    make: Callable[[], Any], invoke: Callable[..., Any]
) -> None:
    program = make()
    for name in ("first", "second"):
        assert "__interrupt__" in invoke(program, {"log": []}, thread(name))
        result = invoke(program, Command(resume=name), thread(name))
        if program.get_state(thread(name)).next:  # a breakpoint inside, after the answer
            result = invoke(program, None, thread(name))
        assert name in result["log"]


@pytest.mark.parametrize("program", ["node", "task"])
def test_an_answer_counts_even_if_the_cache_has_a_result_by_then(
    invoke: Callable[..., Any], program: str
) -> None:
    asks = [True]

    def work(state: State) -> State:
        return ask(state) if asks else {"log": ["by itself"]}

    flow = one_node(work, **given())
    if program == "task":
        one = task(work, cache_policy=ALWAYS)  # type: ignore[call-overload]
        flow = entrypoint(**given())(lambda state: one(state).result())
    invoke(flow, {"log": []}, thread("asked"))
    asks.clear()
    assert invoke(flow, {"log": []}, thread("other")) == {"log": ["by itself"]}
    asks.append(True)
    assert invoke(flow, Command(resume="mine"), thread("asked")) == {"log": ["mine"]}


# --- a cache that fails ---------------------------------------------------------------------


class Broken(InMemoryCache[Any]):
    def get(self, keys: Any) -> Any:
        raise OSError("no route to cache")

    def set(self, pairs: Any) -> None:
        raise OSError("no room in cache")


class Odd(InMemoryCache[Any]):
    def get(self, keys: Any) -> Any:
        return dict.fromkeys(keys, "something else")


@pytest.mark.parametrize("program", ["node", "task"])
def test_a_cache_that_fails_is_passed_over_with_a_warning(
    invoke: Callable[..., Any], program: str
) -> None:
    cache = Broken()
    flow = one_node(lambda state: {"log": [1]}, cache=cache)
    if program == "task":
        one = task(lambda state: {"log": [1]}, cache_policy=ALWAYS)  # type: ignore[call-overload]
        flow = entrypoint(cache=cache)(lambda state: one(state).result())
    with pytest.warns(CacheWarning) as caught:
        assert invoke(flow, {"log": []}) == {"log": [1]}
    assert ["no route" in str(w.message) for w in caught] == [True, False]


def test_what_is_no_result_is_not_used(invoke: Callable[..., Any]) -> None:
    assert invoke(one_node(lambda state: {"log": [1]}, cache=Odd()), {"log": []}) == {"log": [1]}


@pytest.mark.parametrize("content", [b"", b"no database at all" * 200])
def test_a_damaged_file_fails_no_run(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "cache"
    path.write_bytes(content)
    with closing(SqliteCache[Any](path=path)) as cache:
        graph = one_node(lambda state: {"log": [1]}, cache=cache)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            assert graph.invoke({"log": []}) == {"log": [1]}
        assert bool(caught) == bool(content)


def test_a_result_that_cannot_be_kept_is_returned_all_the_same(invoke: Callable[..., Any]) -> None:
    graph = one_node(lambda state: {"log": [object()]}, cache=InMemoryCache())
    with pytest.warns(CacheWarning, match="not msgpack serializable"):
        assert len(invoke(graph, {"log": []})["log"]) == 1


def test_a_result_of_a_class_that_cannot_be_built_again_is_computed_again(
    invoke: Callable[..., Any],
) -> None:
    @dataclass
    class Local:
        x: int

    calls: list[int] = []

    def node(state: State) -> State:
        calls.append(1)
        return {"log": [Local(1)]}

    graph = one_node(node, cache=InMemoryCache())
    invoke(graph, {"log": []})
    with pytest.warns(CacheWarning, match="Local"):
        assert invoke(graph, {"log": []})["log"] == [Local(1)]
    assert len(calls) == 2


def test_the_classes_of_a_schema_come_back_from_a_file(tmp_path: Path) -> None:
    calls: list[int] = []

    def node(state: Places) -> Places:
        calls.append(1)
        return {"at": Place(len(calls))}

    builder = StateGraph(Places).add_node("node", node, cache_policy=ALWAYS)
    with closing(SqliteCache[Any](path=tmp_path / "cache")) as cache:
        graph = builder.add_edge(START, "node").compile(cache=cache)
        assert graph.invoke({}) == graph.invoke({}) == {"at": Place(1)}


@dataclass
class Place:
    x: int


class Places(TypedDict, total=False):
    at: Place


# --- keys -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ({"x", "y", "z", 1}, {1, "z", "y", "x"}),
        ([1, (2,)], (1, [2])),
        (Place({"a": {1, "b"}, "c": None}), Place({"c": None, "a": {"b", 1}})),
        ({(1, 2): "a", "b": "c"}, {"b": "c", (1, 2): "a"}),
    ],
)
def test_equal_inputs_have_one_key(one: Any, other: Any) -> None:
    assert default_cache_key(one) == default_cache_key(other)


def test_different_inputs_have_different_keys() -> None:
    values: list[Any] = [
        None, True, 1, 1.0, "1", b"1", [], [1], [[1]], {}, {"1": 1}, {1: 1}, {1}, [1, 1], Place(1),
        {"x": 1}, ["a", "b"], ["ab"], {"a": {"b": 1}}, {"a": {}, "b": 1}, Send("a", 1), Send("a", 2),
    ]  # fmt: skip
    keys = {default_cache_key(value) for value in values}
    keys |= {default_cache_key(), default_cache_key(1, 1), default_cache_key(1, x=1)}
    assert len(keys) == len(values) + 3


def test_a_key_is_the_same_in_every_process() -> None:
    code = (
        "from caesura.types import default_cache_key as k;"
        "print(k({'s': {'a', 'b', 'c', 4}, 'z': {'q': 1}}, n=frozenset('xyz')))"
    )
    keys = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(keys) == 1


def test_an_input_that_has_no_key_is_refused_before_anything_runs(
    invoke: Callable[..., Any],
) -> None:
    calls: list[Any] = []
    graph = one_node(calls.append, CachePolicy(), cache=InMemoryCache())
    with pytest.raises(SerializationError, match=r'of args\[0\]\["log"\]\[0\]:.*key_func'):
        invoke(graph, {"log": [object()]})
    assert calls == []


def test_a_key_is_text_or_bytes(invoke: Callable[..., Any]) -> None:
    graph = one_node(lambda s: {}, CachePolicy(key_func=lambda s: 5), cache=InMemoryCache())  # type: ignore[arg-type, return-value]
    with pytest.raises(TypeError, match="returned int"):
        invoke(graph, {"log": []})


def test_nodes_of_one_name_do_not_share_results_unless_they_are_one_function() -> None:
    def add(state: State, *, what: Any) -> State:
        return {"log": [what]}

    class Adder:
        def __init__(self, what: str) -> None:
            self.what = what

    def child(name: str) -> Any:
        node = partial(add, what=name)
        return StateGraph(State).add_node(name, node).add_edge(START, name).compile()

    cache = InMemoryCache[Any]()
    for node, result in [
        (partial(add, what="a"), "a"),
        (partial(add, what="b"), "b"),
        (partial(add, what=Adder), Adder),
        (child("c"), "c"),
        (child("d"), "d"),
    ]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert one_node(node, cache=cache).invoke({"log": []}) == {"log": [result]}
    again = partial(add, what="a")
    hit = list(one_node(again, cache=cache).stream({"log": []}))
    assert hit == [{"node": {"log": ["a"]}, "__metadata__": {"cached": True}}]
