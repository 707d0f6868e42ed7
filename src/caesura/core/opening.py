"""How a run begins: with new input, with answers, or where it stood.

The input decides. ``None`` goes on from the addressed checkpoint; on one that is not the newest, it
forks there. A `Command` answers interrupts, updates the state or names nodes to run, then goes on.
Anything else is new input, which ends whatever the thread was waiting for.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any

from caesura.checkpoint.operations import (
    Accept,
    Answer,
    History,
    InterruptRow,
    Load,
    Loaded,
    PutWrites,
    TaskWrites,
)
from caesura.constants import CALLER, END, INTERRUPT, NULL_TASK_ID, START, TASKS
from caesura.core.apply import Source, apply_writes
from caesura.core.effects import Effect, Emit, Store
from caesura.core.plan import plan
from caesura.core.program import Write
from caesura.core.replaying import rebuilt
from caesura.core.state import ThreadState
from caesura.errors import (
    EmptyInputError,
    InvalidUpdateError,
    ProgramChangedError,
    UnknownThreadError,
)
from caesura.interrupts.binding import (
    answers_for_withdrawn,
    bind,
    is_answer_map,
    refuse_second_answer,
)
from caesura.interrupts.lifecycle import open_interrupts
from caesura.types import (
    Command,
    Send,
    invalid_command_target,
    iterate_goto,
    update_as_tuples,
)

if TYPE_CHECKING:
    from caesura.core.turn import Turn

Steps = Generator[Effect, Any, None]
_NULL_PREFIX = NULL_TASK_ID[:24]


def open_thread(turn: Turn) -> Steps:
    """Bring ``turn.state`` to where the first step is planned."""
    request = turn.request
    if request.stored:
        loaded = yield from _load(turn)
    else:
        loaded = None
        _refuse_resume_unstored(request.input)
    if loaded is None:
        yield from _begin(turn)
        return
    loaded = yield from rebuilt(request.program, loaded)
    turn.state = ThreadState.from_loaded(
        request.program, loaded, stored=True, next_version=request.next_version
    )
    turn.stored_id, turn.stored_head = loaded.checkpoint_id, loaded.head_id
    turn.stop = turn.state.step + request.recursion_limit + 2
    apply_command_writes(turn.state)
    turn.state.mine = request.mine
    if request.nested and loaded.metadata.get(CALLER) == request.caller:
        yield from _resume(turn)
    elif isinstance(request.input, Command):
        yield from _obey(turn, request.input)
    elif request.input is None:
        yield from _resume(turn)
    else:
        yield from _take_input(turn, request.input)


def _load(turn: Turn) -> Generator[Effect, Any, Loaded | None]:
    request = turn.request
    loaded: Loaded | None = yield Store(
        Load(request.thread_id, request.ns, request.checkpoint_id, request.older_than)
    )
    if loaded is None or not request.nested or loaded.metadata.get(CALLER) == request.caller:
        return loaded
    # A lasting history: this very call may have been answered for before later ones were made.
    found = yield Store(History(request.thread_id, request.ns, {CALLER: request.caller}, limit=1))
    for earlier in found:
        return earlier  # type: ignore[no-any-return]
    return loaded


# --- a thread without a checkpoint ------------------------------------------------------------


def _begin(turn: Turn) -> Steps:
    request = turn.request
    turn.state = ThreadState.empty(
        request.program,
        request.thread_id,
        request.ns,
        stored=request.stored,
        next_version=request.next_version,
    )
    if not request.stored:
        # A nested graph must plan the same task ids when the task around it runs again.
        turn.state.checkpoint_id = request.ns if request.nested else request.mint(None)
        turn.state.rows = list(request.rows)
        turn.state.mine = request.mine
    turn.stop = turn.state.step + request.recursion_limit + 2
    given = request.input
    extra: list[Write] = []
    if isinstance(given, Command):
        _check_command(given)
        if given.resume is not None and not request.lenient:
            raise UnknownThreadError(
                f"A resume was handed in for thread {request.thread_id!r}, which does not exist."
            )
        extra = _goto_writes(turn, given)
        given = dict(update_as_tuples(given.update))
    if given is None:
        channels = request.program.input_channels
        expected = channels if isinstance(channels, str) else list(channels)
        raise EmptyInputError(f"Received no input for {expected}")
    yield from _take_input(turn, given, extra)


def _refuse_resume_unstored(given: Any) -> None:
    if isinstance(given, Command) and given.resume is not None:
        raise RuntimeError("Cannot use Command(resume=...) without checkpointer")


# --- new input --------------------------------------------------------------------------------


def _take_input(turn: Turn, given: Any, extra: Sequence[Write] = ()) -> Steps:
    """Write the input; whatever the thread was waiting for is withdrawn."""
    state, request = turn.state, turn.request
    writes = [*_input_writes(turn, given), *extra]
    withdraw = "new input" if turn.may_wait() else None
    abandoned = plan(state, turn.stop) if state.versions else []
    sources: list[Source] = [(task.name, task.triggers, ()) for task in abandoned]
    state.updated = apply_writes(state, [*sources, ("", (), writes)])
    state.writes = {}
    if request.stored:
        state.rows = []
    yield from turn.save("input", state.step + 1, withdraw=withdraw)


def _input_writes(turn: Turn, given: Any) -> list[Write]:
    channels = turn.request.program.input_channels
    if isinstance(channels, str):
        return [(channels, given)]
    if not isinstance(given, dict):
        raise TypeError(f"Expected a dict with keys among {list(channels)}, got {given!r}")
    writes = [(key, given[key]) for key in given if key in channels]
    if not writes:
        raise EmptyInputError(f"Received no input for {list(channels)}")
    return writes


# --- going on ---------------------------------------------------------------------------------


def _resume(turn: Turn) -> Steps:
    """Go on where the checkpoint stands; fork if it is not the newest."""
    state, request = turn.state, turn.request
    if request.input is None and not request.nested:
        _refuse_if_askers_are_gone(turn)
    if state.checkpoint_id != state.head_id and not request.nested:
        if not plan(state, turn.stop):
            turn.shown_values = True
            return
        yield from _fork(turn)
    turn.resumed = True
    if request.before or request.after:
        state.seen[INTERRUPT] = dict(state.versions)
        state.seen_changed.add(INTERRUPT)
    turn.stands_on_stored()
    turn.shown_values = True
    yield from turn.tell_resume()
    if "values" in request.wants:
        yield Emit("values", state.read(turn.keys))


def _refuse_if_askers_are_gone(turn: Turn) -> None:
    """A question whose task this program does not plan any more takes no answer, and ends no run."""
    state = turn.state
    waiting = [row for row in state.rows if row.status == "open" or _is_unused(row, state)]
    if not waiting or state.ns or state.checkpoint_id != state.head_id:
        return
    planned, state.notes = {task.id for task in plan(state, turn.stop)}, []
    lost = [row for row in waiting if (*row.ancestors, row.task_id)[0] not in planned]
    if lost:
        raise ProgramChangedError(sorted({row.node for row in lost}), open_interrupts(lost))


def _is_unused(row: InterruptRow, state: ThreadState) -> bool:
    """Its answer was accepted on this very checkpoint, and no run has used it."""
    here = row.ns == state.ns and row.checkpoint_id == state.checkpoint_id
    return here and row.status == "answered" and not row.done


def _fork(turn: Turn) -> Steps:
    """A branch from an older checkpoint: its tasks run again, whatever they did the first time."""
    state = turn.state
    turn.rewound_from = state.checkpoint_id
    state.writes, state.rows = {}, []
    yield from turn.save("fork", state.step + 1, withdraw="the thread went on from an older point")


# --- commands ---------------------------------------------------------------------------------


def _check_command(command: Command[Any]) -> None:
    if command.graph == Command.PARENT:
        raise invalid_command_target()
    if command.resume is None and command.update is None and not command.goto:
        raise EmptyInputError(
            "The Command carries no resume, no update and no goto. Nothing was started. To answer "
            "an interrupt with None, name it: Command(resume={interrupt_id: None})."
        )


def _obey(turn: Turn, command: Command[Any]) -> Steps:
    state, request = turn.state, turn.request
    _check_command(command)
    writes = [*_update_writes(turn, command), *_goto_writes(turn, command)]
    if _was_written(state, request.run_id):
        writes = []
    answers = _answers(turn, command.resume)
    _refuse_if_askers_are_gone(turn)
    stored = [TaskWrites(_null_task(state, request.run_id), "", writes)] if writes else []
    if answers:
        accepted = yield Store(
            Accept(request.thread_id, answers, request.now(), state.ns, state.checkpoint_id, stored)
        )
        _note_answers(state, accepted)
        request.mine = {row.id for row in accepted}
    elif stored:
        yield Store(
            PutWrites(
                request.thread_id, state.ns, state.checkpoint_id, stored[0].task_id, "", writes
            )
        )
    if writes:
        apply_writes(state, [("", (), writes)])
    state.updated, state.mine = None, request.mine
    yield from _resume(turn)


def _answers(turn: Turn, resume: Any) -> list[Answer]:
    """Bind the resume to interrupts; see `caesura.core.answers.bind`."""
    if resume is None:
        return []
    state, request = turn.state, turn.request
    lenient = request.lenient and not request.strict_resume
    rows: list[InterruptRow] = state.rows
    if state.checkpoint_id != state.head_id:
        rows = [row for row in rows if row.checkpoint_id == state.checkpoint_id]
        refuse_second_answer(rows)
        turn.loose = answers_for_withdrawn(resume, rows)
        if turn.loose:
            return []
    answers = bind(resume, rows, lenient=lenient)
    if not answers and lenient and not is_answer_map(resume) and not rows:
        turn.loose = [resume] if plan(state, turn.stop) else []
    return [replace_actor(answer, request.actor) for answer in answers]


def replace_actor(answer: Answer, actor: str | None) -> Answer:
    """The answer, with who gave it."""
    return answer if actor is None else answer._replace(actor=actor)


def _note_answers(state: ThreadState, accepted: Sequence[InterruptRow]) -> None:
    by_id = {row.id: row for row in accepted}
    state.rows = [by_id.pop(row.id, row) for row in state.rows]
    state.rows += by_id.values()


def _update_writes(turn: Turn, command: Command[Any]) -> list[Write]:
    channels, writes = turn.request.program.channels, []
    for key, value in update_as_tuples(command.update):
        if key in channels:
            writes.append((key, value))
    return writes


def _goto_writes(turn: Turn, command: Command[Any]) -> list[Write]:
    channels = turn.request.program.channels
    writes: list[Write] = []
    for target in iterate_goto(command.goto) if command.goto else ():
        if isinstance(target, Send):
            if target.node == END:
                raise InvalidUpdateError("Cannot send a packet to the END node")
            writes.append((TASKS, target))
        else:
            channel = f"branch:to:{target}"
            if channel in channels:
                writes.append((channel, START))
            elif target != END:
                turn.state.notes.append(f"Command wrote to unknown channel {channel}, ignoring it.")
    return writes


def is_null_task(task_id: str) -> bool:
    """True for the ids under which the writes of a `Command` input are stored."""
    return task_id.startswith(_NULL_PREFIX)


def _null_task(state: ThreadState, run_id: str | None) -> str:
    """An id for this command's writes; each further command on a checkpoint takes the next."""
    taken = sum(1 for task in state.writes if is_null_task(task))
    return f"{_NULL_PREFIX}{taken:04d}{_mark_of(run_id)}"


def _mark_of(run_id: str | None) -> str:
    from hashlib import sha256  # brings OpenSSL along

    return sha256(run_id.encode()).hexdigest()[:8] if run_id else "0" * 8


def _was_written(state: ThreadState, run_id: str | None) -> bool:
    """An earlier attempt at this run stored its command's writes already."""
    mark = _mark_of(run_id)
    return bool(run_id) and any(is_null_task(t) and t.endswith(mark) for t in state.writes)


def apply_command_writes(state: ThreadState) -> None:
    """Fold in what earlier `Command`s wrote on this checkpoint."""
    for task in sorted(t for t in state.writes if is_null_task(t)):
        apply_writes(state, [("", (), state.writes[task])])
    state.updated = None
