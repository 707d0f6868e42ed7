"""A process killed with SIGKILL at any moment around an effect: it happened once, or a person is asked."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from .effects_victim import EXPECTED, NAMES, lines


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_an_effect_killed_at_any_moment_happens_once_and_a_person_is_asked_only_if_unknown(
    tmp_path: Path, colour: str
) -> None:
    command = [sys.executable, "-m", "tests.faults.effects_victim", str(tmp_path)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as victim:
        assert victim.stdin is not None
        assert victim.stdout is not None

        def attempt(thread_id: str, at: int) -> str:
            assert victim.stdin is not None
            assert victim.stdout is not None
            print(thread_id, colour, at, file=victim.stdin, flush=True)
            return victim.stdout.readline().strip()

        said, whole = attempt("whole", 0).split()
        assert said == "done"
        assert lines(tmp_path / "asked") == []
        moments = range(1, int(whole) + 1, 1 if colour == "sync" else 4)
        for at in moments:
            thread_id = f"thread-{at}"
            assert attempt(thread_id, at) == "killed"
            attempt(thread_id, 1 + 5 * at % int(whole))
            assert attempt(thread_id, 0).startswith("done")
            assert json.loads((tmp_path / f"{thread_id}.json").read_text()) == EXPECTED
    happened = lines(tmp_path / "effects")
    assert sorted(happened) == sorted(
        f"{thread_id} {name}"
        for thread_id in ("whole", *(f"thread-{at}" for at in moments))
        for name in NAMES
    )
    asked = lines(tmp_path / "asked")
    assert {line.split()[1] for line in asked} == set(NAMES)
    assert len(asked) < len(happened)
