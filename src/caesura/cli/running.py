"""Running a program at a terminal until it is finished, whatever happens in between.

A run is a loop of turns. A turn hands the program an input, an answer, or nothing (go on), and ends
when the program is finished, waits for a person, or fails. Where there is a terminal the questions
are asked there, one at a time, and each answer goes into the program at once: an answer that was
accepted is stored, so ctrl-C and kill lose nothing, and the same command goes on. What is known
about a thread is read from the store each time; this module remembers nothing.
"""

from __future__ import annotations

import hashlib
import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from caesura.cli import form
from caesura.cli.loading import Reference
from caesura.cli.outcomes import Exit, Stop, this_command, usage
from caesura.cli.showing import Progress, Screen, as_json, readable
from caesura.errors import InvalidAnswerError, ProgramChangedError, ResumeError
from caesura.types import Command, Interrupt

PROGRAM: Final = "caesura_program"
"""Key of a checkpoint's metadata: the program's file and name."""
INPUT: Final = "caesura_input"
"""Key of a checkpoint's metadata: digest of the input that the run began with."""
AS_LANGGRAPH: Final = "caesura_langgraph"
"""Key of a checkpoint's metadata: the program's ``import langgraph`` means Caesura."""
GO_ON: Final = None
"""The input that lets a program continue where it stands."""
NO_INPUT: Final = object()


@dataclass
class Running:
    """One thread of one program, with the means to show and ask."""

    program: Any
    reference: Reference
    thread_id: str
    db: str
    screen: Screen
    at_terminal: bool
    stream: str | None = None
    digest: str | None = None
    refused: dict[str, str] = field(default_factory=dict)
    """Interrupt id → why the answer just given to it was refused."""

    @property
    def config(self) -> dict[str, Any]:
        """The config of every call: the thread, and what checkpoints remember of this command."""
        metadata = {PROGRAM: str(self.reference)}
        if self.digest is not None:
            metadata[INPUT] = self.digest
        if self.reference.as_langgraph:
            metadata[AS_LANGGRAPH] = "yes"
        return {"configurable": {"thread_id": self.thread_id}, "metadata": metadata}

    def snapshot(self) -> Any:
        """The thread as it is stored now."""
        return self.program.get_state({"configurable": {"thread_id": self.thread_id}})

    def go(self, request: Any) -> None:
        """Take turns until the program is finished. Raises `Stop` where nobody can be asked."""
        while True:
            output = self._turn(request)
            now = self.snapshot()
            if now.interrupts:
                request = self._answered(now.interrupts)
            elif now.next:
                request = self.passed_breakpoint(now.next)
            else:
                return self.finished(now.values if output is NO_INPUT else output)

    def _turn(self, request: Any) -> Any:
        """One turn → the program's last output, or `NO_INPUT` if it gave none."""
        output: Any = NO_INPUT
        modes = list(dict.fromkeys(["values", "tasks", *([self.stream] if self.stream else [])]))
        try:
            with Progress(self.screen, time.monotonic) as progress:
                for mode, item in self.program.stream(request, self.config, stream_mode=modes):
                    if mode == "tasks":
                        progress.note(item)
                    if mode == "values" and not (
                        isinstance(item, dict) and "__interrupt__" in item
                    ):
                        output = item
                    if mode == self.stream:
                        self._show_item(mode, item)
        except InvalidAnswerError as refusal:
            if not self.at_terminal or refusal.interrupt_id is None:
                raise
            self.refused[refusal.interrupt_id] = form.reasons(refusal.errors)
        except ResumeError as refusal:
            if not self.at_terminal or isinstance(refusal, ProgramChangedError):
                raise
            self.screen.say(str(refusal), style="yellow")
        return output

    def _show_item(self, mode: str, item: Any) -> None:
        if self.screen.lines:
            self.screen.line("stream", mode=mode, data=item)
        else:
            self.screen.result(f"{mode}: {as_json(item)}")

    def finished(self, output: Any) -> None:
        """Print what came out."""
        if self.screen.lines:
            self.screen.line("finished", thread_id=self.thread_id, output=output)
        else:
            self.screen.result(readable(output))

    # --- where it waits ----------------------------------------------------------------------

    def _answered(self, waiting: Sequence[Interrupt]) -> Any:
        """Ask for the first of what is waiting → the request that carries the answer."""
        if self.screen.lines:
            shown = [self._described(item) for item in waiting]
            self.screen.line("waiting", thread_id=self.thread_id, interrupts=shown)
        if not self.at_terminal:
            raise Stop(Exit.WAITING, "" if self.screen.lines else self._how_to_answer(waiting))
        asked = next((item for item in waiting if item.id in self.refused), waiting[0])
        number = list(waiting).index(asked) + 1
        self.screen.question(asked, self.thread_id, number, len(waiting))
        if problem := self.refused.pop(asked.id, None):
            self.screen.say(f"  ✗ {problem}", style="red")
        return Command(resume={asked.id: self._filled(asked)})

    def _filled(self, asked: Interrupt) -> Any:
        fields = form.fill(asked.response_schema)
        try:
            wanted = next(fields)
            while True:
                wanted = fields.send(self.screen.prompt(wanted))
        except StopIteration as done:
            return done.value
        except EOFError:
            raise Stop(Exit.WAITING, f"\nNot answered. {self._same_command()}") from None

    def passed_breakpoint(self, following: Sequence[str]) -> Any:
        """A stop that the program's builder set: nothing is asked, somebody says go on."""
        names = ", ".join(following)
        if self.screen.lines:
            self.screen.line("stopped", thread_id=self.thread_id, next=list(following))
        if not self.at_terminal:
            raise Stop(Exit.WAITING, f"Stopped before {names}. {self._same_command()}")
        wanted = form.Field(f"Stopped before {names}. Go on?", "boolean", default=True)
        try:
            if form.value_of(wanted, self.screen.prompt(wanted)):
                return GO_ON
        except (form.Refused, EOFError):
            pass
        raise Stop(Exit.WAITING, f"Stopped before {names}. {self._same_command()}")

    def _described(self, item: Interrupt) -> dict[str, Any]:
        return {
            "id": item.id,
            "title": item.title,
            "payload": item.value,
            "response_schema": item.response_schema,
            "answer_with": self.answer_command(item),
        }

    def _how_to_answer(self, waiting: Sequence[Interrupt]) -> str:
        parts = [f"Thread {self.thread_id} waits for a person."]
        for item in waiting:
            body = "" if item.value is None else "\n" + _indented(readable(item.value))
            parts.append(f"{item.title or 'A question'}{body}")
            parts.append(f"  Answer with:\n  {self.answer_command(item)}")
        return "\n\n".join(parts)

    def answer_command(self, item: Interrupt) -> str:
        """The shell command that answers ``item``, with an answer of the right shape to edit."""
        answer = form.example(item.response_schema)
        text = answer if isinstance(answer, str) else as_json(answer)
        return shlex.join([*this_command(), "answer", item.id, text, "--db", self.db])

    def _same_command(self) -> str:
        words = [*this_command(), "run", str(self.reference), "--thread", self.thread_id]
        return f"This goes on:\n  {shlex.join([*words, '--db', self.db])}"


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())


# --- how a run begins ------------------------------------------------------------------------


def first_request(running: Running, given: Any, answers: Sequence[tuple[str, str]]) -> Any:
    """What the first turn hands in: an input, answers, or nothing.

    ``given`` is the input or `NO_INPUT`. An input for a thread that is unfinished is taken as "the
    same command again" if it is the input that the run began with, and refused otherwise: it would
    throw away what waits. Raises `Stop`; returns `NO_INPUT` if there is nothing to do.
    """
    now = running.snapshot()
    began_with = (now.metadata or {}).get(INPUT)
    unfinished = bool(now.next or now.interrupts)
    if answers:
        running.digest = began_with
        return Command(resume=_answer_map(now.interrupts, answers))
    if given is NO_INPUT:
        running.digest = began_with
        if unfinished:
            return _going_on(running, now)
        return NO_INPUT if now.created_at else _default_input(running.program)
    running.digest = digest_of_input(given)
    if not unfinished:
        return given
    if began_with == running.digest:
        return _going_on(running, now)
    raise usage(
        f"Thread {running.thread_id} is unfinished, and a new input would drop what waits on it. "
        f"Leave --input out to go on with it, or begin another one with --thread."
    )


def _going_on(running: Running, now: Any) -> Any:
    """Nothing to hand in; but a person passes a stop that the builder set, if there is one."""
    before = running.program.interrupt_before_nodes
    stopped = before == "*" or any(name in before for name in now.next)
    if stopped and running.at_terminal and not now.interrupts:
        return running.passed_breakpoint(now.next)
    return GO_ON


def digest_of_input(given: Any) -> str:
    """A digest that tells one input from another."""
    return hashlib.sha256(as_json(given).encode()).hexdigest()[:16]


def _default_input(program: Any) -> Any:
    if getattr(program, "builder", None) is None:
        raise usage("An entrypoint needs an input to begin with: --input JSON.")
    return {}


def _answer_map(waiting: Sequence[Interrupt], answers: Sequence[tuple[str, str]]) -> dict[str, Any]:
    chosen: dict[str, Any] = {}
    for start, text in answers:
        item = _only([item for item in waiting if item.id.startswith(start)], start, waiting)
        chosen[item.id] = checked(item.response_schema, text, item.id, waiting)
    return chosen


def _only(found: Sequence[Interrupt], start: str, waiting: Sequence[Interrupt]) -> Interrupt:
    if len(found) == 1:
        return found[0]
    problem = "Several interrupts begin" if found else "No open interrupt begins"
    raise Stop(
        Exit.REFUSED,
        f"{problem} with {start!r}. Nothing was changed. Waiting now:\n"
        + ("\n".join(f"  {item.id}  {item.title or ''}" for item in waiting) or "  nothing"),
        "unknown_interrupt",
    )


def checked(schema: Any, text: str, interrupt_id: str, waiting: Sequence[Any] = ()) -> Any:
    """The answer that ``text`` means. Raises `InvalidAnswerError` with what is wrong."""
    value, errors = form.parse(schema, text)
    if errors:
        raise InvalidAnswerError(errors, interrupt_id, waiting)
    return value
