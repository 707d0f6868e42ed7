"""What a failing task raises where its result is taken; a caught failure is tried again after a pause."""

from langgraph.func import entrypoint, task
from langgraph.types import Command, interrupt

SAVERS = ["memory"]


class Odd(Exception):
    pass


def run(make_saver, record):
    calls = []

    @task
    def fails(n):
        calls.append(n)
        if len(calls) < 3:
            raise Odd(f"attempt {len(calls)}")
        return "third time"

    @entrypoint(checkpointer=make_saver())
    def catches(n):
        try:
            got = fails(n).result()
        except Odd as error:
            got = f"{type(error).__name__}: {error}"
        return [got, interrupt("?")]

    config = {"configurable": {"thread_id": "1"}}
    caught = list(catches.stream(1, config, stream_mode="updates"))
    record("caught", [list(chunk) for chunk in caught])
    record("tried again", catches.invoke(Command(resume="a"), config))
    record("calls", list(calls))

    @entrypoint()
    def lets_go(n):
        return fails(n).result()

    calls.clear()
    try:
        lets_go.invoke(1)
    except Odd as error:
        notes = [note.split(" and id ")[0] for note in getattr(error, "__notes__", [])]
        record("notes", [str(error), notes])
