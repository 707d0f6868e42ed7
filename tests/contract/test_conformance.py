"""The suite by which LangGraph judges savers finds nothing wrong with ours, and leaves nothing out."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.contract import conformance

BASE = {"put", "put_writes", "get_tuple", "list", "delete_thread"}
EXTENDED = {"delete_for_runs", "copy_thread", "prune"}


@pytest.mark.parametrize("name", list(conformance.SAVERS))
def test_the_published_suite_passes_in_every_group(name: str, tmp_path: Path) -> None:
    command = [sys.executable, "-W", "ignore", conformance.__file__, name, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found.keys() >= BASE | EXTENDED
    for group, result in found.items():
        assert result["detected"] and result["passed"], (group, result["failures"])
        assert result["tests_passed"] > 0, group
        assert result["tests_failed"] == result["tests_skipped"] == 0, (group, result)
