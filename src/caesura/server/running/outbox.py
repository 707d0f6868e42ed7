"""The duty that sends webhooks. What is to be sent is a row, stored with the end of its run.

A delivery is claimed for as long as one attempt can take at most; if its process dies meanwhile, another
one claims it after that, or the same one when it starts again. So each is sent at least once, and
receivers tell a repetition by its ``Webhook-Id``. One that fails is tried again with growing waits; after
the last attempt, or an answer that says that it will never be taken, it is dead: kept for a while, and
not sent any more.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Final

from caesura.execution.clock import clock
from caesura.execution.tokens import is_alive
from caesura.records.operations import (
    ClaimDeliveries,
    FindDeliverers,
    NextDelivery,
    ReleaseDeliveries,
    SettleDelivery,
)
from caesura.records.shapes import Delivery, Run
from caesura.server.encoding import encode
from caesura.server.logs import log, logged
from caesura.server.metrics import Metrics
from caesura.server.project.sections import Webhooks as WebhookSettings
from caesura.server.running.posting import TIMEOUT_SECONDS, Poster
from caesura.server.running.streams import Result
from caesura.server.running.webhooks import body_of
from caesura.server.views import run_view

if TYPE_CHECKING:
    from starlette.types import ASGIApp

ATTEMPTS: Final = 8
FIRST_WAIT_SECONDS: Final = 1.0
"""Before the second attempt; four times as long before each further one, `LONGEST_WAIT_SECONDS` at most."""
LONGEST_WAIT_SECONDS: Final = 3600.0
LEASE_SECONDS: Final = 3 * TIMEOUT_SECONDS
GRACE_SECONDS: Final = 5.0
LOOK_SECONDS: Final = 5.0
"""How often to look for deliveries that another process stored or left behind."""
_AT_ONCE: Final = 20


class Outbox:
    """Delivers what is stored in ``database``, from any process.

    ``worker``: the name under which deliveries are claimed (see `caesura.execution.tokens`). ``app``: what
    webhooks to paths of this server are handed to. ``metrics``: told of each outcome. Raises `ConfigError`
    if the configured headers cannot be made.
    """

    def __init__(
        self,
        database: Any,
        settings: WebhookSettings,
        *,
        worker: str,
        app: ASGIApp | None = None,
        metrics: Metrics | None = None,
        first_wait: float = FIRST_WAIT_SECONDS,
    ) -> None:
        self.poster = Poster(settings, app)
        self._database, self._worker, self._metrics = database, worker, metrics
        self._first_wait = first_wait
        self._tasks: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()

    def delivery(self, run: Run, result: Result) -> Delivery | None:
        """What is to be stored with the end of ``run``; None if it has no webhook."""
        url = run.kwargs.get("webhook")
        if not url:
            return None
        owner = ((run.kwargs.get("config") or {}).get("configurable") or {}).get(
            "langgraph_auth_user"
        )
        body = encode(body_of(run_view(run), result, run))
        return Delivery(run.run_id, run.thread_id, str(url), body, owner, due_at=clock().epoch())

    def look(self) -> None:
        """There may be something to deliver."""
        self._wake.set()

    async def work(self) -> None:
        """Deliver what is due and what comes, until cancelled."""
        while True:
            self._wake.clear()
            wait = LOOK_SECONDS
            with logged("webhooks could not be looked for; trying again"):
                await self._take_over()
                await self._begin_due()
                wait = await self._until_next()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._wake.wait()

    async def deliver_due(self) -> None:
        """Deliver what is due now, and what is due by the time that is done."""
        await self._begin_due()
        while self._tasks:
            await asyncio.wait(self._tasks)
            await self._begin_due()

    async def close(self, grace: float = GRACE_SECONDS) -> None:
        """Deliver what is due, for at most ``grace`` seconds. The rest waits for the next start."""
        with logged("webhooks were left for the next start"), contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace):
                await self.deliver_due()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with logged("webhooks could not be given back"):
            await self._do(ReleaseDeliveries([self._worker], clock().epoch()))

    # --- finding them ---

    async def _take_over(self) -> None:
        """Make due at once what dead processes have claimed."""
        held = await self._do(FindDeliverers())
        dead = [worker for worker in held if not is_alive(worker)]
        if dead:
            await self._do(ReleaseDeliveries(dead, clock().epoch()))

    async def _begin_due(self) -> None:
        free = _AT_ONCE - len(self._tasks)
        if free <= 0:
            return
        now = clock().epoch()
        claim = ClaimDeliveries(self._worker, now, now + LEASE_SECONDS, free)
        for delivery in await self._do(claim):
            task = asyncio.create_task(self._deliver(delivery))
            self._tasks.add(task)
            task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self.look()

    async def _until_next(self) -> float:
        """Seconds until there is something to do, `LOOK_SECONDS` at most."""
        due: float | None = await self._do(NextDelivery())
        if due is None or len(self._tasks) >= _AT_ONCE:
            return LOOK_SECONDS
        return min(LOOK_SECONDS, max(0.0, due - clock().epoch()))

    # --- delivering one ---

    async def _deliver(self, delivery: Delivery) -> None:
        with logged("the outcome of a webhook could not be stored", run_id=delivery.run_id):
            reason, again = await self.poster.post(delivery)
            again_at = self._again_at(delivery) if again else None
            now = clock().epoch()
            settled = SettleDelivery(delivery.run_id, delivery.attempts, now, reason, again_at)
            if await self._do(settled):
                self._tell(delivery, reason, again_at)

    def _again_at(self, delivery: Delivery) -> float | None:
        """When a failed delivery is tried again; None: not any more."""
        if delivery.attempts >= ATTEMPTS:
            return None
        wait = self._first_wait * 4.0 ** (delivery.attempts - 1)
        return clock().epoch() + min(wait, LONGEST_WAIT_SECONDS)

    def _tell(self, delivery: Delivery, reason: str | None, again_at: float | None) -> None:
        if reason is None:
            self._count("delivered")
            return
        told = {"run_id": delivery.run_id, "attempt": delivery.attempts, "reason": reason}
        if again_at is not None:
            log.warning("webhook not delivered yet; it will be tried again", **told)
            return
        self._count("failed")
        log.error("webhook not delivered, and given up", **told)

    def _count(self, outcome: str) -> None:
        if self._metrics is not None:
            self._metrics.webhook(outcome)

    async def _do(self, operation: Any) -> Any:
        return await self._database.aexecute(operation)
