"""OpenTelemetry, by its standard environment variables: a trace a thread's run, across its pauses.

The trace context of the request that started a thread's first run is stored with the thread, so a resume
months later, on another machine, joins the same trace. The wait for a person is a span of its own, from
asking to answering; a pause is no error. Without the OpenTelemetry packages, or with no exporter set in
the environment, all of this is nothing.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from caesura.records.shapes import Json, Run, Thread
from caesura.server.logs import log

_HEADERS: Final = ("traceparent", "tracestate")
_SWITCHES: Final = (
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_TRACES_EXPORTER",
)


def trace_of(headers: Mapping[str, str] | None, thread: Thread | None) -> Json | None:
    """The trace context a run belongs to: that of its thread, else that of the request."""
    if thread is not None and thread.trace:
        return thread.trace
    given = headers or {}
    found = {name: given[name] for name in _HEADERS if given.get(name)}
    return found if "traceparent" in found else None


def wanted() -> bool:
    """True if the environment asks for traces."""
    if os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    exporter = os.environ.get("OTEL_TRACES_EXPORTER", "")
    return exporter != "none" and any(os.environ.get(name) for name in _SWITCHES)


class Tracing:
    """Makes the spans. One for the process; does nothing where no traces are wanted."""

    def __init__(self) -> None:
        self._tracer: Any = None
        self._provider: Any = None
        if wanted():
            self._set_up()

    @property
    def active(self) -> bool:
        """True if spans are made."""
        return self._tracer is not None

    def _set_up(self) -> None:
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter
        except ImportError:
            log.warning(
                "traces are asked for, but the packages are not there",
                install='pip install "caesura[otel]"',
            )
            return
        console = os.environ.get("OTEL_TRACES_EXPORTER") == "console"
        exporter = ConsoleSpanExporter() if console else OTLPSpanExporter()
        self._provider = TracerProvider()
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("caesura")

    @contextlib.contextmanager
    def run(self, run: Run) -> Iterator[RunSpan]:
        """The span of one attempt at a run; what runs inside is its child."""
        if self._tracer is None:
            yield RunSpan(None)
            return
        from opentelemetry import propagate

        above = propagate.extract(dict(run.trace)) if run.trace else None
        attributes = {
            "caesura.run_id": run.run_id,
            "caesura.thread_id": run.thread_id,
            "caesura.graph_id": run.graph_id,
            "caesura.attempt": run.attempt,
        }
        with self._tracer.start_as_current_span(
            f"run {run.graph_id}", context=above, attributes=attributes
        ) as span:
            yield RunSpan(span)

    def waited(self, run: Run, asked_at: str, answered_at: str, interrupt_id: str) -> None:
        """The span of a wait for a person, told once it is over."""
        if self._tracer is None:
            return
        from opentelemetry import propagate

        above = propagate.extract(dict(run.trace)) if run.trace else None
        span = self._tracer.start_span(
            "wait for a person",
            context=above,
            attributes={"caesura.interrupt_id": interrupt_id, "caesura.thread_id": run.thread_id},
            start_time=_nanoseconds(asked_at),
        )
        span.end(end_time=_nanoseconds(answered_at))

    def close(self) -> None:
        """Send what is left."""
        if self._provider is not None:
            self._provider.shutdown()


class RunSpan:
    """What is noted on the span of a run."""

    __slots__ = ("_span",)

    def __init__(self, span: Any) -> None:
        self._span = span

    @property
    def context(self) -> Json | None:
        """The trace context to go on with after a pause."""
        if self._span is None:
            return None
        from opentelemetry import propagate

        carrier: dict[str, str] = {}
        propagate.inject(carrier)
        return carrier or None

    def ended(self, status: str, paused: bool) -> None:
        """How it ended; a pause is none of the errors."""
        if self._span is None:
            return
        from opentelemetry.trace import StatusCode

        self._span.set_attribute("caesura.status", status)
        self._span.set_attribute("caesura.paused", paused)
        self._span.set_status(StatusCode.ERROR if status in ("error", "timeout") else StatusCode.OK)


def _nanoseconds(iso: str) -> int:
    return int(datetime.fromisoformat(iso).timestamp() * 1_000_000_000)
