"""The commands. Each reads its options, opens the store, and leaves the work to its room."""

from __future__ import annotations

import getpass
import json
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from caesura.cli import listing
from caesura.cli.outcomes import Exit, Stop, exit_code_of, this_command, usage
from caesura.cli.showing import SHORT_ID, Screen, row_json, traceback_of
from caesura.errors import CaesuraError
from caesura.version import __version__

app = typer.Typer(
    name="caesura",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Programs that stop for a person and go on later.",
    epilog="Exit codes: 0 finished, 1 the program failed, 2 wrong usage, 3 waiting for a person, "
    "4 an answer was refused, 130 ctrl-C. Whatever the code: what was done is stored.",
)

Database = Annotated[
    str,
    typer.Option(
        "--db",
        envvar="CAESURA_DB",
        metavar="FILE|URL",
        help="What holds the threads: a SQLite file, or postgresql://user:password@host/database.",
    ),
]
AsLangGraph = Annotated[
    bool, typer.Option("--langgraph", help="Let the program's `import langgraph` mean Caesura.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")]
DEFAULT_DB = "caesura.sqlite"


@app.callback(invoke_without_command=True)
def _options(version: Annotated[bool, typer.Option("--version", help="Print it.")] = False) -> None:
    if version:
        print(__version__)
        raise typer.Exit


@app.command()
def run(
    file: Annotated[str, typer.Argument(metavar="FILE[:NAME]", help="The program.")],
    input: Annotated[
        str | None, typer.Option("--input", "-i", metavar="JSON|@FILE", help="What it begins with.")
    ] = None,
    thread: Annotated[
        str | None, typer.Option("--thread", metavar="ID", help="Default: named after the file.")
    ] = None,
    db: Database = DEFAULT_DB,
    stream: Annotated[
        str | None, typer.Option("--stream", metavar="MODE", help="Print values, updates, tasks …")
    ] = None,
    answer: Annotated[
        list[str] | None,
        typer.Option("--answer", "-a", metavar="ID=VALUE", help="Answer what is waiting."),
    ] = None,
    as_langgraph: AsLangGraph = False,
    as_json: AsJson = False,
) -> None:
    """Run a program until it is finished, asking at the terminal where it needs a person.

    Run the same command again after anything - a question left open, ctrl-C, a crash - and it goes
    on where it stood.
    """
    from caesura.cli.loading import Reference
    from caesura.cli.running import NO_INPUT, first_request

    screen = Screen(lines=as_json)
    with ending(screen):
        reference = Reference.parse(file, as_langgraph=as_langgraph)
        given = NO_INPUT if input is None else _input(input)
        answers = [_split_answer(item) for item in answer or ()]
        with opened(db, create=True) as saver:
            running = _running(reference, thread or reference.thread_id, db, saver, screen, stream)
            request = first_request(running, given, answers)
            if request is NO_INPUT:
                _tell_finished(running)
            else:
                running.go(request)


@app.command()
def answer(
    interrupt: Annotated[str, typer.Argument(metavar="ID", help="Its id, or a beginning of it.")],
    value: Annotated[str, typer.Argument(help="JSON, or plain text.")],
    db: Database = DEFAULT_DB,
    program: Annotated[
        str | None, typer.Option("--run", metavar="FILE[:NAME]", help="The program to go on with.")
    ] = None,
    no_run: Annotated[bool, typer.Option("--no-run", help="Store the answer only.")] = False,
    as_json: AsJson = False,
) -> None:
    """Answer an interrupt, then let its program go on.

    The answer is stored for good before anything runs. Of several answers to one interrupt the
    first counts; the others are refused and told what was decided.
    """
    screen = Screen(lines=as_json)
    with ending(screen), opened(db) as saver:
        row = listing.find_one(saver, interrupt)
        accepted = listing.accept(saver, row, value, _actor(), datetime.now(UTC))
        if as_json:
            screen.line("answered", **row_json(accepted))
        else:
            screen.say(f"Answered {row.id[:SHORT_ID]} on thread {row.thread_id}.")
        if not no_run:
            _go_on(saver, accepted.thread_id, program, db, screen)


@app.command()
def interrupts(
    db: Database = DEFAULT_DB,
    every: Annotated[bool, typer.Option("--all", help="Also those that are closed.")] = False,
    thread: Annotated[str | None, typer.Option("--thread", metavar="ID")] = None,
    as_json: AsJson = False,
) -> None:
    """List what waits for a person."""
    screen = Screen(lines=as_json)
    with ending(screen), opened(db) as saver:
        rows = listing.interrupts(saver, every=every, thread_id=thread)
        if as_json:
            for row in rows:
                screen.line("interrupt", **row_json(row))
        elif rows:
            screen.table(*listing.interrupt_table(rows, datetime.now(UTC), every=every))
        else:
            screen.say("Nothing is waiting.")


@app.command()
def threads(db: Database = DEFAULT_DB, as_json: AsJson = False) -> None:
    """List the threads, the most recently changed first."""
    screen = Screen(lines=as_json)
    with ending(screen), opened(db) as saver:
        rows = listing.threads(saver)
        if as_json:
            for row in rows:
                screen.line("thread", **row._asdict())
        elif rows:
            screen.table(*listing.thread_table(rows))
        else:
            screen.say("There are no threads.")


@app.command()
def history(
    thread: Annotated[str, typer.Argument(metavar="THREAD")],
    db: Database = DEFAULT_DB,
    as_json: AsJson = False,
) -> None:
    """Tell what happened on a thread: its steps, questions and answers, in order of time."""
    screen = Screen(lines=as_json)
    with ending(screen), opened(db) as saver:
        happened = listing.history(saver, thread)
        if not happened:
            raise usage(f"There is no thread {thread!r} in {shown(db)}.")
        if as_json:
            for moment in happened:
                screen.line(moment.what, ts=moment.ts, **moment.details)
        else:
            screen.table(*listing.history_table(happened))


@app.command()
def graph(
    file: Annotated[str, typer.Argument(metavar="FILE[:NAME]", help="The program.")],
    xray: Annotated[bool, typer.Option("--xray", help="Draw nested graphs too.")] = False,
    as_langgraph: AsLangGraph = False,
    as_json: AsJson = False,
) -> None:
    """Draw a program as Mermaid text."""
    from caesura.cli.loading import Reference, load

    screen = Screen()
    with ending(screen):
        drawn = load(Reference.parse(file, as_langgraph=as_langgraph)).get_graph(xray=xray)
        screen.result(json.dumps(drawn.to_json()) if as_json else drawn.draw_mermaid().rstrip())


@app.command()
def check(
    file: Annotated[str, typer.Argument(metavar="FILE[:NAME]", help="The program.")],
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 if any are found.")] = False,
    as_langgraph: AsLangGraph = False,
    as_json: AsJson = False,
) -> None:
    """List what happens again when a question is answered: calls ahead of a pause that are no tasks.

    A node that asks runs again from its first line. Nothing is run here but the file itself.
    """
    from caesura.cli.checking import check_program
    from caesura.cli.loading import Reference, load_all

    screen = Screen(lines=as_json)
    with ending(screen):
        programs = load_all(Reference.parse(file, as_langgraph=as_langgraph))
        found = {str(each): each for program in programs for each in check_program(program)}
        for text, finding in found.items():
            if as_json:
                screen.line("repeated", **asdict(finding))
            else:
                screen.result(text)
        if found:
            screen.say("Make such a call a @task, or call it behind the question.")
        else:
            screen.say("No call ahead of a question happens again.")
        if found and strict:
            raise typer.Exit(Exit.FAILED)


# --- shared steps ----------------------------------------------------------------------------


@contextmanager
def ending(screen: Screen) -> Iterator[None]:
    """Turn whatever ends the block into a message and an exit code; never a bare traceback."""
    try:
        yield
    except typer.Exit:
        raise
    except KeyboardInterrupt:
        screen.say("\nStopped. What was done is stored; the same command goes on.")
        raise typer.Exit(Exit.INTERRUPTED) from None
    except Stop as stop:
        if stop.code is Exit.WAITING:
            screen.say(stop.message)
        else:
            screen.complain(stop.message, stop.name)
        raise typer.Exit(stop.code) from None
    except CaesuraError as error:
        screen.complain(str(error), error.code)
        raise typer.Exit(exit_code_of(error)) from None
    except Exception as error:
        _show_failure(screen, error)
        raise typer.Exit(Exit.FAILED) from None


def _show_failure(screen: Screen, error: Exception) -> None:
    """The program's own exception: its traceback without our frames."""
    if screen.lines:
        screen.line("error", code="program", message=f"{type(error).__name__}: {error}")
    screen.err.out(traceback_of(error), end="", highlight=False)
    screen.say("What was done before is stored; the same command tries the failed part again.")


@contextmanager
def opened(db: str, *, create: bool = False) -> Iterator[Any]:
    """The saver on ``db``. Raises `Stop` if a file is not there and not to be made, `StorageError`."""
    from caesura.checkpoint.sqlite import SqliteSaver

    if "://" in db:
        from caesura.server.database import open_database

        with closing(open_database(db, serde=_serializer())) as saver:
            yield saver
        return
    file = Path(db)
    if not create and not file.is_file():
        raise usage(f"There is no database {db!r}. Name one with --db.")
    if not file.parent.is_dir():
        raise usage(f"There is no folder {str(file.parent)!r} to put the database in.")
    with SqliteSaver.from_conn_string(db, serde=_serializer()) as saver:
        yield saver


def shown(db: str) -> str:
    """A database as people may see it: without a password."""
    if "://" not in db:
        return db
    from caesura.server.database import shown

    return shown(db)


def _serializer() -> Any:
    """One that decrypts, if the environment has the keys; else None, the usual one."""
    from caesura.checkpoint.serde.aes_gcm import KEYS_VARIABLE
    from caesura.checkpoint.serde.encrypted import EncryptedSerializer

    if not os.environ.get(KEYS_VARIABLE, "").strip():
        return None
    try:
        return EncryptedSerializer.from_aes_gcm()
    except (ValueError, ImportError) as error:
        raise usage(f"{KEYS_VARIABLE} cannot be used: {error}") from None


def _running(
    reference: Any, thread: str, db: str, saver: Any, screen: Screen, stream: str | None = None
) -> Any:
    from caesura.cli.loading import load
    from caesura.cli.running import Running

    program = _with_saver(load(reference), saver, screen)
    at_terminal = sys.stdin.isatty() and not screen.lines
    return Running(program, reference, thread, shown(db), screen, at_terminal, stream)


def _with_saver(program: Any, saver: Any, screen: Screen) -> Any:
    """The program on our saver, unless it brings a lasting one of its own."""
    from caesura.checkpoint.memory import InMemorySaver

    own = program.checkpointer
    if own is None or isinstance(own, bool | InMemorySaver):
        return program.copy({"checkpointer": saver})
    screen.say(f"The program stores in its own {type(own).__name__}; --db is not used.")
    return program


def _tell_finished(running: Any) -> None:
    running.screen.say(
        f"Thread {running.thread_id} is finished. To begin again: --input JSON, or --thread."
    )
    running.finished(running.snapshot().values)


def _go_on(saver: Any, thread: str, program: str | None, db: str, screen: Screen) -> None:
    """Continue the thread's program, if it is known where that is."""
    from caesura.cli.loading import Reference
    from caesura.cli.running import AS_LANGGRAPH, GO_ON, INPUT, PROGRAM

    metadata = listing.metadata(saver, thread)
    known = program or metadata.get(PROGRAM)
    if known is None or (program is None and not _is_there(known)):
        words = [*this_command(), "run", str(known or "FILE"), "--thread", thread]
        screen.say(f"The answer is stored. To go on:\n  {shlex.join([*words, '--db', shown(db)])}")
        return
    reference = Reference.parse(known, as_langgraph=AS_LANGGRAPH in metadata)
    running = _running(reference, thread, db, saver, screen)
    running.digest = metadata.get(INPUT)
    running.go(GO_ON)


def _is_there(reference: str) -> bool:
    file, _, name = reference.rpartition(":")
    return Path(reference).is_file() or (name.isidentifier() and Path(file).is_file())


def _input(text: str) -> Any:
    if text.startswith("@"):
        try:
            text = Path(text[1:]).read_text(encoding="utf-8")
        except OSError as error:
            raise usage(f"The input file cannot be read: {error}.") from None
    try:
        return json.loads(text)
    except ValueError as error:
        raise usage(
            f"--input is no JSON: {error}. A text needs quotes: --input '\"text\"'."
        ) from None


def _split_answer(item: str) -> tuple[str, str]:
    start, separator, value = item.partition("=")
    if not separator or len(start) < 4:
        raise usage(f"--answer takes ID=VALUE, with at least 4 characters of the id; got {item!r}.")
    return start, value


def _actor() -> str:
    """Who answers: the user of this machine, which nobody has checked."""
    try:
        return f"os:{getpass.getuser()}"
    except (OSError, KeyError):
        return "os:unknown"
