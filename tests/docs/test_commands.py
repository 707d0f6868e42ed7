"""The shell commands of the documentation run, and print what the pages say they print.

The ``bash`` blocks of a page run in order, in one shell, beside a server of a project that is made as the
page makes its own. A block of JSON or text right behind them is what the last one prints: ``…`` stands
for anything, ids and times for any others.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.acceptance.server import Server, free_port

from caesura.cli.templates import write_template

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(
    r"^```bash\n(?P<code>.*?)^```$(?:\n+```(?:json|text)\n(?P<printed>.*?)^```$)?",
    re.MULTILINE | re.DOTALL,
)
SERVED_AT = "http://127.0.0.1:2024"
SEPARATOR = "\x1e"
CHANGING = re.compile(
    r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"
    r"|\b[0-9a-f]{32,64}\b"
    r"|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+\+00:00"
    r"|\b\d{13}-\d+\b"
)


class Block(NamedTuple):
    """Commands, and what they print; None where the page does not say."""

    line: int
    code: str
    printed: str | None


def blocks_of(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [
        Block(text.count("\n", 0, found.start("code")) + 1, found["code"], found["printed"])
        for found in FENCE.finditer(text)
    ]


PAGES = {
    page.stem: blocks
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    if (blocks := blocks_of(page))
}


def means(printed: str, shown: str) -> bool:
    """True if what was printed is what a page shows."""
    wanted = re.escape(" ".join(CHANGING.sub("#", shown).split())).replace("…", ".*")
    return re.fullmatch(wanted, " ".join(CHANGING.sub("#", printed).split())) is not None


@pytest.fixture
def server(name: str, tmp_path: Path) -> Iterator[Server]:
    """The project that the page makes, served: the examples, or a fresh one of the first template."""
    project = tmp_path / "shop"
    if name == "README":
        shutil.copytree(ROOT / "examples", project, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        write_template("approval", project)
    running = Server(project, free_port())
    try:
        running.start()
        yield running
    finally:
        running.stop()


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_the_commands_of_a_page_print_what_it_says(name: str, server: Server) -> None:
    bash = shutil.which("bash")
    if bash is None or shutil.which("curl") is None:
        pytest.fail("bash and curl are needed to run the commands of the documentation")
    blocks = PAGES[name]
    script = f"printf '{SEPARATOR}'\n".join(block.code for block in blocks)
    done = subprocess.run(
        [bash, "-euo", "pipefail", "-c", script.replace(SERVED_AT, server.url)],
        cwd=server.directory,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    printed = done.stdout.replace(server.url, SERVED_AT).split(SEPARATOR)
    wrong = {
        block.line: (text, block.printed)
        for block, text in zip(blocks, printed, strict=False)
        if block.printed is not None and not means(text, block.printed)
    }
    assert (wrong, done.stderr, done.returncode) == ({}, "", 0)
    assert len(printed) == len(blocks)


def test_what_is_printed_is_compared_but_for_ids_times_and_what_the_page_leaves_out() -> None:
    shown = '{"id": "6f9619ff-8b86-4d01-b42d-00cf4fc964ff", …, "n": 1}'
    assert means('{"id": "00000000-8b86-4d01-b42d-00cf4fc964ff", "x": 2, "n": 1}\n', shown)
    assert not means('{"id": "00000000-8b86-4d01-b42d-00cf4fc964ff", "x": 2, "n": 2}\n', shown)
    assert not means('{"id": null, "x": 2, "n": 1}\n', shown)
