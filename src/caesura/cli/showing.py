"""What people see: panels, tables and prompts; and the JSON lines that programs read instead."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from caesura.cli.form import NOTHING, Field
from caesura.types import Interrupt

SHORT_ID = 12
"""Characters of an interrupt id in lists; any unique beginning of one is understood."""


def plain(value: Any) -> Any:
    """``value`` in terms of JSON: models and dataclasses as dicts, anything else as its text."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if hasattr(value, "model_dump"):
        return plain(value.model_dump())
    if is_dataclass(value) and not isinstance(value, type):
        return plain({f.name: getattr(value, f.name) for f in fields(value)})
    if isinstance(value, Interrupt):
        return {"id": value.id, "value": plain(value.value)}
    if hasattr(value, "_asdict"):
        return plain(value._asdict())
    return str(value)


def as_json(value: Any, *, indent: int | None = None) -> str:
    """``value`` as JSON text."""
    return json.dumps(plain(value), ensure_ascii=False, indent=indent)


def readable(value: Any) -> str:
    """``value`` as people read it: a text as it is, a flat dict as lines, anything else as JSON."""
    shown = plain(value)
    if isinstance(shown, str):
        return shown
    if isinstance(shown, dict) and shown and all(_is_flat(item) for item in shown.values()):
        width = max(len(key) for key in shown)
        return "\n".join(f"{key:<{width}}  {_flat(item)}" for key, item in shown.items())
    return as_json(shown, indent=2)


def _is_flat(item: Any) -> bool:
    return not isinstance(item, dict | list) or not item


def _flat(item: Any) -> str:
    return item if isinstance(item, str) else as_json(item)


def one_line(value: Any, width: int = 60) -> str:
    """``value`` on one line of at most ``width`` characters."""
    text = value if isinstance(value, str) else as_json(value)
    text = " ".join(text.split())
    return text if len(text) <= width else text[: width - 1] + "…"


class Screen:
    """Where a command writes: results to stdout, everything about them to stderr.

    With ``lines`` stdout carries JSON only, one object a line, and no colours or panels.
    """

    def __init__(self, *, lines: bool = False, out: IO[str] | None = None) -> None:
        self.lines = lines
        self.out = Console(file=out or sys.stdout, highlight=False, soft_wrap=True)
        self.err = Console(stderr=True, highlight=False, soft_wrap=True)

    def line(self, event: str, **fields: Any) -> None:
        """One JSON object on stdout."""
        print(as_json({"event": event, **fields}), file=self.out.file, flush=True)

    def say(self, text: str, style: str | None = None) -> None:
        """A remark on stderr, left out where programs read."""
        if not self.lines:
            self.err.print(escape(text), style=style)

    def complain(self, text: str, name: str) -> None:
        """Why the command failed."""
        if self.lines:
            self.line("error", code=name, message=text)
        else:
            self.err.print(f"[bold red]error:[/] {escape(text)}")

    def result(self, text: str) -> None:
        """The outcome on stdout."""
        print(text, file=self.out.file, flush=True)

    def question(self, interrupt: Any, thread_id: str, number: int, of: int) -> None:
        """An interrupt as a panel: its title and payload."""
        heading = interrupt.title or "A question"
        if of > 1:
            heading += f" ({number} of {of})"
        payload = interrupt.value
        body = escape(readable(payload)) if payload is not None else ""
        self.err.print(
            Panel(
                body,
                title=f"[bold]{escape(heading)}[/]",
                subtitle=f"[dim]{escape(thread_id)} · {interrupt.id[:SHORT_ID]}[/]",
                title_align="left",
                subtitle_align="right",
                border_style="cyan",
                padding=(1, 2),
            ),
            soft_wrap=False,
        )

    def prompt(self, field: Field) -> str:
        """Show one field of a form and read a line. Raises EOFError at the end of the input."""
        if field.problem:
            self.err.print(f"  [red]✗ {escape(field.problem)}[/]")
        if field.help:
            self.err.print(f"  [dim]{escape(field.help)}[/]")
        if field.kind == "choice":
            for number, label in enumerate(field.labels, 1):
                self.err.print(f"  [cyan]{number}[/]  {escape(label)}")
        self.err.print(f"[bold]{escape(field.label)}[/]{escape(_hint(field))}: ", end="")
        return _read_line()

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Rows under headings, on stdout."""
        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in columns:
            table.add_column(column, overflow="fold")
        for row in rows:
            table.add_row(*map(escape, row))
        self.out.print(table, soft_wrap=self.out.is_terminal is False)


def _read_line() -> str:
    sys.stderr.flush()
    _await_input()
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line.rstrip("\r\n")


def _await_input() -> None:
    """Until there is something to read; ctrl-C ends it, at whatever moment it comes.

    A signal that comes just before a read blocks, or that another thread is handed, would only be heard
    after the next line. So what wakes us is the signal's own byte on a socket, beside the input.
    """
    main = threading.current_thread() is threading.main_thread()
    if os.name != "posix" or not main or not sys.stdin.isatty():
        return
    heard, told = socket.socketpair()
    with heard, told:
        told.setblocking(False)
        before = signal.set_wakeup_fd(told.fileno(), warn_on_full_buffer=False)
        try:
            while sys.stdin not in select.select([sys.stdin, heard], [], [])[0]:
                heard.recv(64)
        finally:
            signal.set_wakeup_fd(before)


def _hint(field: Field) -> str:
    if field.default is not NOTHING and field.default is not None:
        words = {True: "yes", False: "no"} if field.kind == "boolean" else {}
        return f" [{words.get(field.default) or one_line(field.default, 30)}]"
    if not field.required:
        return " (may be empty)"
    hints = {"boolean": " (yes/no)", "integer": " (whole number)", "number": " (number)"}
    return hints.get(field.kind, " (JSON)" if field.kind == "json" else "")


def traceback_of(error: BaseException) -> str:
    """The traceback with the frames of the user's own files only."""
    shown = traceback.TracebackException.from_exception(error)
    _keep_user_frames(shown)
    return "".join(shown.format())


def _keep_user_frames(shown: traceback.TracebackException) -> None:
    seen: set[int] = set()
    left = [shown]
    while left:
        one = left.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        one.stack = traceback.StackSummary.from_list(
            [f for f in one.stack if _is_users(f.filename)]
        )
        left += [other for other in (one.__cause__, one.__context__) if other is not None]
        left += one.exceptions or []


_OURS = str(Path(__file__).resolve().parent.parent)
_PYTHONS = str(Path(traceback.__file__).resolve().parent)


def _is_users(filename: str) -> bool:
    if filename.startswith(("<frozen", "<string>")):
        return False
    path = str(Path(filename).resolve())
    if "site-packages" in path:
        return True
    return not path.startswith((_OURS, _PYTHONS))


class Progress:
    """What a long run is doing, on stderr: a spinner at a terminal, else a line now and then.

    ``clock`` gives seconds; a line is written at most every ``every`` seconds.
    """

    def __init__(self, screen: Screen, clock: Callable[[], float], every: float = 5.0) -> None:
        self.screen, self.clock, self.every = screen, clock, every
        self.started = self.told = clock()
        self.running: dict[str, str] = {}
        self.done = 0
        self.status = screen.err.status("running") if screen.err.is_terminal else None

    def __enter__(self) -> Progress:
        if self.status is not None:
            self.status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.status is not None:
            self.status.stop()

    def note(self, task: Mapping[str, Any]) -> None:
        """Take one item of the stream mode ``tasks``."""
        if "result" in task or "error" in task:
            self.running.pop(str(task.get("id")), None)
            self.done += not task.get("interrupts") and not task.get("error")
        else:
            self.running[str(task.get("id"))] = str(task.get("name"))
        if self.status is not None:
            self.status.update(self.text())
        elif self.clock() - self.told >= self.every:
            self.told = self.clock()
            self.screen.say(self.text())

    def text(self) -> str:
        """``12 tasks done, running: pay (40 s)``."""
        names = sorted(set(self.running.values()))
        running = f", running: {', '.join(names)}" if names else ""
        return f"{self.done} tasks done{running} ({self.clock() - self.started:.0f} s)"


def row_json(row: Any) -> dict[str, Any]:
    """An `InterruptRow` for ``--json``."""
    return asdict(row) if is_dataclass(row) and not isinstance(row, type) else dict(row)


def age(asked_at: str, now: datetime) -> str:
    """How long ago an ISO time was, in the largest unit: ``3 min``."""
    try:
        seconds = (now - datetime.fromisoformat(asked_at)).total_seconds()
    except ValueError:
        return asked_at
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{int(seconds // length)} {unit}"
    return f"{max(0, int(seconds))} s"
