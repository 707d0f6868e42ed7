"""Programs written for LangGraph move as the guide says, and do here what they did there.

`docs/how-to/moving-from-langgraph.md` is followed to the letter: its sed command changes the imports, its
program takes over what LangGraph stored.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from tests.databases import fresh_schema, named, postgres_url

HERE = Path(__file__).parent
PROGRAMS = HERE / "moving"
GUIDE = (HERE.parents[1] / "docs/how-to/moving-from-langgraph.md").read_text(encoding="utf-8")

IN_TURN = """\
import runpy, shlex, sys
for line in sys.stdin.read().splitlines():
    sys.argv = shlex.split(line)
    runpy.run_path(sys.argv[0], None, "__main__")
"""
"""Runs the lines of its input as `python FILE ARGUMENT…` would, one after another."""
ALIAS = "from caesura.compat import langgraph; langgraph.install()\n"

CHAT = ["chat.py Hello 'I am Ada' 'What now'", "chat.py Bye 'See you'", "chat.py"]
REPORT = ["report.py"]
APPROVAL = [
    "approval.py ask",
    "approval.py go",
    "approval.py answer yes",
    "approval.py edit 20",
    "approval.py again 15 no",
    "approval.py history",
]


class Project:
    """The programs in a folder of their own, and how they are run there."""

    def __init__(self, folder: Path, database: str | None = None, *, alias: bool = False) -> None:
        shutil.copytree(PROGRAMS, folder, dirs_exist_ok=True)
        self.folder = folder
        self.environment = {**os.environ, **({"DATABASE": database} if database else {})}
        self.start = ALIAS + IN_TURN if alias else IN_TURN

    def change_imports(self) -> None:
        """Do what the guide says."""
        (command,) = re.findall(r"^sed .*$", GUIDE, re.MULTILINE)
        subprocess.run(["bash", "-c", command], cwd=self.folder, check=True)

    def run(self, *lines: str) -> str:
        """What the programs print, one after another."""
        done = subprocess.run(
            [sys.executable, "-c", self.start],
            input="\n".join(lines),
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(params=[False, True], ids=["changed imports", "unmodified"])
def alias(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def moved(folder: Path, database: str | None = None, *, alias: bool) -> Project:
    """The project on Caesura, by one of the two ways."""
    project = Project(folder, database, alias=alias)
    if not alias:
        project.change_imports()
    return project


@pytest.fixture(scope="module")
def printed_there(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What LangGraph prints, for each program."""
    there = Project(tmp_path_factory.mktemp("there"))
    programs = {"chat": CHAT, "report": REPORT, "approval": APPROVAL}
    return {name: there.run(*lines) for name, lines in programs.items()}


@pytest.fixture
def schemas() -> Iterator[tuple[str, str]]:
    """Two places in Postgres that are empty, as LangGraph and as Caesura are told of them."""
    with fresh_schema() as theirs, fresh_schema() as ours:
        url = postgres_url()
        path = f"{'&' if '?' in url else '?'}options=-csearch_path%3D{theirs}"
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA {theirs}")
        yield url + path, named(ours)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "lines"), [("chat", CHAT), ("report", REPORT), ("approval", APPROVAL)]
)
def test_a_program_prints_the_same_after_the_move(
    name: str, lines: list[str], alias: bool, tmp_path: Path, printed_there: dict[str, str]
) -> None:
    assert moved(tmp_path, alias=alias).run(*lines) == printed_there[name]


@pytest.mark.slow
def test_a_chat_in_postgres_prints_the_same_after_the_move(
    alias: bool, tmp_path: Path, schemas: tuple[str, str], printed_there: dict[str, str]
) -> None:
    theirs, ours = schemas
    if not alias:
        assert Project(tmp_path / "there", theirs).run(*CHAT) == printed_there["chat"]
    assert moved(tmp_path / "here", ours, alias=alias).run(*CHAT) == printed_there["chat"]


@pytest.mark.slow
def test_a_thread_that_waits_is_taken_over_and_answered(
    alias: bool, tmp_path: Path, printed_there: dict[str, str]
) -> None:
    there = Project(tmp_path / "there")
    before = there.run(APPROVAL[0])
    here = moved(tmp_path / "here", alias=alias)
    told = take_over(f"{there.folder}/orders.sqlite", f"{here.folder}/orders.sqlite")
    assert "waits: order-1" in told
    assert before + here.run(*APPROVAL[1:]) == printed_there["approval"]


@pytest.mark.slow
def test_a_chat_is_taken_over_from_postgres_to_postgres(
    tmp_path: Path, schemas: tuple[str, str], printed_there: dict[str, str]
) -> None:
    theirs, ours = schemas
    before = Project(tmp_path / "there", theirs).run(CHAT[0])
    here = moved(tmp_path / "here", ours, alias=False)
    take_over(theirs, ours)
    assert before + here.run(*CHAT[1:]) == printed_there["chat"]


def take_over(source: str, target: str) -> str:
    """Run the guide's program. Returns what it prints."""
    (program,) = re.findall(r"^```py\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", program, source, target], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
