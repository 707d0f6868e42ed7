"""Async tasks: awaited, gathered, nested; a future returned is awaited."""

import asyncio

from langgraph.func import entrypoint, task


async def run(make_saver, record):
    together = asyncio.Event()
    arrived = []

    @task
    async def meet(n):
        arrived.append(n)
        if len(arrived) == 3:
            together.set()
        await asyncio.wait_for(together.wait(), 5)
        return n * 10

    @task
    async def outer(n):
        return await inner(n) + 1

    @task
    async def inner(n):
        return n * 2

    @task
    def sync_task(n):
        return n - 1

    @task
    async def boom(n):
        raise ValueError(n)

    @entrypoint(checkpointer=await make_saver())
    async def flow(n):
        return await asyncio.gather(*[meet(i) for i in range(n)])

    @entrypoint(checkpointer=await make_saver())
    async def nested(n):
        return [await outer(n), await sync_task(n)]

    @entrypoint()
    async def fails(n):
        try:
            await boom(1)
        except ValueError as error:
            return ["caught", str(error)]

    cfg = {"configurable": {"thread_id": "1"}}
    record("gathered", await flow.ainvoke(3, cfg))
    record("nested", await nested.ainvoke(5, cfg))
    record("caught", await fails.ainvoke(1))
    record("state", (await nested.aget_state(cfg)).values)

    @entrypoint()
    def sync_flow(n):
        return sync_task(n).result()

    record("a sync entrypoint under ainvoke", await sync_flow.ainvoke(3))
