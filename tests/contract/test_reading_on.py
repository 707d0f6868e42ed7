"""What a saver keeps of what it read is never taken for what is stored, whoever stored it.

Each test makes sure first that something is kept; `test_costs.py` counts what that saves.
"""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest
from tests.databases import new_database, open_saver

from caesura.checkpoint import recent
from caesura.checkpoint.memory import InMemorySaver
from caesura.checkpoint.operations import DeleteRuns, DeleteThread, Load, Prune
from caesura.checkpoint.recent import Recent
from caesura.checkpoint.serde.encrypted import EncryptedSerializer
from caesura.graph import START, StateGraph
from caesura.testing.calling import THREAD, AsyncCalls, Calls, SyncCalls, Walker, checkpoint, config

Open = Callable[..., Any]
"""Makes one more saver on the same database."""
TURNS = 30
QUESTION = "question" * 400


class Log(TypedDict, total=False):
    """A list that grows, and a dict that is replaced."""

    log: Annotated[list[Any], operator.add]
    last: dict[str, Any]


@pytest.fixture(autouse=True)
def little_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short threads are worth keeping, too."""
    monkeypatch.setattr(recent, "_FEW", 1024)


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def another(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    if request.param == "memory":
        first = InMemorySaver()

        def twin(keep: int = 2**24, serde: Any = None) -> Any:
            made = copy.copy(first)
            made._recent = Recent(keep)
            made.serde = serde or first.serde
            return made

        yield twin
        return
    with ExitStack() as stack:
        name = stack.enter_context(new_database(request.param, tmp_path))
        yield lambda **more: stack.enter_context(closing(open_saver(name, **more)))


@pytest.fixture(params=[SyncCalls, AsyncCalls], ids=["sync", "async"])
def calls(request: pytest.FixtureRequest, another: Open) -> Iterator[Calls]:
    """A saver that keeps what it read."""
    with closing(request.param(another())) as calls:
        yield calls


@pytest.fixture
def other(another: Open, calls: Calls) -> SyncCalls:
    """A saver on the same database, of another process as it were, that keeps nothing."""
    return SyncCalls(another(keep=0))


def chat(graph: Any, turns: int, thread: str = THREAD) -> dict[str, Any]:
    """As many turns; what the last one returned."""
    made: dict[str, Any] = {}
    for _ in range(turns):
        made = graph.invoke({"log": [{"role": "user", "parts": [QUESTION]}]}, config(thread))
    return made


def compiled(saver: Any) -> Any:
    """A program that answers with how much it knows."""
    builder = StateGraph(Log)
    builder.add_node(
        "reply", lambda s: {"log": [{"n": len(s["log"])}], "last": {"deep": [len(s["log"])]}}
    )
    return builder.add_edge(START, "reply").compile(checkpointer=saver)


def expected(turns: int) -> list[Any]:
    """The log after as many turns."""
    question = {"role": "user", "parts": [QUESTION]}
    return [each for n in range(turns) for each in (question, {"n": 2 * n + 1})]


def walked(calls: Calls) -> Walker:
    """A thread whose state the saver keeps."""
    walker = Walker(calls)
    walker.commit({"log": [], "same": ["x" * 20_000]})
    for n in range(TURNS):
        walker.commit({**walker.state, "log": [*walker.state["log"], {"n": n, "in": [n]}]})
    load(calls)
    assert kept(calls)
    return walker


def load(calls: Calls, at: str | None = None) -> Any:
    """The checkpoint that a saver reads."""
    return calls.execute(Load(THREAD, "", at))


def kept(calls: Calls) -> int:
    """How many states a saver keeps."""
    return len(calls.saver.codec.recent)


def same(calls: Calls, other: Calls, at: str | None = None) -> Any:
    """What both savers read: the same."""
    found, wanted = load(calls, at), load(other, at)
    assert alike(found) == alike(wanted)
    return found.values if found else None


def alike(loaded: Any) -> Any:
    """All of it but where its full row is: that may have come nearer meanwhile, which changes nothing."""
    return loaded and replace(loaded, chain=loaded.chain._replace(snapshot_id=""))


# --- others write as well ---


def test_savers_that_take_turns_see_each_other_s(another: Open) -> None:
    mine, theirs = compiled(another()), compiled(another())
    for turn in range(TURNS):
        made = chat(theirs if turn % 2 else mine, 1)
        assert made["log"] == expected(turn + 1)
    assert all(len(graph.checkpointer.codec.recent) == 1 for graph in (mine, theirs))


def test_a_thread_that_was_deleted_by_another_is_gone(calls: Calls, other: Calls) -> None:
    walked(calls)
    other.execute(DeleteThread(THREAD))
    assert load(calls) is None


def test_a_thread_that_was_made_anew_under_the_same_ids_is_another(
    calls: Calls, other: Calls
) -> None:
    """Even if all rows but the first are byte for byte the same."""

    def put(by: Calls, base: str) -> None:
        at, values = config(), {"base": base, "log": ["x" * 20_000]}
        for n in range(TURNS):
            point = checkpoint({**values, "n": n}, {"base": 1, "log": 1, "n": n + 1})
            point["id"], point["ts"] = f"{n:08}", "then"
            news = {"n": n + 1} if n else {"base": 1, "log": 1, "n": 1}
            at = by.put(at, point, {"step": n}, news)

    put(calls, "old")
    assert same(calls, other)["base"] == "old"
    assert kept(calls)
    other.execute(DeleteThread(THREAD))
    put(other, "new")
    assert same(calls, other)["base"] == "new"


@pytest.mark.parametrize("which", [-1, -2, 3])
def test_a_checkpoint_that_another_put_once_more_is_another(
    calls: Calls, other: Calls, which: int
) -> None:
    walker = walked(calls)
    history = [found.config for found in calls.listed(config())][::-1]
    at = history[which]
    before = [load(other, c["configurable"]["checkpoint_id"]).values for c in history]
    found = other.get_tuple(at)
    assert found is not None
    point = {**found.checkpoint, "channel_values": {"log": ["new"]}}
    point["channel_versions"] = {"log": 100}
    parent = found.parent_config
    assert parent is not None
    other.put(parent, point, {"step": 1}, {"log": 100})  # type: ignore[arg-type]
    before[which] = {"log": ["new"]}
    after = [same(calls, other, c["configurable"]["checkpoint_id"]) for c in history]
    assert after == before, "what was built on it stays as it was"
    assert same(calls, other) == before[-1]
    assert walker.head == history[-1]["configurable"]["checkpoint_id"]


def test_what_was_put_twice_in_the_same_words_on_another_past_is_another(
    calls: Calls, other: Calls
) -> None:
    def put(by: Calls, n: int, base: str, news: dict[str, int]) -> None:
        point = checkpoint({"base": base, "n": n}, {"base": 1, "n": n + 1})
        point["id"], point["ts"] = f"{n:08}", "then"
        by.put(config(checkpoint_id=f"{n - 1:08}") if n else config(), point, {"step": n}, news)

    for by, base in ((calls, "old" * 9000), (other, "new" * 9000), (other, "two" * 9000)):
        for n in range(TURNS):
            put(by, n, base, {"n": n + 1} if n else {"base": 1, "n": 1})
        assert same(calls, other) == {"base": base, "n": TURNS - 1}
        assert kept(calls)


@pytest.mark.parametrize("upkeep", [Prune(THREAD), DeleteRuns(THREAD, ["odd"])])
def test_upkeep_by_another_does_not_change_what_is_read(
    calls: Calls, other: Calls, upkeep: Any
) -> None:
    walker = Walker(calls)
    for n in range(TURNS + 1):
        metadata = {"source": "loop", "step": n, "run_id": "odd" if n % 2 else "even"}
        walker.commit({"log": [*walker.state.get("log", ["x" * 20_000]), n]}, metadata=metadata)
    load(calls)
    assert kept(calls)
    other.execute(upkeep)
    assert same(calls, other) == walker.state
    walker = Walker(other)
    found = load(other)
    walker.state, walker.head, walker.chain = found.values, found.checkpoint_id, found.chain
    walker.versions = found.versions
    walker.commit({"log": [*walker.state["log"], "more"]})
    assert same(calls, other) == walker.state


# --- forks and time travel ---


def test_a_fork_by_another_leads_away_from_what_is_kept(another: Open) -> None:
    mine, theirs = compiled(another()), compiled(another(keep=0))
    chat(mine, TURNS)
    past = list(mine.get_state_history(config(THREAD)))[10]
    theirs.update_state(past.config, {"log": ["forked"]}, as_node="reply")
    log = [*past.values["log"], "forked"]
    assert mine.get_state(config(THREAD)).values["log"] == log
    assert chat(mine, 1)["log"][:-2] == log
    assert mine.get_state(past.config) == theirs.get_state(past.config)


def test_older_checkpoints_are_read_as_they_were(calls: Calls, other: Calls) -> None:
    walker = walked(calls)
    ids = [found.config["configurable"]["checkpoint_id"] for found in calls.listed(config())]
    for at in ids[::-1]:
        load(calls)
        same(calls, other, at)
    assert same(calls, other) == walker.state


# --- what programs do with what they got ---


def spoil(value: Any) -> None:
    """Change everything in it that can be changed."""
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for each in items:
        spoil(each)
    if isinstance(value, dict):
        value["spoiled"] = True
    elif isinstance(value, list):
        value.append("spoiled")


def test_what_a_program_does_to_what_it_got_reaches_no_later_reader(another: Open) -> None:
    graph = compiled(another())
    for turn in range(1, TURNS):
        spoil(chat(graph, 1))
        for _ in range(2):
            state = graph.get_state(config(THREAD))
            assert state.values == {"log": expected(turn), "last": {"deep": [2 * turn - 1]}}
            spoil([state.values, state.metadata])
        found = graph.checkpointer.get_tuple(config(THREAD))
        assert found.checkpoint["channel_values"]["log"] == expected(turn)
        spoil([found.checkpoint, found.metadata])
        if turn % 5 == 0:
            for past in graph.get_state_history(config(THREAD), limit=3):
                spoil(past.values)
    assert len(graph.checkpointer.codec.recent) == 1


def test_what_a_node_does_to_its_input_is_stored_by_nobody(another: Open) -> None:
    builder = StateGraph(Log)
    builder.add_node("reply", lambda s: spoil(s["log"][:-1]) or {"log": [len(s["log"])]})
    saver = another()
    graph = builder.add_edge(START, "reply").compile(checkpointer=saver)
    for turn in range(1, TURNS):
        for shown in graph.stream({"log": [[QUESTION]]}, config(THREAD), stream_mode="values"):
            spoil(shown["log"][-3:-2])
        fresh = graph.get_state(config(THREAD)).values["log"]
        assert fresh == [each for n in range(turn) for each in ([QUESTION], 2 * n + 1)]
    assert len(saver.codec.recent) == 1


# --- what is kept at all ---


def test_where_values_are_encrypted_nothing_is_kept(another: Open) -> None:
    graph = compiled(another(serde=EncryptedSerializer.from_aes_gcm(b"k" * 32)))
    assert chat(graph, TURNS)["log"] == expected(TURNS)
    assert len(graph.checkpointer.codec.recent) == 0


def test_what_a_saver_keeps_stays_within_its_bound(another: Open) -> None:
    bound = 800_000
    saver = another(keep=bound)
    graph = compiled(saver)
    for thread in range(12):
        assert chat(graph, TURNS, f"t{thread}")["log"] == expected(TURNS)
        assert 0 < saver.codec.recent.room <= bound
    assert 0 < len(saver.codec.recent) < 12
    for thread in range(12):
        assert chat(graph, 1, f"t{thread}")["log"] == expected(TURNS + 1)


@pytest.mark.parametrize("upkeep", [DeleteThread(THREAD), Prune(THREAD), DeleteRuns(THREAD, ["r"])])
def test_upkeep_of_a_thread_lets_go_of_what_is_kept(calls: Calls, upkeep: Any) -> None:
    walked(calls)
    calls.execute(upkeep)
    assert kept(calls) == 0


def test_twins_of_a_saver_share_the_bound_but_not_what_they_decoded(another: Open) -> None:
    saver: Any = another()
    twin = saver.with_allowlist([Thing])
    calls, theirs = SyncCalls(saver), SyncCalls(twin)
    walked(calls)
    assert kept(theirs) == 1
    assert twin.codec.recent.before(twin.codec, THREAD, "", None) is None
    assert same(calls, theirs)
    theirs.execute(DeleteThread(THREAD))
    assert kept(calls) == 0


class Thing:
    """A class that a twin may build."""
