"""Calls that must not happen twice: ``@task(effect=True)``.

The journal of a call is kept beside the checkpoint it is made on, as writes under ids of their own:
*started* before the function is called, *ended* where it is certain that nothing happened. The result
is the call's own, as any task's. So there are four cases:

- nothing is stored: the call is started, and the function is called;
- a result is stored: it is returned (`core.calls.adopt_call`);
- started and ended: the next try is started;
- started, and nothing after it: the outcome is unknown. The function is not called; a person is asked.

*Started* is kept as first written and read back, so that of several runs exactly one calls the
function. A function that raises leaves the outcome unknown too, unless the exception is one of those
that are known to mean that nothing happened.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from caesura.asking import Question
from caesura.checkpoint.operations import Load, Loaded, PutWrites
from caesura.constants import EFFECT, RETURN
from caesura.core.effects import Store
from caesura.core.ids import task_id
from caesura.core.state import Task
from caesura.digests import plain_json
from caesura.errors import (
    EffectOutcomeUnknownError,
    EffectRefusedError,
    EffectUnderWayError,
    GraphBubbleUp,
    SerializationError,
    StaleThreadError,
    TaskReplayMismatchError,
)

if TYPE_CHECKING:
    from caesura.core.turn import Turn

STARTED: Final = "started"
ENDED: Final = "ended"
_CONTROL: Final = (EffectRefusedError, GraphBubbleUp)


class _Body:
    """Asks the driver to call the function; it sends the result in, or throws what it raised."""

    __slots__ = ()


BODY: Final = _Body()
Steps = Generator[Store | _Body, Any, Any]


class Once(NamedTuple):
    """What is known of a function that must not be called twice with one purpose."""

    name: str
    not_done: tuple[type[Exception], ...]
    """Exceptions that mean for certain that nothing happened."""
    returns: Any
    """The declared type of the result; None if there is none."""
    named: Callable[[tuple[Any, ...], Mapping[str, Any]], Any]
    """Arguments → what a person is shown of them."""


class OneCall(NamedTuple):
    """A call that must not happen twice, and what its run lends it."""

    turn: Turn
    task: Task
    once: Once
    digest: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    ask: Callable[[Question], Any]
    """Returns the typed answer; raises the pause if there is none."""
    runs_here: Callable[[str], bool]
    """True if a run of that token is certainly still going on."""

    def steps(self) -> Steps:
        """Everything there is to do; returns the result.

        Raises what the function raised if that is known to mean that nothing happened, and
        `EffectOutcomeUnknownError`, `EffectUnderWayError` or `TaskReplayMismatchError`.
        """
        number = 0
        while True:
            if self._entry(number, ENDED) is not None:
                number += 1
                continue
            entry, failure = self._entry(number, STARTED), None
            if entry is None:
                entry = yield from self._start(number)
                if self.task.cached:
                    return self.task.result
                if entry["by"] == self.turn.request.token():
                    try:
                        return (yield BODY)
                    except self.once.not_done as error:
                        yield self._note(number, ENDED, {"error": repr(error)})
                        raise
                    except _CONTROL:
                        raise
                    except Exception as error:
                        failure = error
            answer = self._ask(number, entry, failure)
            if answer["outcome"] == "done":
                return _typed(self.once.returns, answer.get("result"))
            if answer["outcome"] == "give_up":
                raise EffectOutcomeUnknownError(self.once.name, entry["at"]) from failure
            number += 1

    # --- the journal -------------------------------------------------------------------------

    def _id(self, number: int, what: str) -> str:
        state, task = self.turn.state, self.task
        place = f"{task.id}\x1f{number}\x1f{what}"
        return task_id(state.checkpoint_id, state.ns, task.step, EFFECT, place)

    def _entry(self, number: int, what: str) -> dict[str, Any] | None:
        writes = self.turn.state.writes.get(self._id(number, what))
        return writes[0][1] if writes else None

    def _note(self, number: int, what: str, entry: dict[str, Any]) -> Store:
        state, id = self.turn.state, self._id(number, what)
        state.writes[id] = writes = [(EFFECT, entry)]
        note = PutWrites(state.thread_id, state.ns, state.checkpoint_id, id, "", writes, sync="now")
        return Store(note)

    def _start(self, number: int) -> Generator[Store, Any, dict[str, Any]]:
        """Store that the call starts → the entry that counts, which another run may have written."""
        state, id, request = self.turn.state, self._id(number, STARTED), self.turn.request
        mine = {"by": request.token(), "at": request.now(), "digest": self.digest}
        noted = self._note(number, STARTED, mine)
        del state.writes[id]  # until it is known whose counts
        yield noted
        loaded: Loaded | None = yield Store(Load(state.thread_id, state.ns, state.checkpoint_id))
        found = {} if loaded is None else _by_task(loaded, (id, self.task.id))
        if id not in found:
            raise StaleThreadError(state.thread_id, state.checkpoint_id, None)
        state.writes.update(found)
        for channel, value in found.get(self.task.id, ()):
            if channel == RETURN:
                self.task.result, self.task.cached = value, True
        entry: dict[str, Any] = found[id][0][1]
        return entry

    # --- the question ------------------------------------------------------------------------

    def _ask(self, number: int, entry: Mapping[str, Any], failure: Exception | None) -> Any:
        if entry["digest"] != self.digest:
            raise TaskReplayMismatchError(
                f"Task {self.once.name!r} was started at {entry['at']} with other arguments, and "
                "whether it happened is unknown. Nothing was run. Call it with the same arguments "
                "whenever the program runs again, or start the thread anew."
            )
        key = f"outcome-{number + 1}"
        asked = any(row.key == key for row in self.task.rows)
        holder = entry["by"]
        if not asked and holder != self.turn.request.token() and self.runs_here(holder):
            raise EffectUnderWayError(self.once.name, self.turn.state.thread_id, entry["at"])
        return self.ask(
            Question(
                self._payload(entry, failure),
                answer_schema(self.once.returns),
                key,
                f"Did `{self.once.name}` happen?",
                digest_of=lambda payload: [self.once.name, number, self.digest],
            )
        )

    def _payload(self, entry: Mapping[str, Any], failure: Exception | None) -> dict[str, Any]:
        shown: dict[str, Any] = {"task": self.once.name}
        with contextlib.suppress(SerializationError):  # then the digest must do
            shown["arguments"] = plain_json(self.once.named(self.args, self.kwargs))
        shown |= {"arguments_digest": self.digest, "started_at": entry["at"]}
        if failure is not None:
            shown["error"] = f"{type(failure).__name__}: {failure}"
        return shown


def _by_task(loaded: Loaded, tasks: tuple[str, ...]) -> dict[str, list[tuple[str, Any]]]:
    found: dict[str, list[tuple[str, Any]]] = {}
    for task, channel, value in loaded.writes:
        if task in tasks:
            found.setdefault(task, []).append((channel, value))
    return found


def answer_schema(returns: Any) -> dict[str, Any]:
    """The JSON Schema of an answer to "did it happen?"; ``returns``: the type of a result."""
    result = _result_schema(returns)
    definitions = result.pop("$defs", {})
    done: dict[str, Any] = {"outcome": {"const": "done"}}
    if returns is not type(None):
        done["result"] = {"description": "What the call returned.", **result}
    wanted = [*done] if result else ["outcome"]
    schema = {
        "oneOf": [
            _form("It happened", done, wanted),
            _form("It did not happen: run it", {"outcome": {"const": "not_done"}}),
            _form("Nobody knows: give up", {"outcome": {"const": "give_up"}}),
        ]
    }
    return {**schema, "$defs": definitions} if definitions else schema


def _form(title: str, properties: dict[str, Any], required: list[str] | None = None) -> Any:
    return {
        "title": title,
        "type": "object",
        "properties": properties,
        "required": required or ["outcome"],
        "additionalProperties": False,
    }


def _result_schema(returns: Any) -> dict[str, Any]:
    """Empty where anything goes: nothing is declared, or what is has no form in JSON."""
    if returns is None or returns is type(None):
        return {}
    from caesura.schemas.describing import json_schema_of

    try:
        return dict(json_schema_of(returns) or {})
    except Exception:
        return {}


def _typed(returns: Any, result: Any) -> Any:
    if not _result_schema(returns):
        return result
    from caesura.schemas.converting import parse_answer

    return parse_answer(returns, result)
