"""Everything a running server is made of, in one place: what routes and duties may use.

`Server` is put together by `open_server`. Routes get it as ``call.server``; they hold no state of their
own, and they never write SQL: they perform operations of `caesura.records` on ``database``, or ask one
of the services.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import HTTPConnection, Request

from caesura.execution.clock import clock
from caesura.interrupts.service import Interrupts
from caesura.records.shapes import Run
from caesura.server.admitting import admission
from caesura.server.assistants import KnownAssistants
from caesura.server.auth import Anonymous, Authenticator, Authoriser, Caller, RequestFacts
from caesura.server.database import open_database
from caesura.server.encryption.opening import ProjectEncryption, encryption_of, serializer_of
from caesura.server.feed import InterruptFeed
from caesura.server.http.limits import Slots
from caesura.server.http.problems import invalid
from caesura.server.http.routes import Endpoint
from caesura.server.logs import log
from caesura.server.mcp.questions import Questions
from caesura.server.metrics import Metrics
from caesura.server.page.sessions import Sessions
from caesura.server.project.environment import Environment
from caesura.server.project.errors import ConfigError, ProjectProblem
from caesura.server.project.graphs import Graphs, prepare
from caesura.server.project.loading import load_object
from caesura.server.project.settings import Settings
from caesura.server.protocol.journal import Journal
from caesura.server.reading import SEARCHES, Beside, Searches
from caesura.server.running.dispatcher import Dispatcher
from caesura.server.running.duties import Duties
from caesura.server.running.outbox import Outbox
from caesura.server.running.streams import Streams
from caesura.server.running.webhooks import check_webhook
from caesura.server.running.workers import Workers
from caesura.server.runs import RunService
from caesura.server.storing import open_store
from caesura.server.telemetry import Tracing
from caesura.server.threads import ThreadService


@dataclass(slots=True)
class Server:
    """The parts of one server process.

    ``database`` performs the operations of `caesura.records` and `caesura.checkpoint` (it is a saver of
    ours); ``store`` is the long-term memory that graphs and the store routes share.
    """

    settings: Settings
    environment: Environment
    database: Any
    store: Any
    graphs: Graphs
    authenticator: Authenticator
    authoriser: Authoriser
    searches: Searches
    custom_app: Any = None
    """The project's own ASGI application (``http.app``)."""
    encryption: ProjectEncryption | None = None
    """How what is stored is encrypted; None: it is not."""
    streams: Streams = field(init=False)
    dispatcher: Dispatcher = field(init=False)
    runs: RunService = field(init=False)
    threads: ThreadService = field(init=False)
    outbox: Outbox = field(init=False)
    metrics: Metrics = field(default_factory=Metrics)
    tracing: Tracing = field(default_factory=Tracing)
    assistants: KnownAssistants = field(default_factory=KnownAssistants)
    crons_changed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a cron was made or changed: the next one may be due earlier."""
    slots: Slots = field(init=False)
    nobody: Caller = field(default_factory=lambda: Anonymous().caller())
    interrupts: Interrupts = field(init=False)
    feed: InterruptFeed = field(init=False)
    journal: Journal = field(init=False)
    sessions: Sessions = field(default_factory=Sessions)
    """People at the landing page, where callers must say who they are."""
    questions: Questions = field(default_factory=Questions)
    """Put to the clients of tool calls that wait in this process."""
    started_at: str = field(default_factory=lambda: clock().now())
    endpoints: Sequence[Endpoint] = ()
    documents: dict[str, Any] = field(default_factory=dict)
    """Replies of `/openapi.json` and `/docs`, made when first asked for."""
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the server is about to stop: streams that never end by themselves end then."""

    def __post_init__(self) -> None:
        self.journal = Journal(self.database)
        self.streams = Streams(self.database, listen=self.journal.listen)
        self.interrupts = Interrupts(Beside(self.database, self.do), lambda: clock().now())
        self.feed = InterruptFeed(self.database, self.streams.changed_interrupts)
        self.runs = RunService(self)
        self.threads = ThreadService(self)
        workers = Workers(self, self.environment.jobs_per_worker)
        self.dispatcher = workers
        self.outbox = Outbox(
            self.database, self.settings.webhooks, worker=workers.name, metrics=self.metrics
        )
        self.slots = Slots(self.settings.limits.concurrent_streams)

    @property
    def prefix(self) -> str:
        """What every path begins with."""
        return (self.environment.mount_prefix or self.settings.http.mount_prefix or "").rstrip("/")

    @property
    def run_seconds(self) -> float | None:
        """How long a run may take; None: as long as it wants."""
        own = self.settings.limits.run_seconds
        return self.environment.run_seconds if own is None else own

    async def do(self, operation: Any) -> Any:
        """Perform a storage operation; returns and raises what its docstring says."""
        if type(operation) in SEARCHES:
            return await self.searches.perform(operation)
        return await self.database.aexecute(operation)

    async def enter(self, request: Request, caller: Caller) -> None:
        """Note what a request says about how its data is to be encrypted. Raises a `Problem` (422)."""
        if self.encryption is not None:
            await self.encryption.enter(request, caller)

    def take_up(self, run: Run) -> None:
        """Let a run store its data as the request asked that it came with."""
        if self.encryption is not None:
            self.encryption.take_up(run)

    async def identify(
        self, request: HTTPConnection, body: Callable[[], Awaitable[bytes]]
    ) -> Caller:
        """Who calls. Raises an `AuthRefusal` (401)."""
        known: Caller | None = request.scope.get("caesura.caller")
        if known is not None:
            return known
        if isinstance(self.authenticator, Anonymous):
            return self.nobody
        return await self.authenticator.authenticate(RequestFacts.of(request, body))

    def check_webhook(self, url: str) -> None:
        """Raise 422 unless a run may have this webhook."""
        if self.settings.http.disable_webhooks:
            raise invalid(
                "Webhooks are switched off on this server (http.disable_webhooks). Nothing was "
                "started or changed; leave `webhook` out, and wait for the run or join its stream."
            )
        check_webhook(url, self.settings.webhooks)

    def run_ended(self, run: Run, seconds: float) -> None:
        """A run has ended here: count it, and send its webhook."""
        self.metrics.run_ended(run.status, seconds)
        if run.kwargs.get("webhook"):
            self.outbox.look()


@contextlib.asynccontextmanager
async def open_server(
    settings: Settings, environment: Environment, database: str
) -> AsyncIterator[Server]:
    """Open a server's parts, start its workers and duties; stop and close them in the end."""
    refuse_unkept(settings)
    prepare(settings)
    encryption = encryption_of(settings)
    saver = open_database(database, encryption, serializer_of(settings, encryption))
    searcher, searches = saver.another(), Searches(saver)
    try:
        store = open_store(settings, saver, searcher)
        graphs = Graphs.load(settings, checkpointer=saver, store=store)
        authenticator, authoriser = admission(settings, saver)
        custom = settings.http.app and load_object(settings.http.app, settings.directory)
        for graph_id, broken in graphs.broken.items():
            log.error(
                "a graph could not be loaded; the others are served",
                graph=graph_id,
                reason=str(broken),
            )
        server = Server(
            settings,
            environment,
            saver,
            store,
            graphs,
            authenticator,
            authoriser,
            searches,
            custom,
            encryption,
        )
        duties = Duties(server)
        await server.dispatcher.start()
        duties.start()
        try:
            yield server
        finally:
            server.closing.set()
            await duties.stop()
            await server.dispatcher.close(environment.shutdown_grace_seconds)
            await server.journal.close()
            if not settings.http.disable_webhooks:
                await server.outbox.close()
            server.tracing.close()
    finally:
        searches.close()
        searcher.close()
        await saver.aclose()
        if encryption is not None:
            encryption.close()


def refuse_unkept(settings: Settings) -> None:
    """Raise `ConfigError` for what a project asks for its safety and this version does not do."""
    asked = {"checkpointer.path": settings.checkpointer.path is not None}
    text = (
        "is not supported by this version, and the server does not start without it; take it away"
    )
    file = settings.file or settings.directory
    problems = [ProjectProblem(file, key, text) for key, given in asked.items() if given]
    if problems:
        raise ConfigError(problems)
