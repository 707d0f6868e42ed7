"""What an async entrypoint returns that is still to be awaited."""

from langgraph.func import entrypoint, task

DEVIATIONS = {
    "a future": "an async entrypoint may return what is still to be awaited; LangGraph cannot store that",
    "of a sync task": "an async entrypoint may return what is still to be awaited; LangGraph cannot store that",
}


async def run(make_saver, record):
    @task
    async def double(n):
        return n * 2

    @task
    def plain(n):
        return n + 1

    async def a_future(n):
        return double(n)

    async def of_a_sync_task(n):
        return plain(n)

    async def awaited(n):
        return await double(n)

    for body in (a_future, of_a_sync_task, awaited):
        name = body.__name__.replace("_", " ")
        config = {"configurable": {"thread_id": name}}
        flow = entrypoint(checkpointer=await make_saver())(body)
        await record.raises_async(name, flow.ainvoke(5, config))
