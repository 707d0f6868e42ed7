"""The rooms keep their order and the core keeps its purity; and the checks notice when not."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def _purity(folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "tools" / "check_purity.py")]
    if folder is not None:
        command.append(str(folder))
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _contracts(room: Path) -> subprocess.CompletedProcess[str]:
    """Run the import contracts on the ``caesura`` package that lies in ``room``."""
    linter = (
        "import sys; sys.path.insert(0, sys.argv.pop(1));"
        "from importlinter.cli import lint_imports_command; lint_imports_command()"
    )
    return subprocess.run(
        [sys.executable, "-c", linter, str(room), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A folder that holds a copy of the package, to break."""
    shutil.copytree(
        ROOT / "src" / "caesura",
        tmp_path / "caesura",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    return tmp_path


def test_the_core_is_pure() -> None:
    result = _purity()
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    "line",
    [
        "import time",
        "from random import random",
        "import threading as allowed",
        "from asyncio import gather",
        "import logging",
        "from os import environ",
        "from datetime import datetime",
        "from ..execution import sync",
        "from caesura.checkpoint.sqlite import SqliteSaver",
        "from caesura import pregel",
        "def f(): import os",
        "data = open('x').read()",
        "show = print",
        "async def f(): pass",
    ],
)
def test_the_purity_check_finds(line: str, tmp_path: Path) -> None:
    (tmp_path / "rule.py").write_text(line + "\n")
    result = _purity(tmp_path)
    assert result.returncode == 1
    assert "rule.py:1:" in result.stdout


def test_the_purity_check_lets_imports_for_type_checkers_pass(tmp_path: Path) -> None:
    (tmp_path / "rule.py").write_text(
        "from typing import TYPE_CHECKING\n"
        "from caesura import errors\n"
        "from .state import State\n"
        "if TYPE_CHECKING:\n    import os\n"
    )
    assert _purity(tmp_path).returncode == 0


def test_imports_point_one_way() -> None:
    result = _contracts(ROOT / "src")
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("channels/planted.py", "import caesura.core.patch"),
        ("checkpoint/planted.py", "import caesura.pregel"),
        ("checkpoint/planted.py", "import caesura.core.turn"),
        ("core/planted.py", "import caesura.checkpoint.sqlite"),
        ("execution/planted.py", "def f(): import caesura.graph"),
        ("graph/planted.py", "import caesura.cli"),
        ("elsewhere.py", ""),
    ],
)
def test_the_import_contract_finds(file: str, line: str, copy: Path) -> None:
    (copy / "caesura" / file).write_text(line + "\n")
    result = _contracts(copy)
    assert result.returncode == 1, result.stdout + result.stderr
    assert "BROKEN" in result.stdout or "elsewhere" in result.stdout
