"""The documented tutorial programs run: with Caesura's imports, and unmodified under the alias."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAMS = Path(__file__).parent / "tutorials"
ALIAS = "from caesura.compat import langgraph; langgraph.install()\n"


def _run(text: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", text], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", ["functional", "graph"])
@pytest.mark.parametrize("imports", ["caesura", "langgraph"])
def test_a_tutorial_program_pauses_and_goes_on(name: str, imports: str) -> None:
    """The program prints the pause, then what the answer led to."""
    text = (PROGRAMS / f"{name}.py").read_text()
    if imports == "caesura":
        text = text.replace("from langgraph", "from caesura").replace(
            "import langgraph", "import caesura"
        )
    else:
        text = ALIAS + text
    printed = _run(text)
    assert "__interrupt__" in printed
    assert printed.rstrip().splitlines()[-1] == (PROGRAMS / f"{name}.expected").read_text().strip()
