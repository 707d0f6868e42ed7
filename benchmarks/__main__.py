"""Run the same programs on Caesura and on LangGraph in turn, several rounds: `python -m benchmarks`.

Prints medians and ratios as a Markdown table. Exit code 1 says that the two packages computed different
results.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import groupby, product
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from tests.databases import fresh_schema, postgres_url

from benchmarks.packages import PACKAGES
from benchmarks.report import caption, shown, table, write_docs
from benchmarks.workloads import WORKLOADS

ROOT = Path(__file__).resolve().parents[1]
PYTHON = (sys.executable, "-W", "ignore")
REPEATS = 3
"""Runs of a case in a round, at most; the first of its schemas is for warming up."""
IMPORTS = 5
"""Imports a round, the fastest of which counts."""


class Case(NamedTuple):
    """One workload on one saver in one form."""

    workload: str
    saver: str = ""
    colour: str = ""


IMPORT = Case("import")


def cases(names: Sequence[str]) -> list[Case]:
    """Every case of the workloads named."""
    found = [IMPORT] if "import" in names else []
    for name in (n for n in WORKLOADS if n in names):
        workload = WORKLOADS[name]
        found.extend(Case(name, *where) for where in product(workload.savers, workload.colours))
    return found


def one_each(chosen: Sequence[Case]) -> list[Case]:
    """One case a workload, so that every saver and both forms are among them."""
    found = []
    for number, (_, group) in enumerate(groupby(chosen, key=lambda case: case.workload)):
        alike = list(group)
        found.append(alike[(3 * number) % len(alike)])
    return found


# --- measuring -------------------------------------------------------------------------------


class Worker:
    """A process that measures one package."""

    def __init__(self, package: str) -> None:
        self.package = package
        command = [*PYTHON, "-m", "benchmarks.worker", package]
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def measure(self, case: Case, scale: str) -> dict[str, Any]:
        """The outcome of a case."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        with ExitStack() as stack:
            schemas, url = [""] * (1 + REPEATS), ""
            if case.saver == "postgres":
                schemas, url = (
                    [stack.enter_context(fresh_schema()) for _ in schemas],
                    postgres_url(),
                )
            asked = case._asdict() | {"scale": scale, "url": url, "schemas": schemas}
            stdin.write(json.dumps(asked) + "\n")
            stdin.flush()
            line = stdout.readline()
        if not line:
            raise SystemExit(f"{self.package} failed at {' '.join(case)}; see above.")
        return dict(json.loads(line))

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


@contextmanager
def worker(package: str) -> Iterator[Worker]:
    """A worker that ends."""
    made = Worker(package)
    try:
        yield made
    finally:
        made.close()


def import_time(package: str, times: int) -> dict[str, Any]:
    """Milliseconds of a Python process that imports a package and its graphs: the fastest of some."""
    command = [*PYTHON, "-c", f"import {package}; from {package}.graph import StateGraph"]
    took = []
    for _ in range(times):
        start = time.perf_counter()
        subprocess.run(command, cwd=ROOT, check=True)
        took.append((time.perf_counter() - start) * 1000)
    return {"measures": {"a process": min(took)}, "result": None}


def measure(case: Case, scale: str, workers: dict[str, Worker]) -> dict[str, Any]:
    """The outcomes of a case on the packages, in the order of ``workers``."""
    if case == IMPORT:
        return {
            package: import_time(package, 1 if scale == "short" else IMPORTS) for package in workers
        }
    if not WORKLOADS[case.workload].memory:
        return {package: each.measure(case, scale) for package, each in workers.items()}
    found = {}
    for package in workers:
        with worker(package) as fresh:
            found[package] = fresh.measure(case, scale)
    return found


# --- rounds ----------------------------------------------------------------------------------


def run(chosen: Sequence[Case], rounds: int, scale: str) -> dict[Case, list[dict[str, Any]]]:
    """Every case in every round. In each round, another package goes first."""
    found: dict[Case, list[dict[str, Any]]] = {case: [] for case in chosen}
    for number in range(rounds):
        with ExitStack() as stack:
            order = PACKAGES if number % 2 == 0 else PACKAGES[::-1]
            workers = {package: stack.enter_context(worker(package)) for package in order}
            for place, case in enumerate(chosen, 1):
                where = f"round {number + 1} of {rounds}, {place} of {len(chosen)}"
                print(f"{where}: {' '.join(case)}", end="", file=sys.stderr, flush=True)
                outcome = measure(case, scale, workers)
                found[case].append(outcome)
                print(f"  {_glance(case, outcome)}", file=sys.stderr)
    return found


def _glance(case: Case, outcome: dict[str, Any]) -> str:
    name, unit = next(iter(units(case).items()))
    values = (wall(outcome[package]["measures"][name]) for package in PACKAGES)
    return " | ".join((name, *(shown(value, unit) for value in values)))


def wall(value: Any) -> float:
    """A time on the clock, or what is no time."""
    return float(value[0] if isinstance(value, list) else value)


def units(case: Case) -> dict[str, str]:
    """What a case measures, and in which unit."""
    return {"a process": "ms"} if case == IMPORT else WORKLOADS[case.workload].measures


def rows_of(case: Case, outcomes: list[dict[str, Any]], scale: str) -> list[dict[str, Any]]:
    """The rows of the table that a case gives."""
    if case == IMPORT:
        title = "import"
    else:
        workload = WORKLOADS[case.workload]
        title = workload.title.format(size=f"{workload.sized(scale):,}")
    return [
        case._asdict() | {"title": title} | _row(name, unit, outcomes)
        for name, unit in units(case).items()
    ]


def _row(name: str, unit: str, outcomes: list[dict[str, Any]]) -> dict[str, Any]:
    every = {p: [outcome[p]["measures"][name] for outcome in outcomes] for p in PACKAGES}
    ours, theirs = (median(wall(value) for value in every[p]) for p in PACKAGES)
    return {
        "measure": name,
        "unit": unit,
        "caesura": ours,
        "langgraph": theirs,
        "ratio": None if unit == "×" else theirs / ours,
        "cpu_ratio": _cpu_ratio(every),
        "rounds": every,
    }


def _cpu_ratio(every: dict[str, list[Any]]) -> float | None:
    """The ratio of processor times; None for what is no time, or measured from outside."""
    if not isinstance(every["caesura"][0], list):
        return None
    ours, theirs = (median(value[1] for value in every[p]) for p in PACKAGES)
    return theirs / ours if ours else None


def unequal(found: dict[Case, list[dict[str, Any]]]) -> list[str]:
    """The cases in which the packages computed different results."""
    return [
        " ".join(case)
        for case, outcomes in found.items()
        if any(o["caesura"]["result"] != o["langgraph"]["result"] for o in outcomes)
    ]


def machine() -> dict[str, str]:
    """Where this runs."""
    from importlib.metadata import version

    return {
        "Caesura": version("caesura"),
        "LangGraph": version("langgraph"),
        "Python": platform.python_version(),
        platform.system(): f"{platform.machine()}, {os.cpu_count()} cores",
    }


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    names = ["import", *WORKLOADS]
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything to a file")
    parser.add_argument(
        "--write-docs", action="store_true", help="write docs/benchmarks.md and .svg"
    )
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--short", dest="scale", action="store_const", const="short", default="full")
    size.add_argument("--large", dest="scale", action="store_const", const="large")
    given = parser.parse_args()
    if given.scale == "short":
        given.rounds = 1
    return given


def main() -> int:
    """Run the rounds and tell."""
    given = arguments()
    chosen = cases(given.only)
    if given.scale == "short":
        chosen = one_each(chosen)
    outcomes = run(chosen, given.rounds, given.scale)
    found = {
        "machine": machine(),
        "rounds": given.rounds,
        "scale": given.scale,
        "unequal": unequal(outcomes),
        "rows": [
            row for case, each in outcomes.items() for row in rows_of(case, each, given.scale)
        ],
    }
    if given.json:
        given.json.write_text(json.dumps(found, indent=2), encoding="utf-8")
    if given.write_docs:
        write_docs(found, ROOT / "docs")
    print(f"{caption(found)}\n\n{table(found['rows'])}")
    for case in found["unequal"]:
        print(f"Different results: {case}", file=sys.stderr)
    return 1 if found["unequal"] else 0


if __name__ == "__main__":
    sys.exit(main())
