"""What users write is checked by mypy: right programs pass, and mistakes are found where they are."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROGRAMS = ROOT / "tests" / "typing"
FOUND = re.compile(r"^(?P<file>.+?):(?P<line>\d+): error: .*\[(?P<code>[a-z-]+)\]$", re.MULTILINE)
CLAIMED = re.compile(r"# error: (?P<codes>[a-z, -]+)$")


def claimed(file: Path) -> set[tuple[str, int, str]]:
    return {
        (file.name, number, code)
        for number, line in enumerate(file.read_text().splitlines(), 1)
        if (claim := CLAIMED.search(line))
        for code in claim["codes"].split(", ")
    }


def test_mypy_passes_right_programs_and_finds_each_mistake_on_its_line() -> None:
    files = [PROGRAMS / "programs.py", PROGRAMS / "mistakes.py"]
    told = subprocess.run(
        [sys.executable, "-m", "mypy", *map(str, files)], cwd=ROOT, capture_output=True, text=True
    )
    assert told.returncode in (0, 1), told.stdout + told.stderr
    found = {(Path(m["file"]).name, int(m["line"]), m["code"]) for m in FOUND.finditer(told.stdout)}
    assert found == claimed(files[0]) | claimed(files[1]), told.stdout
