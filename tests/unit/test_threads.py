"""The threads that jobs run in: none waits for another to end, and few are woken."""

from __future__ import annotations

import os
import threading
from typing import Any

import pytest

from caesura.execution import threads
from caesura.execution.threads import do_instead_of_waiting, go_on, spawn
from caesura.func import entrypoint, task

PATIENCE = 20.0
"""Seconds after which a test has failed."""


@pytest.fixture
def no_thread_comes(monkeypatch: pytest.MonkeyPatch) -> threads._Queue:
    """A queue to which a thread is always just on its way."""
    queue = threads._Queue()
    queue._awake = True
    monkeypatch.setattr(threads, "_queue", queue)
    return queue


def test_jobs_that_wait_for_each_other_all_start(no_thread_comes: threads._Queue) -> None:
    together, left = threading.Barrier(101, timeout=PATIENCE), []
    for _ in range(100):
        spawn(lambda: left.append(together.wait()))
    threads._Worker()  # The one that was on its way.
    together.wait()


def test_a_job_that_starts_others_and_waits_for_them_ends() -> None:
    done = threading.Event()

    def nest(depth: int) -> None:
        if depth:
            inner = threading.Event()
            spawn(lambda: (nest(depth - 1), inner.set())[1])
            assert inner.wait(PATIENCE)

    spawn(lambda: (nest(50), done.set())[1])
    assert done.wait(PATIENCE)


def test_jobs_that_do_not_block_share_threads() -> None:
    seen: list[int] = []
    done = threading.Event()
    for _ in range(2000):
        spawn(lambda: seen.append(threading.get_ident()))
    spawn(done.set)
    assert done.wait(PATIENCE)
    assert len(set(seen)) < 1000


def test_a_job_that_no_thread_has_begun_is_done_by_who_waits(
    no_thread_comes: threads._Queue,
) -> None:
    ran: list[int] = []

    def job() -> None:
        ran.append(threading.get_ident())

    spawn(job)
    do_instead_of_waiting(job)
    assert ran == [threading.get_ident()]
    do_instead_of_waiting(job)
    assert len(ran) == 1


def test_what_is_to_go_on_holds_up_nobody_who_waits(no_thread_comes: threads._Queue) -> None:
    ran: list[str] = []
    went_on = threading.Semaphore(0)

    def rest() -> None:
        ran.append("went on")
        went_on.release()

    def job() -> None:
        go_on(rest)
        ran.append("job")

    spawn(job)
    do_instead_of_waiting(job)
    assert ran == ["job"]
    job()
    assert ran == ["job", "went on", "job"]
    threads._Worker()
    assert went_on.acquire(timeout=PATIENCE)
    assert went_on.acquire(timeout=PATIENCE)
    assert ran[3:] == ["went on"]


def test_jobs_within_jobs_leave_room_on_the_stack(no_thread_comes: threads._Queue) -> None:
    deepest = 0

    def job(depth: int) -> Any:
        def run() -> None:
            nonlocal deepest
            deepest = max(deepest, depth)
            inner = job(depth + 1)
            spawn(inner)
            do_instead_of_waiting(inner)

        return run

    first = job(1)
    spawn(first)
    do_instead_of_waiting(first)
    assert deepest == threads._DEEPEST


def test_no_thread_to_be_had_refuses_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    queue = threads._Queue()
    monkeypatch.setattr(threads, "_queue", queue)

    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    ran: list[int] = []
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError):
            spawn(lambda: ran.append(1))
    done = threading.Event()
    spawn(done.set)
    assert done.wait(PATIENCE)
    assert ran == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_process_has_threads_of_its_own() -> None:
    warm = threading.Event()
    spawn(warm.set)
    assert warm.wait(PATIENCE)
    child = os.fork()
    if child == 0:
        here = threading.Event()
        spawn(here.set)
        os._exit(0 if here.wait(PATIENCE) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_who_waits_for_a_call_that_no_thread_has_begun_makes_it(
    no_thread_comes: threads._Queue,
) -> None:
    @task
    def one(n: int) -> int:
        return threading.get_ident() + n

    @entrypoint()
    def flow(n: int) -> list[int]:
        return [threading.get_ident() + n, one(n).result()]

    found: list[Any] = []
    apart = threading.Thread(target=lambda: found.extend(flow.invoke(1)), daemon=True)
    apart.start()
    apart.join(PATIENCE)
    assert len(found) == 2
    assert found[0] == found[1]


def test_tasks_called_within_tasks_may_go_deeper_than_one_stack() -> None:
    @task
    def down(n: int) -> int:
        return 0 if n == 0 else 1 + down(n - 1).result()

    @entrypoint()
    def flow(n: int) -> int:
        return down(n).result()

    assert flow.invoke(150) == 150
