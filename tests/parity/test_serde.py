"""What LangGraph stored, recorded or a moment ago, is read: each value as if we had stored it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(__file__).with_name("serde_values.py")
RECORDED = PROGRAM.parents[1] / "fixtures" / "langgraph_values.json"


def _run(what: str, given: str = "") -> Any:
    done = subprocess.run(
        [sys.executable, PROGRAM, what], input=given, text=True, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("written", ["recorded", "live"])
def test_values_that_langgraph_stored_are_read_encrypted_ones_too(written: str) -> None:
    text = json.dumps(_run("write")) if written == "live" else RECORDED.read_text()
    assert _run("read", text) == []
