"""What keeps an idle timeout away, and what a timeout leaves behind. Time is the program's own."""

import asyncio
import contextlib
import operator
import time
from typing import Annotated, TypedDict

from langgraph.config import get_stream_writer
from langgraph.errors import NodeError, NodeTimeoutError
from langgraph.func import entrypoint, task
from langgraph.graph import START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import Command, RetryPolicy, Send, TimeoutPolicy, interrupt

SAVERS = ("memory",)


class State(TypedDict):
    log: Annotated[list, operator.add]


@task
async def tick():
    return 1


async def run(make_saver, record):
    saver = await make_saver()
    real, ahead = time.monotonic, [0.0]
    began = real()
    time.monotonic = lambda: began + ahead[0]
    try:
        await observe(saver, record, ahead)
    finally:
        time.monotonic = real


async def observe(saver, record, ahead):
    new = {"log": []}

    async def passes(seconds):
        """Let time pass, and what is due then happen."""
        ahead[0] += seconds
        for _ in range(5):
            await asyncio.sleep(0)

    async def never():
        await passes(1000)
        await asyncio.Event().wait()

    def graph(node, timeout, **options):
        builder = StateGraph(State).add_node("n", node, timeout=timeout, **options)
        return builder.add_edge(START, "n").compile(checkpointer=saver)

    counter = iter(range(1000))

    def thread():
        return {"configurable": {"thread_id": str(next(counter))}}

    async def ends(graph):
        try:
            return await graph.ainvoke(new, thread())
        except NodeTimeoutError as error:
            return [error.kind, error.node, error.timeout, str(error).partition("(")[0]]

    async def silent(state):
        for _ in range(4):
            await passes(0.6)
        return {"log": ["silent"]}

    async def beats(state, runtime: Runtime):
        for _ in range(4):
            await passes(0.6)
            runtime.heartbeat()
        return {"log": ["beats"]}

    async def streams(state):
        write = get_stream_writer()
        for number in range(4):
            await passes(0.6)
            write(number)
        return {"log": ["streams"]}

    async def calls_tasks(state):
        for _ in range(4):
            await passes(0.6)
            await tick()
        return {"log": ["calls tasks"]}

    inner = StateGraph(State).add_node("i", lambda s: {"log": ["i"]}).add_edge(START, "i").compile()

    async def calls_graphs(state):
        for _ in range(4):
            await passes(0.6)
            await inner.ainvoke(new)
        return {"log": ["calls graphs"]}

    for node in (silent, beats, streams, calls_tasks, calls_graphs):
        for refresh in ("auto", "heartbeat"):
            policy = TimeoutPolicy(idle_timeout=1, refresh_on=refresh)
            record(f"{node.__name__}, idle, {refresh}", await ends(graph(node, policy)))
        record(f"{node.__name__}, run", await ends(graph(node, 2)))
    both = TimeoutPolicy(idle_timeout=1, run_timeout=2)
    record("both, silent", await ends(graph(silent, both)))
    record("both, beats", await ends(graph(beats, both)))
    record("no timeout: heartbeat does nothing", await ends(graph(beats, None)))

    async def swallows(state):
        with contextlib.suppress(asyncio.CancelledError):
            await never()
        return {"log": ["lost"]}

    async def fails_when_stopped(state):
        try:
            await never()
        finally:
            raise ValueError("lost")

    record("swallows the stop", await ends(graph(swallows, 1)))
    record("fails when stopped", await ends(graph(fails_when_stopped, 1)))

    async def asks(state):
        return {"log": [interrupt("?")]}

    paused, cfg = graph(asks, 1), thread()
    record("a pause", await paused.ainvoke(new, cfg))
    ahead[0] += 1000
    record("answered", await paused.ainvoke(Command(resume="A"), cfg))

    attempts = []

    async def slow_at_first(state, runtime: Runtime):
        attempts.append(runtime.execution_info.node_attempt)
        if len(attempts) < 3:
            await never()
        return {"log": ["in time"]}

    async def told(state, error: NodeError):
        return {"log": [f"{error.node}: {type(error.error).__name__}"]}

    fast = RetryPolicy(initial_interval=0, jitter=False)
    record("tried again", await ends(graph(slow_at_first, 1, retry_policy=fast)))
    record("attempts", attempts)

    async def slow(state):
        await never()

    record("handled", await ends(graph(slow, 1, error_handler=told)))
    record("a nested graph", await ends(graph(graph(slow, None), 1)))

    for own, sent in ((5, 1), (1, 5), (None, 1), (1, None)):
        builder = StateGraph(State).add_node("d", silent, timeout=own)
        send = Send("d", new, timeout=sent)
        builder.add_node("src", lambda s, send=send: Command(goto=send)).add_edge(START, "src")
        record(f"own {own}, sent {sent}", await ends(builder.compile(checkpointer=saver)))

    @task(timeout=1)
    async def slow_task():
        await never()

    @entrypoint()
    async def takes(given):
        try:
            return await slow_task()
        except NodeTimeoutError as error:
            return [error.kind, error.node]

    @entrypoint(timeout=1)
    async def late(given):
        await never()

    record("a task", await takes.ainvoke(1))
    record("an entrypoint", await ends(late))
