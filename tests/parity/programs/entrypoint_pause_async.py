"""The same in the async colour, with questions in a loop."""

from langgraph.func import entrypoint, task
from langgraph.types import Command, interrupt


async def run(make_saver, record):
    calls = []

    @task
    async def step(name):
        calls.append(name)
        return name.upper()

    @entrypoint(checkpointer=await make_saver())
    async def flow(text):
        calls.append("body")
        found = [await step("a")]
        question = "number?"
        while not isinstance(found[-1], int):
            found.append(interrupt(question))
            question = f"{found[-1]!r} is no number"
        return [*found, await step("b")]

    cfg = {"configurable": {"thread_id": "1"}}
    record("first", await flow.ainvoke("in", cfg))
    record("second", await flow.ainvoke(Command(resume="x"), cfg))
    record("done", await flow.ainvoke(Command(resume=3), cfg))
    record("calls", calls)
    record("state", (await flow.aget_state(cfg)).values)
