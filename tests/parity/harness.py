"""Finds the programs, runs them on both sides, and says where the two sides differ.

A program is a file in ``programs/`` with ``run(make_saver, record)`` (sync or async), or with
``run(make_saver, record, drive)``, which is run in both colours. It may declare ``SAVERS``,
``COLOURS`` and ``DEVIATIONS`` as literals. Each side runs in a worker process of its own that
executes a whole batch; a program that does not come back in time costs its worker, and a new one
goes on with the rest.

``python -m parity.harness`` prints the deviations, one line each, for the compatibility page.
"""

from __future__ import annotations

import ast
import difflib
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import psycopg
from psycopg import sql
from tests.databases import postgres_url

from .normalise import Encoded, Placeholders, render

HERE = Path(__file__).resolve().parent
PROGRAMS = HERE / "programs"
SIDES = ("judge", "caesura")
START_SECONDS = 60.0
CASE_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Case:
    """One program in one colour on one kind of saver."""

    program: str
    colour: str
    saver: str
    deviations: Mapping[str, str] = field(default_factory=dict, compare=False)

    @property
    def key(self) -> str:
        """What names the case in test ids and between processes."""
        return f"{self.program}-{self.colour}-{self.saver}"

    @property
    def path(self) -> Path:
        """The file of the program."""
        return PROGRAMS / f"{self.program}.py"

    def deviation_names(self) -> set[str]:
        """Observations meant to differ here; ``name@async`` or ``name@sqlite`` limits one."""
        names = set()
        for key in self.deviations:
            name, *only = key.split("@")
            if all(tag in (self.colour, self.saver) for tag in only):
                names.add(name)
        return names


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one side observed: ``(name, value)`` in order, and the traceback if it crashed."""

    observations: Sequence[tuple[str, Encoded]] = ()
    crash: str | None = None


# --- programs --------------------------------------------------------------------------------


def discover(folder: Path = PROGRAMS) -> list[Case]:
    """Every case of every program, in file order. Reads the files without importing them."""
    cases = []
    for path in sorted(folder.glob("[!_]*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
        declared = _declarations(tree)
        for colour in declared.get("COLOURS", _colours(tree, path)):
            for saver in declared.get("SAVERS", ("memory", "sqlite", "postgres")):
                cases.append(Case(path.stem, colour, saver, declared.get("DEVIATIONS", {})))
    return cases


def _declarations(tree: ast.Module) -> dict[str, Any]:
    return {
        target.id: ast.literal_eval(statement.value)
        for statement in tree.body
        if isinstance(statement, ast.Assign)
        for target in statement.targets
        if isinstance(target, ast.Name) and target.id in ("SAVERS", "COLOURS", "DEVIATIONS")
    }


def _colours(tree: ast.Module, path: Path) -> tuple[str, ...]:
    for statement in tree.body:
        if isinstance(statement, ast.AsyncFunctionDef) and statement.name == "run":
            return ("async",)
        if isinstance(statement, ast.FunctionDef) and statement.name == "run":
            return ("sync", "async") if len(statement.args.args) == 3 else ("sync",)
    raise ValueError(f"{path} defines no run()")


# --- running ---------------------------------------------------------------------------------


def run_sides(cases: Sequence[Case], sides: Iterable[str]) -> dict[str, dict[str, Outcome]]:
    """``{side: {case key: outcome}}``; the sides run at the same time."""
    with schemas() as where, ThreadPoolExecutor() as pool:
        os.environ.update(where)
        running = {side: pool.submit(run_side, side, cases) for side in sides}
        return {side: future.result() for side, future in running.items()}


@contextmanager
def schemas() -> Iterator[dict[str, str]]:
    """What workers must know to make schemas in Postgres; those they made are dropped in the end."""
    prefix = f"parity_{os.getpid()}_"
    url = postgres_url()
    yield {"PARITY_POSTGRES": url, "PARITY_SCHEMAS": prefix}
    with psycopg.connect(url, autocommit=True) as connection:
        made = connection.execute(
            "SELECT nspname FROM pg_namespace WHERE starts_with(nspname::text, %s)", (prefix,)
        )
        for (name,) in made.fetchall():
            connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(name)))


def run_side(side: str, cases: Sequence[Case]) -> dict[str, Outcome]:
    """Run all cases on one side, with a new worker whenever one is lost."""
    outcomes: dict[str, Outcome] = {}
    rest = list(cases)
    while rest:
        done, reason = _run_worker(side, rest)
        outcomes.update(done)
        rest = [case for case in rest if case.key not in outcomes]
        if rest:
            outcomes[rest[0].key] = Outcome(crash=reason)
            rest = rest[1:]
            if not done and "could not start" in reason:
                outcomes.update({case.key: Outcome(crash=reason) for case in rest})
                rest = []
    return outcomes


def _run_worker(side: str, cases: Sequence[Case]) -> tuple[dict[str, Outcome], str]:
    process = subprocess.Popen(
        [_python(side), "-m", f"{HERE.name}.worker", side],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=_environment(),
        text=True,
    )
    assert process.stdin and process.stdout and process.stderr
    jobs = [
        {"key": c.key, "path": str(c.path), "colour": c.colour, "saver": c.saver} for c in cases
    ]
    lines: queue.Queue[str | None] = queue.Queue()
    errors: list[str] = []
    readers = [
        threading.Thread(target=_pump, args=(process.stdout, lines), daemon=True),
        threading.Thread(target=_drain, args=(process.stderr, errors), daemon=True),
    ]
    for reader in readers:
        reader.start()
    try:
        process.stdin.write(json.dumps(jobs))
        process.stdin.close()
    except BrokenPipeError:
        pass
    try:
        return _read(lines, errors, readers[1])
    finally:
        process.kill()
        process.wait()
        for reader in readers:
            reader.join()
        process.stdout.close()
        process.stderr.close()


def _read(
    lines: queue.Queue[str | None], errors: list[str], drain: threading.Thread
) -> tuple[dict[str, Outcome], str]:
    done: dict[str, Outcome] = {}
    while True:
        try:
            line = lines.get(timeout=CASE_SECONDS if done else START_SECONDS)
        except queue.Empty:
            return done, f"did not come back within {CASE_SECONDS:.0f} s"
        if line is None:
            drain.join(timeout=2)
            said = "".join(errors)[-3000:]
            return done, f"{'worker died' if done else 'worker could not start'}:\n{said}"
        result = json.loads(line)
        observations = [(name, value) for name, value in result["observations"]]
        done[result["key"]] = Outcome(observations, result["crash"])


def _pump(stream: IO[str], lines: queue.Queue[str | None]) -> None:
    for line in stream:
        lines.put(line)
    lines.put(None)


def _drain(stream: IO[str], errors: list[str]) -> None:
    for line in stream:
        errors.append(line)


def _python(side: str) -> str:
    """The interpreter of a side, so that LangGraph may live in an environment of its own."""
    return os.environ.get(f"PARITY_{side.upper()}_PYTHON", sys.executable)


def _environment() -> dict[str, str]:
    source = HERE.parents[1] / "src"
    known = os.environ.get("PYTHONPATH")
    path = os.pathsep.join([str(HERE.parent), str(source), *([known] if known else [])])
    return {**os.environ, "PYTHONPATH": path, "LANGSMITH_TRACING": "false", "PYTHONUTF8": "1"}


# --- comparing -------------------------------------------------------------------------------


def compare(case: Case, judge: Outcome, caesura: Outcome) -> str | None:
    """``None`` if both sides observed the same, else what a person needs to see."""
    if judge.crash:
        return f"{case.key}: the program does not run on LangGraph\n{judge.crash}"
    meant = case.deviation_names()
    stale = sorted(meant - {name for name, _ in judge.observations})
    if stale:
        return f"{case.key}: DEVIATIONS names no observation of the program: {stale}"
    differing = _differences(judge.observations, caesura.observations, meant)
    if differing:
        return _report(case, differing, caesura.crash)
    if caesura.crash:
        return f"{case.key}: the program does not run on Caesura\n{caesura.crash}"
    needless = _agreeing(judge.observations, caesura.observations, meant)
    if needless:
        return f"{case.key}: listed as deviations, but both sides agree: {needless}"
    return None


Difference = tuple[str, str, str]


def _differences(
    judge: Sequence[tuple[str, Encoded]],
    caesura: Sequence[tuple[str, Encoded]],
    meant: set[str],
) -> list[Difference]:
    left, right = _rendered(judge, meant), _rendered(caesura, meant)
    names = [*left, *(name for name in right if name not in left)]
    absent = "<not recorded>"
    pairs = ((name, left.get(name, absent), right.get(name, absent)) for name in names)
    return [(name, one, other) for name, one, other in pairs if one != other]


def _rendered(observations: Sequence[tuple[str, Encoded]], without: set[str]) -> dict[str, str]:
    ids = Placeholders()
    return {name: render(ids.apply(v)) for name, v in observations if name not in without}


def _agreeing(
    judge: Sequence[tuple[str, Encoded]],
    caesura: Sequence[tuple[str, Encoded]],
    meant: set[str],
) -> list[str]:
    other = dict(caesura)
    return [
        name
        for name, value in judge
        if name in meant and name in other and _alone(value) == _alone(other[name])
    ]


def _alone(value: Encoded) -> str:
    return render(Placeholders().apply(value))


def _report(case: Case, differing: Sequence[Difference], crash: str | None) -> str:
    name, judge, caesura = differing[0]
    diff = difflib.unified_diff(
        judge.splitlines(), caesura.splitlines(), "langgraph", "caesura", lineterm="", n=3
    )
    more = [other for other, _, _ in differing[1:]]
    parts = [f"{case.key}: observation {name!r} differs", *diff]
    if more:
        parts.append(f"({len(more)} more differ: {', '.join(more)})")
    if crash:
        parts.append(f"Caesura stopped with:\n{crash}")
    return "\n".join(parts)


def deviations(cases: Iterable[Case]) -> dict[str, str]:
    """``{program/observation: reason}`` of everything that is different on purpose."""
    return {
        f"{case.program}/{name}": reason
        for case in cases
        for name, reason in case.deviations.items()
    }


if __name__ == "__main__":
    for key, reason in sorted(deviations(discover()).items()):
        print(f"| `{key}` | {reason} |")
