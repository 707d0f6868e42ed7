"""Checkpoints that several would add to one thread at once, while others cut it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.databases import new_database, open_saver

from caesura.checkpoint.operations import ANY_HEAD, History, Prune
from caesura.errors import StaleThreadError
from caesura.testing.calling import THREAD, SyncCalls, Walker

RIVALS, ROUNDS = 6, 40


@pytest.fixture(params=["sqlite", "postgres"])
def savers(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """Savers on one database, each with a connection of its own."""
    with new_database(request.param, tmp_path) as name, ExitStack() as stack:
        opened = [stack.enter_context(closing(open_saver(name))) for _ in range(RIVALS)]
        opened[0].setup()
        yield opened


def at_once(acts: list[Callable[[], Any]]) -> list[Any]:
    """What all give when they are let go at the same moment."""
    start = threading.Barrier(len(acts))

    def go(act: Callable[[], Any]) -> Any:
        start.wait()
        return act()

    with ThreadPoolExecutor(len(acts)) as pool:
        return [future.result() for future in [pool.submit(go, act) for act in acts]]


def follower(saver: Any) -> Walker:
    """One who is about to follow the newest checkpoint."""
    walker = Walker(SyncCalls(saver))
    loaded = walker.load()
    walker.head, walker.chain = loaded.checkpoint_id, loaded.chain
    walker.state, walker.versions = dict(loaded.values), dict(loaded.versions)
    return walker


def attempt(walker: Walker, n: int, **more: Any) -> str | None:
    """Commit; None if another was faster."""
    try:
        return walker.commit({**walker.state, "n": n}, **more)
    except StaleThreadError:
        return None


@pytest.mark.parametrize("kind", ["straight", "fork", "both", "withdrawing"])
def test_of_those_that_follow_one_checkpoint_at_once_exactly_one_is_stored(
    savers: list[Any], kind: str
) -> None:
    first = Walker(SyncCalls(savers[0]))
    root = first.commit({"n": 0, "big": "x" * 3000})
    first.commit({"n": 1, "big": first.state["big"]})
    for n in range(ROUNDS):
        rivals = [follower(saver) for saver in savers]
        head = rivals[0].head
        acts = []
        for i, rival in enumerate(rivals):
            more: dict[str, Any] = {"expected_head": head}
            if kind == "fork" or (kind == "both" and i % 2):
                more["parent_id"] = root
            if kind == "withdrawing" and i % 2:
                more["withdraw"] = "new input"
            acts.append(partial(attempt, rival, 100 * n + i, **more))
        made = [stored for stored in at_once(acts) if stored is not None]
        assert len(made) == 1
        assert follower(savers[0]).head == made[0]


@pytest.mark.parametrize("how", ["prune", "delete_for_runs", "delete_thread"])
def test_what_is_added_while_a_thread_is_cut_can_be_read_or_was_refused(
    savers: list[Any], how: str
) -> None:
    acts = {
        "prune": lambda: savers[0].execute(Prune(THREAD)),
        "delete_for_runs": lambda: savers[0].delete_for_runs(["doomed"]),
        "delete_thread": lambda: savers[0].delete_thread(THREAD),
    }
    for n in range(ROUNDS):
        savers[0].delete_thread(THREAD)
        first = Walker(SyncCalls(savers[0]))
        for i in range(6):
            run = {"run_id": "doomed" if i > 2 else "kept", "step": i}
            first.commit({"n": i, "big": "x" * 3000}, metadata=run)
        walker = follower(savers[1])

        def add(walker: Walker = walker, n: int = n) -> list[str]:
            made = []
            for i in range(4):
                if (stored := attempt(walker, 100 * n + i)) is None:
                    break
                made.append(stored)
            return made

        _, added = at_once([acts[how], add])
        history = list(savers[2].execute(History(THREAD, "")))
        assert all(loaded.values["big"] == "x" * 3000 for loaded in history)
        known = {loaded.checkpoint_id for loaded in history}
        if how == "prune":  # what was added stays, or was there before the cut
            assert len(added) == 4
            assert history[0].checkpoint_id == added[-1]
        for loaded in history:
            assert loaded.parent_id is None or loaded.parent_id in known or how == "prune"


def test_checkpoints_put_out_of_order_do_not_stand_in_the_way(savers: list[Any]) -> None:
    walker = Walker(SyncCalls(savers[0]))
    old = walker.commit({"n": 0})
    walker.commit({"n": 1})
    fork = Walker(SyncCalls(savers[1]))
    fork.head = old
    fork.commit({"n": 2}, expected_head=ANY_HEAD)
    latest = follower(savers[2])
    assert attempt(latest, 3) is not None
    assert attempt(walker, 4) is None
