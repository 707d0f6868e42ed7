"""A server killed again and again under traffic loses nothing that it acknowledged.

Three programs that know nothing of one another: the load (`server_load`), the server, and the checker
(`server_checker`), which sees only what clients were told.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from .server_checker import lines
from .server_process import DATABASE, SOAK, served

SECONDS = 600.0 if SOAK else 15.0 if DATABASE == "postgres" else 60.0
"""On Postgres it is a second look: the whole minute is for the file."""
BETWEEN_KILLS = 20.0 if SOAK else 4.0
SEED = random.randrange(10**6) if SOAK else 20261121


@pytest.mark.slow
def test_a_server_killed_again_and_again_loses_nothing_it_acknowledged(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    with served(tmp_path / "project") as server:
        load = [sys.executable, "-m", "tests.faults.server_load"]
        load += [server.url, str(SECONDS), str(SEED), str(notes)]
        with subprocess.Popen(load) as process:
            chance, kills = random.Random(SEED), 0
            while process.poll() is None:
                time.sleep(chance.uniform(0.5, 1.5) * BETWEEN_KILLS)
                server.restart()
                kills += 1
        assert process.returncode == 0
        check = [sys.executable, "-m", "tests.faults.server_checker"]
        check += [server.url, str(notes), str(server.folder / "effects")]
        found = subprocess.run(check, capture_output=True, text=True, check=False)
        assert found.returncode == 0, f"seed {SEED}:\n{found.stdout[-6000:]}{found.stderr[-3000:]}"
        counts = json.loads(found.stdout.splitlines()[-1])
        print(f"seed {SEED}, {kills} kills: {counts}")
        assert kills >= SECONDS / BETWEEN_KILLS / 3
        assert counts["answer"] >= SECONDS / 3, "there was hardly any traffic"
        errors = [line for line in server.log.splitlines() if '"level": "error"' in line]
        assert errors == []


def test_the_checker_sees_what_is_lost_changed_or_done_twice(tmp_path: Path) -> None:
    """Without kills all is well; then notes and effects are falsified, one after another."""
    notes = tmp_path / "notes"
    with served(tmp_path / "project") as server:
        effects = server.folder / "effects"
        load = [sys.executable, "-m", "tests.faults.server_load"]
        subprocess.run([*load, server.url, "4", "1", str(notes)], check=True)

        def wrong(told: list[Any], done: list[Any]) -> str:
            for file, given in ((tmp_path / "told", told), (tmp_path / "done", done)):
                file.write_text("".join(json.dumps(line) + "\n" for line in given))
            check = [sys.executable, "-m", "tests.faults.server_checker", server.url]
            check += [str(tmp_path / "told"), str(tmp_path / "done")]
            return subprocess.run(check, capture_output=True, text=True, check=False).stdout

        told, done = lines(notes), lines(effects)
        assert "WRONG" not in wrong(told, done)
        answer = next(note for note in told if note["what"] == "answer")
        ended = next(note for note in told if note["what"] == "ended")
        stream = next(note for note in told if note["what"] == "streamed")
        entered = next(line for line in done if line[0] == "enter")
        doubled = {**stream, "ids": stream["ids"][:1] * 2}
        lost = [line for line in done if line[0] != "answer" or line[6] != answer["answer"]]
        nowhere = str(uuid4())
        for text, more, happened in (
            ("thread lost", [{"what": "thread", "thread": nowhere}], done),
            ("run lost", [{**ended, "what": "run", "run": nowhere}], done),
            ("answer lost", [{**answer, "answer": "another"}], done),
            ("two answers", [{**answer, "answer": "another"}], done),
            ("took no effect", [], lost),
            ("had ended", [], [*done, ["step", "t", ended["run"], "x", 1, time.time()]]),
            ("doubled", [doubled], done),
            ("with gaps", [{**stream, "events": stream["events"][:2]}], done),
            ("two runs at once", [], [entered, [*entered[:2], "other", *entered[3:]]]),
        ):
            assert text in wrong([*told, *more], happened), text
