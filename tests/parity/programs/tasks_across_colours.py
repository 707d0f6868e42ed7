"""Sync tasks in async entrypoints, async tasks in sync ones, and both kinds awaited together."""

import asyncio

from langgraph.func import entrypoint, task


async def run(make_saver, record):
    @task
    def sync_task(n):
        return ["sync", n]

    @task
    async def async_task(n):
        await asyncio.sleep(0)
        return ["async", n]

    @entrypoint(checkpointer=await make_saver())
    def sync_flow(n):
        futures = [sync_task(n), async_task(n)]
        return [future.result() for future in futures]

    @entrypoint(checkpointer=await make_saver())
    async def async_flow(n):
        first = await asyncio.gather(sync_task(n), async_task(n))
        done, pending = await asyncio.wait([asyncio.ensure_future(async_task(n + 1))])
        return [first, [d.result() for d in done], len(pending)]

    config = {"configurable": {"thread_id": "1"}}
    record("sync entrypoint", await sync_flow.ainvoke(1, config))
    record("async entrypoint", await async_flow.ainvoke(2, config))
    record(
        "in threads",
        await asyncio.gather(
            *(async_flow.ainvoke(n, {"configurable": {"thread_id": f"t{n}"}}) for n in range(3))
        ),
    )
