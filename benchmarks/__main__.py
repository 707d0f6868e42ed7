"""Measure both packages in turn, several rounds; print medians and ratios as Markdown and JSON."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from statistics import median

PACKAGES = ("caesura", "langgraph")
ROOT = Path(__file__).resolve().parents[1]


def round_of(package: str) -> dict[str, float]:
    """One round of one package, in a process of its own."""
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.workloads", package]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


def table(found: dict[str, dict[str, float]]) -> str:
    """The medians as a Markdown table."""
    lines = ["| workload | saver | Caesura | LangGraph | ratio |", "|---|---|---|---|---|"]
    for key, ours in found["caesura"].items():
        theirs, unit = found["langgraph"][key], "bytes" if "bytes" in key else "µs"
        title, kind = key.split(" | ")
        lines.append(
            f"| {title} | {kind} | {ours:,.0f} {unit} | {theirs:,.0f} {unit} | {theirs / ours:.1f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Run the rounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    rounds: dict[str, list[dict[str, float]]] = {package: [] for package in PACKAGES}
    for number in range(given.rounds):
        for package in PACKAGES:
            print(f"round {number + 1} of {given.rounds}: {package}", file=sys.stderr)
            rounds[package].append(round_of(package))
    found = {
        package: {key: median(r[key] for r in rounds[package]) for key in rounds[package][0]}
        for package in PACKAGES
    }
    print(json.dumps(found, indent=2) if given.json else table(found))


if __name__ == "__main__":
    main()
