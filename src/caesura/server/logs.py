"""Structured logs: one line a request, one a run; run and thread ids in every line; no secrets.

structlog renders to the standard ``logging`` streams: coloured lines on a terminal, JSON elsewhere.
Values come from clients, so the renderers must quote them: a line break in a value cannot start a line
of its own. Query texts are never logged (they may hold tokens); headers only if ``http.logging_headers``
names them.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator
from typing import Any

import structlog

from caesura.errors import StorageError

log: Any = structlog.get_logger("caesura.server")


def set_up(*, level: str = "info", as_json: bool | None = None) -> None:
    """Configure logging for the process. ``as_json`` None: unless standard error is a terminal."""
    json_lines = not sys.stderr.isatty() if as_json is None else as_json
    number = logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: list[Any]
    if json_lines:
        last = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    else:
        # Plain tracebacks: the default ones show local variables, and with them secrets.
        plain = structlog.dev.plain_traceback
        last = [
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)
        ]
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    _adopt_standard_logging(shared, last, number)


def _adopt_standard_logging(shared: list[Any], last: list[Any], level: int) -> None:
    """What programs and libraries log the standard way comes out in the same form."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for noisy in ("uvicorn.access", "httpx", "httpcore", "watchfiles"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def bind(**values: Any) -> Any:
    """Context for every line logged below; use as ``with bind(run_id=…):``."""
    return structlog.contextvars.bound_contextvars(**values)


@contextlib.contextmanager
def logged(what: str, **values: Any) -> Iterator[None]:
    """Errors in the block are logged and end it; cancelling goes through. What the database refused is
    told in its words alone."""
    try:
        yield
    except StorageError as error:
        log.error(what, **values, reason=str(error))
    except Exception as error:
        log.error(what, **values, exc_info=error)
