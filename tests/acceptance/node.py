"""Node.js and the npm packages of `tests/acceptance/js`, in the versions of their lock file.

They are installed by `npm ci` into `js/node_modules` (not tracked) the first time, and again when
the lock file changes.
"""

from __future__ import annotations

import fcntl
import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

JS = Path(__file__).parent / "js"
NEEDED = "these tests need Node.js 20 or later with npm: apt-get install nodejs npm (nodejs.org)"


def installed_packages() -> Path:
    """The folder of the npm packages, installed if need be."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.fail(NEEDED, pytrace=False)
    lock, stamp = JS / "package-lock.json", JS / "node_modules" / ".of-lock-file"
    with (JS / ".installing").open("w") as one_at_a_time:
        fcntl.flock(one_at_a_time, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != lock.read_text():
            command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
            done = subprocess.run(command, cwd=JS, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                pytest.fail(f"`npm ci` in {JS} failed:\n{done.stderr[-2000:]}", pytrace=False)
            stamp.write_text(lock.read_text())
    return JS / "node_modules"


def run_node(script: str, *arguments: str, flags: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Runs a script of `js/` and reads the JSON lines that it prints."""
    installed_packages()
    done = subprocess.run(
        ["node", *flags, script, *arguments],
        cwd=JS,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in done.stdout.splitlines()]
