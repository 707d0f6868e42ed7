"""A process that measures one package: reads cases from stdin, writes outcomes to stdout, both JSON lines.

``python -m benchmarks.worker PACKAGE``. A process per package keeps the two apart; cases one by one let
the parent alternate between them.
"""

from __future__ import annotations

import asyncio
import gc
import json
import resource
import sys
import time
import tracemalloc
from collections.abc import Coroutine
from typing import Any, TypeVar

from benchmarks.packages import Package, Place
from benchmarks.workloads import WORKLOADS, Bench, Outcome, Took, Workload

T = TypeVar("T")
PATIENCE = 0.3
"""Seconds after which a case is not run again in the same round."""


def driven(steps: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that never waits: a sync program, with no event loop about."""
    try:
        steps.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    raise RuntimeError("A sync workload waited for something.")


async def _performed(package: Package, workload: Workload, place: Place, size: int) -> Outcome:
    async with package.saver(place) as saver:
        gc.collect()
        return await workload.run(Bench(package, saver, place, size))


def perform(package: Package, case: dict[str, Any], scale: str, schema: str) -> Outcome:
    """One run of a case on a saver with nothing in it."""
    workload = WORKLOADS[case["workload"]]
    asynchronous = case["colour"] == "async"
    place = Place(case["saver"], asynchronous, workload.concurrent, case["url"], schema)
    steps = _performed(package, workload, place, workload.sized(scale))
    return asyncio.run(steps) if asynchronous else driven(steps)


def measured(package: Package, case: dict[str, Any]) -> Outcome:
    """A case, after a small one that makes what is made once."""
    warm, *schemas = case["schemas"]
    tiny = perform(package, case, "short", warm)
    if WORKLOADS[case["workload"]].memory:
        return _remembered(package, case, schemas[0])
    if case["scale"] == "short":
        return tiny
    return _repeated(package, case, schemas)


def _repeated(package: Package, case: dict[str, Any], schemas: list[str]) -> Outcome:
    """What takes little is run again, and the shortest time of each measure counts."""
    found: list[Outcome] = []
    end = time.monotonic() + PATIENCE
    for schema in schemas:
        found.append(perform(package, case, case["scale"], schema))
        if time.monotonic() > end:
            break
    names = found[0].measures
    return Outcome({n: _least([o.measures[n] for o in found]) for n in names}, found[0].result)


def _least(some: list[Any]) -> Took | float:
    if isinstance(some[0], Took):
        return Took(min(each.wall for each in some), min(each.cpu for each in some))
    return float(min(some))


def _remembered(package: Package, case: dict[str, Any], schema: str) -> Outcome:
    """The peak of this process, and then, run again, of what one run allocates."""
    result = perform(package, case, case["scale"], schema).result
    process = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # kB on Linux, bytes on macOS
    tracemalloc.start()
    perform(package, case, case["scale"], schema)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    scale = 1024 if sys.platform == "darwin" else 1
    return Outcome({"peak of the run": peak / 1024, "peak of the process": process / scale}, result)


def main() -> None:
    """Answer until stdin ends."""
    package = Package(sys.argv[1])
    for line in sys.stdin:
        outcome = measured(package, json.loads(line))
        print(json.dumps(outcome._asdict()), flush=True)


if __name__ == "__main__":
    main()
