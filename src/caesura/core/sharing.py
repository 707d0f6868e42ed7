"""Several people answer questions of one step at the same moment: several runs stand on one checkpoint.

Each must start only what is its own to start, and one of them must finish the step. The rules:

- A run that carries answers starts a waiting task only if it accepted one of that task's answers
  itself. A run without answers (``invoke(None)``: go on after a crash) may start everything.
- Where a task has questions that others answer, the run first *claims* it. A claim is a write that is
  kept as first written, so exactly one run reads its own token back. Whoever finds the task claimed
  leaves it: the owner takes all answers along, also those given meanwhile. A claim of a run that is
  dead counts for nothing.
- An error handler is claimed too, as soon as its task is handed over to it: the mark that a run finds
  does not say whether the run that left it has died or is busy with the handler.
- An owner whose task still waits releases it, and *then* looks once more, so that no answer falls
  between the last look and the release.
- Each run stores what its tasks did and only then looks at what the others stored. So at least one
  sees all of it and finishes the step. If two do, one commit is refused, and that run ends quietly:
  its part is stored, and the other goes on.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any

from caesura.checkpoint.operations import History, InterruptRow, Load, Loaded, PutWrites
from caesura.constants import CLAIM
from caesura.core.answers import asked_under
from caesura.core.effects import Effect, Store
from caesura.core.handling import outcome_of
from caesura.core.ids import task_id
from caesura.core.state import Task
from caesura.errors import StaleThreadError

if TYPE_CHECKING:
    from caesura.core.turn import Turn

_STEPS_BACK = 100
"""How far another run may have gone on meanwhile."""


def look_again(turn: Turn, paused: Sequence[Task]) -> Generator[Effect, Any, list[Task]]:
    """What other runs stored meanwhile: gives ``paused`` tasks their writes, or fewer interrupts.

    Returns the tasks that this run is to start again; releases those that still wait.
    """
    while True:
        if not (yield from _reload(turn)):
            return []
        again, waiting = [], []
        for task in paused:
            if _finished_elsewhere(turn, task):
                continue
            if (yield from _takes(turn, task)):
                task.pause = None
                again.append(task)
            else:
                waiting.append(task)
        if again or not (yield from _release(turn, waiting)):
            return again


def settle_contested(turn: Turn, tasks: Sequence[Task]) -> Generator[Effect, Any, None]:
    """Before a step: claim the tasks that others answer too, or leave them to their owner."""
    for task in tasks:
        if task.writes is not None or task.pause is not None or task.failed:
            continue
        under = _under(turn, task)
        if not under and task.within():
            if not (yield from _claim(turn, task)):
                task.pause = ()
        elif not under and _held_elsewhere(turn, task):
            task.pause = ()
        elif under and not (yield from _own(turn, task, under)) and task.writes is None:
            task.pause = tuple(row for row in under if row.status == "open")


def claim_handler(turn: Turn, handler: Task) -> Generator[Effect, Any, None]:
    """Before a task is handed over: the handler is this run's, which ran the task.

    A checkpoint that is not stored yet is out of sight for others.
    """
    if turn.request.mine is not None and turn.stored_id == turn.state.checkpoint_id:
        yield _write(turn, _claim_id(turn, handler, 0, "claimed"), turn.request.token())
        turn.claims[handler.id] = _claim_id(turn, handler, 0, "released")


def others_went_on(turn: Turn) -> Generator[Effect, Any, bool]:
    """Our commit was refused: True if another run finished our very step, our answers included.

    False for any other reason, such as new input: then our caller must be told.
    """
    if turn.request.mine is None or turn.stored_id is None:
        return False
    state = turn.state
    loops = {"source": "loop"}
    found = yield Store(History(state.thread_id, state.ns, loops, limit=_STEPS_BACK))
    return any(step.parent_id == turn.stored_id for step in found)


def _reload(turn: Turn) -> Generator[Effect, Any, bool]:
    """Read what others stored on our checkpoint; False if it is not stored yet.

    Raises `StaleThreadError` if it was, and is no more: nobody else has our tasks then.
    """
    state = turn.state
    loaded: Loaded | None = yield Store(Load(state.thread_id, state.ns, state.checkpoint_id))
    if loaded is None and turn.stored_id == state.checkpoint_id:
        head: Loaded | None = yield Store(Load(state.thread_id, state.ns))
        found = None if head is None else head.checkpoint_id
        raise StaleThreadError(state.thread_id, state.checkpoint_id, found)
    if loaded is None:
        return False
    state.take_pending(loaded)
    return True


def _under(turn: Turn, task: Task) -> list[InterruptRow]:
    """Every question of the task and of what runs in it that counts, used or not."""
    return asked_under(turn.state.rows, task.id)


def _finished_elsewhere(turn: Turn, task: Task) -> bool:
    writes = outcome_of(turn.state, task)
    if writes is None:
        return False
    task.writes, task.pause, task.cached = writes, None, True
    return True


def _takes(turn: Turn, task: Task) -> Generator[Effect, Any, bool]:
    """Whether this run starts the paused task again, with what was answered meanwhile."""
    under = _under(turn, task)
    task.pause = tuple(row for row in under if row.status == "open")
    mine = turn.request.mine or set()
    if not any(row.id in mine for row in under) or not _can_advance(under):
        return False
    what = (task.id, *sorted(f"{row.id}{row.status}{row.done}" for row in under))
    if what in turn.tried:
        return False
    if not (yield from _own(turn, task, under)):
        return False
    turn.tried.add(what)
    return True


def _can_advance(under: Sequence[InterruptRow]) -> bool:
    """An asking task has all its answers and has not finished, or nothing is left to wait for."""
    waiting = {row.task_id for row in under if row.status == "open"}
    return not waiting or any(not r.done and r.task_id not in waiting for r in under)


# --- claims -----------------------------------------------------------------------------------


def _own(turn: Turn, task: Task, under: Sequence[InterruptRow]) -> Generator[Effect, Any, bool]:
    """Claim the task, unless its questions are all this run's; then all its answers are this run's.

    False too if the owner before has finished it, which the task then knows.
    """
    mine = turn.request.mine
    if mine is None:
        return False
    if task.id not in turn.claims and _needs_claim(turn, under):
        if not (yield from _claim(turn, task)) or _finished_elsewhere(turn, task):
            return False
        under = _under(turn, task)
    mine.update(row.id for row in under if row.status == "answered")
    task.rows = [row for row in turn.state.rows if row.task_id == task.id]
    return True


def _needs_claim(turn: Turn, under: Sequence[InterruptRow]) -> bool:
    """Others answer questions of the task too; or they are asked in a nested graph, where they are
    out of sight once used, so that the claim is what shows that the task is being worked on."""
    mine = turn.request.mine or set()
    return any(row.id not in mine or row.ns != turn.state.ns for row in under)


def _held_elsewhere(turn: Turn, task: Task) -> bool:
    _, holder = _holder(turn, task)
    return holder not in (None, turn.request.token()) and turn.request.alive(str(holder))


def _claim_id(turn: Turn, task: Task, turn_no: int, what: str) -> str:
    state = turn.state
    place = f"{task.id}\x1f{turn_no}\x1f{what}"
    return task_id(state.checkpoint_id, state.ns, task.step, CLAIM, place)


def _holder(turn: Turn, task: Task) -> tuple[int, str | None]:
    """The number of the claim that counts now, and whose it is."""
    number, writes = 0, turn.state.writes
    while _claim_id(turn, task, number, "released") in writes:
        number += 1
    held = writes.get(_claim_id(turn, task, number, "claimed"))
    return number, held[0][1] if held else None


def _write(turn: Turn, id: str, token: str) -> Store:
    state = turn.state
    return Store(
        PutWrites(state.thread_id, state.ns, state.checkpoint_id, id, "", [(CLAIM, token)])
    )


def _claim(turn: Turn, task: Task) -> Generator[Effect, Any, bool]:
    """Exactly one run gets True until it releases the task or is dead."""
    token = turn.request.token()
    yield from _reload(turn)
    number, holder = _holder(turn, task)
    if holder is not None and holder != token and not turn.request.alive(holder):
        yield _write(turn, _claim_id(turn, task, number, "released"), holder)
        number, holder = number + 1, None
    if holder is None:
        yield _write(turn, _claim_id(turn, task, number, "claimed"), token)
        yield from _reload(turn)
        number, holder = _holder(turn, task)
    if holder != token:
        return False
    turn.claims[task.id] = _claim_id(turn, task, number, "released")
    return True


def _release(turn: Turn, tasks: Sequence[Task]) -> Generator[Effect, Any, bool]:
    """Give up the claims on ``tasks``; True if there were any."""
    held = [turn.claims.pop(task.id) for task in tasks if task.id in turn.claims]
    for id in held:
        yield _write(turn, id, turn.request.token())
    return bool(held)
