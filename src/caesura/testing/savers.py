"""What every saver must do, as a suite that anybody's saver can run.

`SaverContract` asks for LangGraph's interface only; `EngineContract` also for the operations of
`caesura.checkpoint.operations`. Both are plain classes of tests. With pytest, subclass one and say
how to make the saver::

    class TestMySaver(SaverContract):
        @pytest.fixture(params=[SyncCalls, AsyncCalls])
        def calls(self, request):
            with closing(request.param(MySaver())) as calls:
                yield calls

Without pytest, `check` runs all of it. Every test gets a new, empty saver behind `Calls`, which let
one test serve the sync methods and the async ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from caesura.testing.calling import (
    AT,
    THREAD,
    AsyncCalls,
    Calls,
    SyncCalls,
    Walker,
    checkpoint,
    config,
    ids,
    interrupt_row,
    refusal,
)
from caesura.testing.engine_contract import EngineContract
from caesura.testing.saver_contract import SaverContract

__all__ = (
    "SaverContract",
    "EngineContract",
    "check",
    "Calls",
    "SyncCalls",
    "AsyncCalls",
    "Walker",
    "AT",
    "THREAD",
    "checkpoint",
    "config",
    "ids",
    "interrupt_row",
    "refusal",
)


def check(
    make: Callable[[], Any],
    contract: type[SaverContract] | None = None,
    colours: Iterable[type[Calls]] = (SyncCalls, AsyncCalls),
) -> None:
    """Run a whole contract, each test on a new saver from ``make``. Raises the first failure.

    Savers that have a ``close`` method are closed after each test.
    """
    suite = (contract or SaverContract)()
    for colour in colours:
        for name in [n for n in dir(suite) if n.startswith("test_")]:
            calls = colour(make())
            try:
                getattr(suite, name)(calls)
            finally:
                calls.close()
                getattr(calls.saver, "close", lambda: None)()
