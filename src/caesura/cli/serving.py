"""The commands around the server: ``dev``, ``serve``, ``new``, ``validate``, ``keys``, ``dockerfile``.

``dev`` is for the machine in front of you: one file beside the project, reload on change, pages of this
machine let in. ``serve`` is for everybody else: it refuses to start where it would stand open. Both run
the same application; reloading starts a fresh process, because a program half old and half new is worse
than a second's wait.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from caesura.cli.app import ending
from caesura.cli.outcomes import Exit, Stop, usage
from caesura.cli.showing import Screen

keys_app = typer.Typer(no_args_is_help=True, help="API keys: made, listed, revoked.")


def add_commands(app: typer.Typer) -> None:
    """Add the commands of this file to the command line."""
    for command in (dev, serve, new, validate, dockerfile):
        app.command()(command)
    app.add_typer(keys_app, name="keys")


Config = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="langgraph.json or caesura.json. Default: found here."),
]
Host = Annotated[str, typer.Option("--host", help="The address to listen on.")]
Port = Annotated[int, typer.Option("--port", "-p", min=0, max=65535, help="0: any free one.")]
DatabaseName = Annotated[
    str | None,
    typer.Option(
        "--database",
        envvar="DATABASE_URI",
        help="A SQLite file, or postgresql://… Default: .caesura/.",
    ),
]
Insecure = Annotated[
    bool, typer.Option("--insecure", help="Listen beyond this machine without authentication.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")]
_CHILD = "CAESURA_DEV_CHILD"


def dev(
    host: Host = "127.0.0.1",
    port: Port = 2024,
    config: Config = None,
    database: DatabaseName = None,
    no_reload: Annotated[bool, typer.Option("--no-reload", help="Do not watch the files.")] = False,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Do not open the page.")] = False,
    insecure: Insecure = False,
) -> None:
    """Serve the project here, for development.

    Without a configuration a small example is written to start from. Threads, runs and answers are
    kept in .caesura/caesura.sqlite; a change of a file starts the server anew, and runs go on.
    """
    screen = Screen()
    with ending(screen), server_parts():
        file = _config(config) or _scaffold(screen)
        if not no_reload and _CHILD not in os.environ:
            _reloading(file, no_browser=no_browser)
            return
        _serve(file, host, port, database, screen, browser=not no_browser, local=True,
               insecure=insecure)  # fmt: skip


def serve(
    host: Host = "127.0.0.1",
    port: Port = 8123,
    config: Config = None,
    database: DatabaseName = None,
    insecure: Insecure = False,
    certfile: Annotated[Path | None, typer.Option("--ssl-certfile", help="For HTTPS.")] = None,
    keyfile: Annotated[Path | None, typer.Option("--ssl-keyfile", help="For HTTPS.")] = None,
) -> None:
    """Serve the project to others. Refuses to listen beyond this machine without authentication."""
    screen = Screen()
    with ending(screen), server_parts():
        file = _config(config)
        if file is None:
            raise usage("There is no caesura.json or langgraph.json here. Name one with --config.")
        tls: dict[str, Any] = {}
        if certfile is not None:
            tls = {"ssl_certfile": str(certfile), "ssl_keyfile": keyfile and str(keyfile)}
        _serve(file, host, port, database, screen, insecure=insecure, tls=tls)


def validate(config: Config = None, as_json: AsJson = False) -> None:
    """Look the project over: its configuration, and whether its graphs load."""
    screen = Screen(lines=as_json)
    with ending(screen), server_parts():
        from caesura.server.project.checking import check_project

        file = _config(config)
        if file is None:
            raise usage("There is no caesura.json or langgraph.json here. Name one with --config.")
        problems = check_project(file)
        for problem in problems:
            if as_json:
                screen.line("problem", message=str(problem), severity=problem.severity)
            else:
                screen.complain(str(problem), problem.severity)
        if any(problem.severity == "error" for problem in problems):
            raise typer.Exit(Exit.FAILED)
        if not as_json:
            screen.say(f"{file} is in order.")


def new(
    path: Annotated[Path, typer.Argument(help="The folder to make.")] = Path("."),
    template: Annotated[
        str, typer.Option("--template", "-t", help="approval, tool-review or functional.")
    ] = "approval",
) -> None:
    """Start a project from a template."""
    from caesura.cli.templates import TEMPLATES, write_template

    screen = Screen()
    with ending(screen):
        if template not in TEMPLATES:
            raise usage(f"There is no template {template!r}. There are: {', '.join(TEMPLATES)}.")
        written = write_template(template, path)
        if written is None:
            raise usage(f"{path} holds a project already. Nothing was written.")
        screen.say(f"Written: {', '.join(str(file) for file in written)}.")
        there = "" if path == Path(".") else f"cd {path} && "
        screen.say(f"Start it with: {there}caesura dev")


def dockerfile(
    save_path: Annotated[Path, typer.Argument(help="Where to write it; - prints it.")],
    config: Config = None,
) -> None:
    """Write a Dockerfile that serves the project."""
    screen = Screen()
    with ending(screen), server_parts():
        from caesura.server.project.dockerfile import dockerfile as text_of
        from caesura.server.project.settings import read_settings

        file = _config(config)
        if file is None:
            raise usage("There is no caesura.json or langgraph.json here. Name one with --config.")
        text = text_of(read_settings(file))
        if str(save_path) == "-":
            screen.result(text)
        else:
            save_path.write_text(text, encoding="utf-8")
            screen.say(f"Written: {save_path}. Build it with: docker build -f {save_path} .")


# --- keys --------------------------------------------------------------------------------------


@keys_app.command("create")
def create_key(
    name: Annotated[str, typer.Argument(help="What the key is for.")],
    identity: Annotated[
        str | None, typer.Option(help="Who it stands for. Default: the name.")
    ] = None,
    permission: Annotated[
        list[str] | None, typer.Option(help="As in threads:read or runs:*. Default: everything.")
    ] = None,
    group: Annotated[list[str] | None, typer.Option(help="A group the identity is in.")] = None,
    days: Annotated[int | None, typer.Option(min=1, help="Days until it expires.")] = None,
    config: Config = None,
    database: DatabaseName = None,
    as_json: AsJson = False,
) -> None:
    """Make a key. It is shown once; only its hash is kept."""
    from datetime import timedelta

    screen = Screen(lines=as_json)
    with ending(screen), server_parts(), _database(config, database) as saver:
        from caesura.records.operations import PutKey
        from caesura.server.auth.keys import new_key

        expires = None if days is None else timedelta(days=days)
        text, key = new_key(
            name, identity or name, tuple(permission or ()), tuple(group or ()), expires
        )
        saver.execute(PutKey(key))
        if as_json:
            screen.line("key", id=key.key_id, key=text, name=name, expires_at=key.expires_at)
        else:
            screen.say(f"Key {key.key_id} for {key.identity}. It is shown only now:")
            screen.result(text)


@keys_app.command("list")
def list_keys(
    config: Config = None, database: DatabaseName = None, as_json: AsJson = False
) -> None:
    """List the keys, without what they are."""
    screen = Screen(lines=as_json)
    with ending(screen), server_parts(), _database(config, database) as saver:
        from caesura.records.operations import FindKeys

        keys = saver.execute(FindKeys())
        for key in keys if as_json else ():
            screen.line("key", id=key.key_id, name=key.name, identity=key.identity,
                        revoked_at=key.revoked_at, expires_at=key.expires_at,
                        last_used_at=key.last_used_at)  # fmt: skip
        if not as_json and keys:
            head = ["id", "name", "identity", "made", "expires", "revoked", "last used"]
            rows = [
                [k.key_id, k.name, k.identity, k.created_at, k.expires_at or "",
                 k.revoked_at or "", k.last_used_at or ""]
                for k in keys
            ]  # fmt: skip
            screen.table(head, rows)
        elif not as_json:
            screen.say("There are no keys. Make one with: caesura keys create NAME")


@keys_app.command("revoke")
def revoke_key(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="Its id, as listed.")],
    config: Config = None,
    database: DatabaseName = None,
) -> None:
    """Revoke a key. Servers that run stop taking it within seconds."""
    screen = Screen()
    with ending(screen), server_parts(), _database(config, database) as saver:
        from caesura.execution.clock import clock
        from caesura.records.operations import RevokeKey

        if not saver.execute(RevokeKey(key_id, clock().now())):
            raise usage(f"There is no key {key_id!r} that could be revoked.")
        screen.say(f"Key {key_id} is revoked.")


# --- shared steps ------------------------------------------------------------------------------


@contextmanager
def server_parts() -> Iterator[None]:
    """Says how to install the server where its packages are missing, and what is wrong with a project."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in _PACKAGES:
            raise
        text = f'The server needs the package {error.name}. Install: pip install "caesura[server]"'
        raise Stop(Exit.USAGE, text) from None
    except Exception as error:
        from caesura.server.project.errors import BrokenFileError, ConfigError

        if isinstance(error, (ConfigError, BrokenFileError)):
            raise Stop(Exit.USAGE, str(error), "project") from None
        raise


_PACKAGES = frozenset(
    {
        "starlette", "uvicorn", "uvloop", "msgspec", "orjson", "jinja2", "structlog", "httpx",
        "watchfiles", "croniter", "dotenv", "jwt", "prometheus_client", "multipart", "websockets",
    }
)  # fmt: skip


def _config(given: Path | None) -> Path | None:
    from caesura.loading import find_config

    if given is None:
        return find_config(Path.cwd())
    if not given.is_file():
        raise usage(f"There is no file {str(given)!r}.")
    return given


def _scaffold(screen: Screen) -> Path:
    """A first project, where there is none."""
    from caesura.cli.templates import write_template

    written = write_template("approval", Path.cwd())
    assert written is not None
    screen.say(f"No configuration here: wrote {', '.join(str(file) for file in written)}.")
    found = _config(None)
    assert found is not None
    return found


@contextmanager
def _database(config: Path | None, database: str | None) -> Iterator[Any]:
    from caesura.server.database import open_database

    saver = open_database(database or _default_database(_config(config)))
    try:
        yield saver
    finally:
        saver.close()


def _default_database(config: Path | None) -> str:
    folder = Path.cwd() if config is None else config.resolve().parent
    return str(folder / ".caesura" / "caesura.sqlite")


def _serve(
    file: Path,
    host: str,
    port: int,
    database: str | None,
    screen: Screen,
    *,
    browser: bool = False,
    local: bool = False,
    insecure: bool = False,
    tls: dict[str, Any] | None = None,
) -> None:
    from caesura.server import logs
    from caesura.server.app import Plan, make_app
    from caesura.server.auth.binding import is_loopback, may_bind
    from caesura.server.database import shown
    from caesura.server.hosting import listen, run
    from caesura.server.project.environment import Environment
    from caesura.server.project.graphs import prepare
    from caesura.server.project.settings import read_settings

    settings = read_settings(file)
    refusal = may_bind(host, settings.auth is not None, insecure)
    if refusal is not None:
        raise usage(refusal)
    prepare(settings)
    environment = Environment.read()
    logs.set_up(level=environment.log_level, as_json=environment.log_json)
    for warning in settings.warnings:
        screen.say(f"warning: {warning}")
    name = database or environment.database_uri or _default_database(file)
    socket = listen(host, port)
    url = f"{'https' if tls else 'http'}://{_shown(host)}:{socket.getsockname()[1]}"
    _tell(screen, url, shown(name))
    if browser and not os.environ.get(_CHILD, "").endswith("again"):
        threading.Timer(0.5, webbrowser.open, [url]).start()
    alone = settings.auth is None and not insecure and is_loopback(host)
    plan = Plan(settings, environment, name, local_pages=local, local_names=alone)
    run(
        make_app(plan),
        socket,
        settings,
        **(tls or {}),
    )


def _shown(host: str) -> str:
    if host in ("0.0.0.0", "::"):
        return "localhost"
    return f"[{host}]" if ":" in host else host


def _tell(screen: Screen, url: str, database: str) -> None:
    screen.say(f"Caesura serves at {url}")
    screen.say(f"  page  {url}/")
    screen.say(f"  API   {url}/docs")
    screen.say(f"  data  {database}")


def _reloading(file: Path, *, no_browser: bool) -> None:
    """Run the same command in a child, and again whenever a file of the project changes."""
    from watchfiles import watch

    from caesura.server.project.settings import read_settings
    from caesura.server.project.watching import is_watched, watched_directories

    words = [sys.executable, "-m", "caesura", *sys.argv[1:], "--no-reload"]
    settings = read_settings(file)
    child = subprocess.Popen(words, env={**os.environ, _CHILD: "first"})
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    try:
        threading.Thread(target=_end_with, args=(child, stop), daemon=True).start()
        for changes in watch(
            *watched_directories(settings),
            watch_filter=lambda _, path: is_watched(settings, Path(path)),
            stop_event=stop,
            raise_interrupt=False,
        ):
            names = ", ".join(sorted({Path(path).name for _, path in changes}))
            print(f"{names} changed: starting again", file=sys.stderr, flush=True)
            _end(child)
            child = subprocess.Popen(words, env={**os.environ, _CHILD: "again"})
    finally:
        _end(child)
    if child.returncode not in (0, -2, -15, None):
        raise typer.Exit(child.returncode)


def _end_with(child: subprocess.Popen[bytes], stop: threading.Event) -> None:
    """A server that cannot start at all ends the command, too."""
    if child.wait() == Exit.USAGE:
        stop.set()


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(timeout=15)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
