"""One WebSocket on a thread: commands come in, replies and events go out.

Each event is sent once, in the order of the thread, if any subscription of the connection takes it. A
new subscription first gets the events of the past that it takes: up to the place that the connection
has reached, so that nothing is missed in between; they may be events that another subscription was
sent, which clients know by their ids.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Any
from uuid import uuid4

import msgspec

from caesura.records.shapes import Event
from caesura.server.encoding import encode
from caesura.server.http.problems import not_found
from caesura.server.protocol.commands import (
    Command,
    CommandError,
    Commands,
    Json,
    failure,
    read_command,
    refusal_of,
    success,
)
from caesura.server.protocol.journal import Journal, wire_form
from caesura.server.protocol.selection import (
    Selection,
    SelectionError,
    read_count,
    read_selection,
)

SendText = Callable[[str], Awaitable[None]]


class Session:
    """A client's connection.

    ``send`` writes one text frame, waiting for the client; ``may_read`` says whether the thread, which
    may have been made after the connection, is the client's.
    """

    def __init__(
        self,
        journal: Journal,
        thread_id: str,
        commands: Commands,
        send: SendText,
        may_read: Callable[[], Awaitable[bool]],
    ) -> None:
        self._journal, self._thread_id = journal, thread_id
        self._commands, self._send, self._may_read = commands, send, may_read
        self._subscriptions: dict[str, Selection] = {}
        self._sending = asyncio.Lock()
        self._reached: int | None = None
        """The number of the last event that was looked at; None before the first subscription."""
        self._subscribed = asyncio.Event()

    async def take(self, text: str) -> None:
        """Do what a frame asks for, and reply."""
        id: int | None = None
        try:
            command = read_command(_decoded(text))
            id = command.id
            if command.method.startswith("subscription."):
                await self._subscription(command)
                return
            reply = success(id, await self._commands.perform(command), self._reached or 0)
        except Exception as error:
            reply = failure(id, refusal_of(error))
        await self._reply(reply)

    async def follow(self) -> None:
        """Send events as they come, from the first subscription on. Never ends by itself."""
        await self._subscribed.wait()
        after, checked = self._reached or 0, False
        async with aclosing(self._journal.follow(self._thread_id, after)) as events:
            async for event in events:
                if event is None:
                    continue
                if not checked and not await self._may_read():
                    raise not_found(f"Thread with ID {self._thread_id} not found")
                checked = True
                await self._pass_on(event)

    async def _pass_on(self, event: Event) -> None:
        async with self._sending:
            if any(each.takes(event) for each in self._subscriptions.values()):
                await self._send(wire_form(event).decode())
            self._reached = event.seq

    # --- subscriptions ---

    async def _subscription(self, command: Command) -> None:
        action = command.method.partition(".")[2]
        if action in ("subscribe", "reconnect"):
            await self._subscribe(command)
        elif action == "unsubscribe":
            name = command.params.get("subscription_id")
            if self._subscriptions.pop(str(name), None) is None:
                raise CommandError("no_such_subscription", f"Unknown subscription: {name}")
            await self._reply(success(command.id, {}, self._reached or 0))
        else:
            raise CommandError("unknown_command", f"Unknown protocol command: {command.method}")

    async def _subscribe(self, command: Command) -> None:
        selection, since = _selection(command)
        if not await self._may_read():
            raise not_found(f"Thread with ID {self._thread_id} not found")
        name = str(uuid4())
        async with self._sending:
            goal, count = await self._past(selection, since)
            result = {"subscription_id": name, "replayed_events": count}
            await self._send(encode(success(command.id, result, goal)).decode())
            async for event in self._journal.stored(self._thread_id, since):
                if event.seq > goal:
                    break
                if selection.takes(event):
                    await self._send(wire_form(event).decode())
            self._subscriptions[name] = selection
            self._reached = goal
        self._subscribed.set()

    async def _past(self, selection: Selection, since: int) -> tuple[int, int]:
        """(number of the last event of the past, how many of them the subscription takes)."""
        goal, count = self._reached, 0
        last = goal if goal is not None else 0
        async for event in self._journal.stored(self._thread_id, 0 if goal is None else since):
            if goal is not None and event.seq > goal:
                break
            last = max(last, event.seq)
            if event.seq > since and selection.takes(event):
                count += 1
        return last, count

    async def _reply(self, reply: Json) -> None:
        async with self._sending:
            await self._send(encode(reply).decode())


def _decoded(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        raise CommandError("invalid_argument", "Protocol commands must be valid JSON.") from None


def _selection(command: Command) -> tuple[Selection, int]:
    params: Mapping[str, Any] = command.params
    try:
        return read_selection(params), read_count(params, "since") or 0
    except SelectionError as error:
        text = str(error)
        if not params.get("channels"):
            text = f"{command.method} requires a non-empty channels array."
        raise CommandError("invalid_argument", text) from None
