"""What is counted and measured, for Prometheus.

Each server has a registry of its own, so several in one process do not mix. Counters and histograms are
told as things happen; gauges are read from the database when somebody asks (`Standing`). Label values
are route templates, methods, statuses: nothing that a client could make endlessly many of.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass
from typing import Any, Final

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    ProcessCollector,
    generate_latest,
)

from caesura.version import __version__

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
_METHODS: Final = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})
_REQUEST_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60)
_RUN_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)


@dataclass(frozen=True, slots=True)
class Standing:
    """How things stand now."""

    pending: int
    running: int
    busy: int
    places: int
    open_interrupts: int
    streams: int
    oldest_pending_seconds: float | None
    webhooks_waiting: int
    webhooks_dead: int


class Metrics:
    """The instruments of one server."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self._make_counters()
        self._make_gauges()
        self._children: dict[tuple[str, str, int], tuple[Any, Any]] = {}

    def _make_counters(self) -> None:
        own = self.registry
        self._requests = Counter(
            "caesura_http_requests",
            "Requests answered.",
            ["route", "method", "status"],
            registry=own,
        )
        self._request_seconds = Histogram(
            "caesura_http_request_seconds", "Time from request to the end of its response.",
            ["route", "method"], buckets=_REQUEST_SECONDS, registry=own,
        )  # fmt: skip
        self._runs = Counter("caesura_runs", "Runs ended here.", ["status"], registry=own)
        self._run_seconds = Histogram(
            "caesura_run_seconds", "Time that runs took, without waiting for people.",
            buckets=_RUN_SECONDS, registry=own,
        )  # fmt: skip
        self._queue_seconds = Histogram(
            "caesura_run_queue_seconds", "Time from accepting a run to starting it.",
            buckets=_RUN_SECONDS, registry=own,
        )  # fmt: skip
        self._crons = Counter("caesura_crons_fired", "Crons fired here.", ["outcome"], registry=own)
        self._webhooks = Counter("caesura_webhooks", "Webhooks sent.", ["outcome"], registry=own)

    def _make_gauges(self) -> None:
        own = self.registry
        info = Gauge("caesura_info", "What runs.", ["version", "python"], registry=own)
        info.labels(__version__, platform.python_version()).set(1)
        self._gauges = {
            name: Gauge(f"caesura_{name}", text, registry=own)
            for name, text in (
                ("runs_pending", "Runs that wait for a place or for their time."),
                ("runs_running", "Runs going on, in all processes."),
                ("workers_busy", "Runs going on in this process."),
                ("workers_places", "Runs this process can do at once."),
                ("interrupts_open", "Questions that wait for a person."),
                ("streams_active", "Streams that clients read here."),
                ("runs_oldest_pending_seconds", "Since when the oldest pending run waits."),
                ("webhooks_waiting", "Webhooks that are to be sent, or sent again."),
                ("webhooks_dead", "Webhooks that were given up, of the last days."),
            )
        }

    # --- told as things happen ---

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """A request was answered. ``route``: its template, as in ``/threads/{thread_id}``."""
        key = (route, method if method in _METHODS else "other", status)
        children = self._children.get(key)
        if children is None:
            children = self._children[key] = (
                self._requests.labels(key[0], key[1], str(status)),
                self._request_seconds.labels(key[0], key[1]),
            )
        children[0].inc()
        children[1].observe(seconds)

    def run_ended(self, status: str, seconds: float) -> None:
        """A run has ended here; ``seconds``: how long it took."""
        self._runs.labels(status).inc()
        self._run_seconds.observe(seconds)

    def run_started(self, waited_seconds: float) -> None:
        """A run was taken up that long after it was accepted (or due)."""
        self._queue_seconds.observe(max(0.0, waited_seconds))

    def cron_fired(self, outcome: str) -> None:
        """A cron's date came: its run was ``started`` or ``refused``."""
        self._crons.labels(outcome).inc()

    def webhook(self, outcome: str) -> None:
        """A webhook was ``delivered``, or given up: ``failed``."""
        self._webhooks.labels(outcome).inc()

    # --- asked for ---

    def text(self, now: Standing) -> bytes:
        """All of it, in the text format of Prometheus."""
        values = {
            "runs_pending": now.pending,
            "runs_running": now.running,
            "workers_busy": now.busy,
            "workers_places": now.places,
            "interrupts_open": now.open_interrupts,
            "streams_active": now.streams,
            "runs_oldest_pending_seconds": now.oldest_pending_seconds or 0.0,
            "webhooks_waiting": now.webhooks_waiting,
            "webhooks_dead": now.webhooks_dead,
        }
        for name, value in values.items():
            self._gauges[name].set(value)
        return generate_latest(self.registry)

    def requests(self) -> list[dict[str, Any]]:
        """The requests so far, by route, method and status."""
        return [
            {**sample.labels, "count": int(sample.value)}
            for metric in self._requests.collect()
            for sample in metric.samples
            if sample.name.endswith("_total")
        ]
