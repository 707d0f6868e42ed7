"""What a decision says of the project's dependencies is what the project depends on."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DECISIONS = ROOT / "docs" / "decisions"
MODULES = {
    "opentelemetry-api": "opentelemetry",
    "opentelemetry-exporter-otlp-proto-http": "opentelemetry",
    "opentelemetry-sdk": "opentelemetry",
    "prometheus-client": "prometheus_client",
    "pyjwt": "jwt",
    "python-dotenv": "dotenv",
    "python-multipart": "python_multipart",
}


def extras() -> dict[str, set[str]]:
    """Package → the extras that need it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found: dict[str, set[str]] = {}
    for extra in ("server", "client", "otel"):
        for requirement in project["optional-dependencies"][extra]:
            name = re.match(r"[a-z0-9-]+", requirement)
            assert name is not None
            found.setdefault(name[0], set()).add(extra)
    return found


def test_every_dependency_of_the_server_has_a_reason_and_every_reason_a_dependency() -> None:
    text = (DECISIONS / "0010-dependencies-of-the-server.md").read_text(encoding="utf-8")
    table = text.split("|---|---|---|\n")[1].split("\n\n")[0]
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \|", table, re.MULTILINE)
    reasoned: dict[str, set[str]] = {}
    for cell, used_by in rows:
        first, *more = cell.split(", ")
        for name in (first, *(first.rpartition("-")[0] + each for each in more)):
            reasoned[name.partition("[")[0]] = set(used_by.split(", "))
    assert reasoned == extras()


def test_importing_the_library_imports_nothing_that_only_the_server_needs() -> None:
    modules = {MODULES.get(name, name) for name in extras()}
    code = f"import caesura, caesura.graph, sys; print({modules} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_every_decision_is_in_the_index_under_its_title() -> None:
    index = (DECISIONS / "README.md").read_text(encoding="utf-8")
    shown = dict(re.findall(r"^\| \[\d{4}\]\(([^)]+)\) \| (.+) \|$", index, re.MULTILINE))
    titles = {
        page.name: re.sub(r"^# (\d{4}|\d+\.) ", "", page.read_text(encoding="utf-8").split("\n")[0])
        for page in DECISIONS.glob("0*.md")
    }
    assert shown == titles
