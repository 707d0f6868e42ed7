"""Two tasks waiting side by side: each is answered by id."""

from langgraph.func import entrypoint, task
from langgraph.types import Command, interrupt

DEVIATIONS = {
    "shown": "all open questions of an entrypoint are shown; LangGraph shows the first one awaited",
}


def run(make_saver, record):
    calls = []

    @task
    def ask(name):
        calls.append(name)
        return interrupt(name)

    @entrypoint(checkpointer=make_saver())
    def flow(text):
        futures = [ask("one"), ask("two")]
        return [f.result() for f in futures]

    cfg = {"configurable": {"thread_id": "1"}}
    paused = flow.invoke("in", cfg)
    record("shown", sorted(i.value for i in paused["__interrupt__"]))
    one = next(i.id for i in paused["__interrupt__"] if i.value == "one")
    again = flow.invoke(Command(resume={one: "1"}), cfg)
    record("then the other", [i.value for i in again["__interrupt__"]])
    record("done", flow.invoke(Command(resume={again["__interrupt__"][0].id: "2"}), cfg))
