"""A process killed with SIGKILL at any moment loses no answer and repeats no finished task.

Before each restart the file is read: whatever it says is finished may not run again, and whatever
answer it holds must be the one that is used.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.databases import new_database, open_saver

from caesura.checkpoint.operations import FindInterrupts, FindNamespaces, History
from caesura.constants import ERROR

from .victim import EXPECTED_LOG, ROUNDS

KILLS = 2000 if os.environ.get("CAESURA_SOAK") else 80
"""For each database."""
MOST_ATTEMPTS = 100
SIDE_BY_SIDE = 3
"""Tasks of the program that may run at one moment: a node and two calls of another."""


class Executioner:
    """Runs the program and kills it; see `tests.faults.victim`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def attempt(self, thread_id: str, milliseconds: float) -> tuple[str, float]:
        """Run on a thread; (``killed`` or ``done``, milliseconds taken)."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{thread_id} {milliseconds}\n")
        self._process.stdin.flush()
        said, taken = self._process.stdout.readline().split()
        assert said in ("killed", "done"), "the program failed by itself"
        return said, float(taken)


@contextmanager
def executioner(folder: Path) -> Iterator[Executioner]:
    command = [sys.executable, "-m", "tests.faults.victim", str(folder)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        yield Executioner(process)


@dataclass
class Stored:
    """What the file says of a thread."""

    finished: set[str] = field(default_factory=set)
    """Ids of tasks with a stored result."""
    answers: dict[str, str] = field(default_factory=dict)
    """Question → answer."""
    open: int = 0


def read(folder: Path, thread_id: str) -> Stored:
    stored = Stored()
    with closing(open_saver((folder / "database").read_text())) as saver:
        for space in saver.execute(FindNamespaces(thread_id)):
            for loaded in saver.execute(History(thread_id, space.ns)):
                stored.finished |= {task for task, channel, _ in loaded.writes if channel != ERROR}
        for row in saver.execute(FindInterrupts(thread_id, status=None)):
            stored.open += row.status == "open"
            if row.status == "answered":
                assert row.payload not in stored.answers, "a question was answered twice"
                stored.answers[row.payload] = row.answer
    return stored


def effects(folder: Path) -> list[tuple[str, str]]:
    """(task id, name) of every effect so far."""
    file = folder / "effects"
    lines = file.read_text().splitlines() if file.exists() else []
    return [(line.split()[0], line.split()[1]) for line in lines]


def survive(folder: Path, victim: Executioner, thread_id: str, moments: Iterator[float]) -> int:
    """Kill a thread's runs at these moments until one ends; returns the number of kills."""
    said, before = "", Stored()
    first = len(effects(folder))
    for attempt in range(MOST_ATTEMPTS):
        begun = len(effects(folder))
        said, _ = victim.attempt(thread_id, next(moments))
        again = [name for task, name in effects(folder)[begun:] if task in before.finished]
        assert again == [], "a finished task ran again"
        now = read(folder, thread_id)
        assert before.finished <= now.finished, "a stored result was lost"
        assert before.answers.items() <= now.answers.items(), "an answer was lost or changed"
        assert now.open <= 1
        before, kills = now, attempt
        if said == "done":
            break
    assert said == "done", "the program never came to its end"
    result = json.loads((folder / f"{thread_id}.json").read_text())
    assert result["log"] == EXPECTED_LOG
    assert result["answers"] == [before.answers[f"ask-{round}"] for round in range(ROUNDS)]
    times = Counter(name for _, name in effects(folder)[first:])
    assert sum(times.values()) - len(times) <= kills * SIDE_BY_SIDE
    return kills


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_program_killed_at_any_moment_loses_no_answer_and_repeats_no_finished_task(
    kind: str, tmp_path: Path
) -> None:
    with new_database(kind, tmp_path) as name:
        (tmp_path / "database").write_text(name)
        kill_at_many_moments(tmp_path)


def kill_at_many_moments(folder: Path) -> None:
    chance = random.Random(None if os.environ.get("CAESURA_SOAK") else 20261121)
    with executioner(folder) as victim:
        _, whole = victim.attempt("whole", 0)
        kills = number = 0
        while kills < KILLS:
            number += 1
            moments = iter(lambda: chance.uniform(1, 0.9 * whole), None)
            kills += survive(folder, victim, f"thread-{number}", moments)
    assert number > 5, "the program hardly ever came to its end"
