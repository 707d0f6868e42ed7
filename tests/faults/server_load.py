"""Mixed traffic for a server that is killed under it; notes what was acknowledged, and only that.

    python -m tests.faults.server_load URL SECONDS SEED NOTES

Each worker plays one story after another until the time is over: questions asked and answered, streams,
runs in the background, runs without a thread, cancels. A request that gets no answer is sent again where
that is safe (it carries an Idempotency-Key), or forgotten. Every acknowledgement is one line of NOTES,
a JSON object, written as soon as the response is there.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from pathlib import Path
from typing import Any, TextIO
from uuid import uuid4

import httpx

WORKERS = 12
ODD_BUT_RIGHT = (404, 409)


class Traffic:
    """The workers and what they share."""

    def __init__(self, client: httpx.AsyncClient, seconds: float, seed: int, notes: TextIO) -> None:
        self.client, self.notes = client, notes
        self.chance = random.Random(seed)
        self.end = time.monotonic() + seconds
        self.stories = (
            self.asking, self.asking, self.asking_by_command, self.background, self.streamed,
            self.stateless, self.cancelled, self.two_answers,
        )  # fmt: skip

    @property
    def over(self) -> bool:
        return time.monotonic() >= self.end

    def note(self, what: str, **facts: Any) -> None:
        """Something was acknowledged."""
        print(json.dumps({"what": what, "at": time.time(), **facts}), file=self.notes, flush=True)

    async def work(self) -> None:
        """One worker's stories, until the time is over."""
        while not self.over:
            story = self.chance.choice(self.stories)
            try:
                await story()
            except httpx.TransportError:
                await asyncio.sleep(0.05)

    async def send(self, path: str, body: Any, key: str | None = None) -> httpx.Response:
        """POST; again, under one key, until there is an answer."""
        headers = {"Idempotency-Key": key or str(uuid4())}
        while True:
            try:
                reply = await self.client.post(path, json=body, headers=headers)
            except httpx.TransportError:
                if self.over:
                    raise
                await asyncio.sleep(0.05)
                continue
            if reply.status_code >= 500 and reply.status_code != 503:
                self.note("broken", path=path, status=reply.status_code, text=reply.text[:500])
            return reply

    async def thread(self) -> str:
        reply = await self.client.post("/threads", json={"metadata": {"load": True}})
        assert reply.status_code == 200, reply.text
        thread_id: str = reply.json()["thread_id"]
        self.note("thread", thread=thread_id)
        return thread_id

    async def run(self, thread_id: str, body: dict[str, Any], **facts: Any) -> str | None:
        """Start a run in the background; its id if it was accepted."""
        reply = await self.send(f"/threads/{thread_id}/runs", body)
        if reply.status_code != 200:
            return None
        run_id: str = reply.json()["run_id"]
        self.note("run", thread=thread_id, run=run_id, **facts)
        return run_id

    async def ended(self, thread_id: str, run_id: str) -> None:
        while True:
            try:
                run = (await self.client.get(f"/threads/{thread_id}/runs/{run_id}")).json()
                if run["status"] not in ("pending", "running"):
                    self.note("ended", thread=thread_id, run=run_id, status=run["status"])
                    return
                await self.client.get(f"/threads/{thread_id}/runs/{run_id}/join")
            except httpx.TransportError:
                if self.over:
                    raise
            await asyncio.sleep(0.05)

    async def question(self, thread_id: str) -> str | None:
        """The open interrupt of a thread."""
        while True:
            try:
                found = await self.client.get("/interrupts", params={"thread_id": thread_id})
                rows = found.json()
                return rows[0]["id"] if rows else None
            except httpx.TransportError:
                if self.over:
                    raise
                await asyncio.sleep(0.05)

    # --- stories ---

    async def asking(self) -> None:
        """A program asks one to three questions; each is answered at `/interrupts`."""
        await self._asking(by_command=False)

    async def asking_by_command(self) -> None:
        """The same, answered by resuming."""
        await self._asking(by_command=True)

    async def _asking(self, *, by_command: bool) -> None:
        asks = self.chance.randint(1, 3)
        thread_id = await self.thread()
        body = {"assistant_id": "asking", "input": {"job": thread_id, "asks": asks}}
        run_id = await self.run(thread_id, body, asks=asks)
        if run_id is None:
            return
        await self.ended(thread_id, run_id)
        for number in range(asks):
            id = await self.question(thread_id)
            if id is None:
                self.note("broken", path=thread_id, text=f"question {number} is not open")
                return
            answer = f"answer-{uuid4()}"
            if by_command:
                path = f"/threads/{thread_id}/runs"
                given: Any = {"assistant_id": "asking", "command": {"resume": {id: answer}}}
            else:
                path, given = f"/interrupts/{id}/answer", {"answer": answer}
            reply = await self.send(path, given)
            if reply.status_code != 200:
                self.note("broken", path=path, status=reply.status_code, text=reply.text[:500])
                return
            carried = reply.json()["run_id"]
            self.note("answer", thread=thread_id, run=carried, interrupt=id, answer=answer)
            await self.ended(thread_id, carried)
        self.note("done", thread=thread_id, asks=asks)

    async def two_answers(self) -> None:
        """Two people answer one question at once, without keys to try again with."""
        thread_id = await self.thread()
        body = {"assistant_id": "asking", "input": {"job": thread_id, "asks": 1}}
        run_id = await self.run(thread_id, body, asks=1)
        if run_id is None:
            return
        await self.ended(thread_id, run_id)
        id = await self.question(thread_id)

        async def answer(text: str) -> None:
            reply = await self.client.post(f"/interrupts/{id}/answer", json={"answer": text})
            if reply.status_code == 200:
                carried = reply.json()["run_id"]
                self.note("answer", thread=thread_id, run=carried, interrupt=id, answer=text)
            elif reply.status_code == 409:
                recorded = reply.json()["recorded"]["answer"]
                self.note("refused", thread=thread_id, interrupt=id, recorded=recorded)
            else:
                self.note("broken", path=thread_id, status=reply.status_code, text=reply.text[:500])

        await asyncio.gather(answer("ann"), answer("bob"), return_exceptions=True)

    async def background(self) -> None:
        """Runs that queue on one thread."""
        thread_id = await self.thread()
        for number in range(self.chance.randint(1, 4)):
            seconds = self.chance.uniform(0, 0.1)
            body = {"assistant_id": "staying", "input": {"job": str(number), "seconds": seconds}}
            await self.run(thread_id, body)

    async def streamed(self) -> None:
        """A resumable stream, followed with `Last-Event-ID` over every break."""
        thread_id = await self.thread()
        body = {
            "assistant_id": "stepping",
            "input": {"steps": 6, "seconds": 0.05, "log": []},
            "stream_mode": ["custom"],
            "stream_resumable": True,
        }
        run_id = await self.run(thread_id, body)
        if run_id is None:
            return
        path, last, ids, events = f"/threads/{thread_id}/runs/{run_id}/stream", "-1", [], []
        while not self.over:
            try:
                headers = {"Last-Event-ID": last}
                async with self.client.stream("GET", path, headers=headers) as reply:
                    async for line in reply.aiter_lines():
                        name, _, value = line.partition(": ")
                        if name == "id":
                            last = value
                            ids.append(value)
                        elif name == "data":
                            events.append(json.loads(value))
                run = (await self.client.get(path.removesuffix("/stream"))).json()
                if run["status"] not in ("pending", "running"):
                    self.note("streamed", thread=thread_id, run=run_id, ids=ids, events=events)
                    return
            except httpx.TransportError:
                await asyncio.sleep(0.05)

    async def stateless(self) -> None:
        """A run without a thread of its own."""
        body = {"assistant_id": "staying", "input": {"job": "s", "seconds": 0.02}}
        reply = await self.send("/runs", body)
        if reply.status_code == 200:
            run = reply.json()
            self.note("stateless", thread=run["thread_id"], run=run["run_id"])

    async def cancelled(self) -> None:
        """A run that is stopped on its way."""
        thread_id = await self.thread()
        body = {"assistant_id": "staying", "input": {"job": "c", "seconds": 60}}
        run_id = await self.run(thread_id, body)
        if run_id is None:
            return
        action = self.chance.choice(["interrupt", "rollback"])
        while True:
            path = f"/threads/{thread_id}/runs/{run_id}/cancel?action={action}"
            try:
                reply = await self.client.post(path)
            except httpx.TransportError:
                if self.over:
                    raise
                await asyncio.sleep(0.05)
                continue
            self.note(
                "cancelled", thread=thread_id, run=run_id, action=action, status=reply.status_code
            )
            return


async def main(url: str, seconds: float, seed: int, notes: Path) -> None:
    """Play until the time is over."""
    limits = httpx.Limits(max_connections=None)
    with notes.open("a") as file:
        async with httpx.AsyncClient(base_url=url, timeout=30, limits=limits) as client:
            traffic = Traffic(client, seconds, seed, file)
            await asyncio.gather(*(traffic.work() for _ in range(WORKERS)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])))
