"""A question in an entrypoint: the body runs again, finished tasks do not (B14)."""

from langgraph.func import entrypoint, task
from langgraph.types import Command, interrupt


def run(make_saver, record):
    calls = []

    @task
    def step(name):
        calls.append(name)
        return name.upper()

    saver = make_saver()

    @entrypoint(checkpointer=saver)
    def flow(text):
        calls.append("body")
        first = step("a").result()
        second = step("b").result()
        answer = interrupt({"so far": [first, second]})
        return [text, first, second, answer, step("c").result()]

    cfg = {"configurable": {"thread_id": "1"}}
    record("paused", flow.invoke("in", cfg))
    state = flow.get_state(cfg)
    record(
        "state",
        [
            state.values,
            state.next,
            state.interrupts,
            state.metadata,
            [(t.name, t.path) for t in state.tasks],
        ],
    )
    stored = list(saver.list(cfg))
    record("checkpoints", [t.metadata for t in stored])
    public = ("__return__", "__interrupt__")
    writes = [(name, value) for _, name, value in stored[0].pending_writes if name in public]
    record("pending writes", sorted(writes, key=repr))
    record("resumed", flow.invoke(Command(resume="yes"), cfg))
    record("calls", calls)
    record("state afterwards", [flow.get_state(cfg).values, flow.get_state(cfg).next])
    record(
        "history",
        [
            [s.metadata["source"], s.metadata["step"], s.next, s.values]
            for s in flow.get_state_history(cfg)
        ],
    )
    record("next run starts clean", [flow.invoke("in2", cfg)["__interrupt__"][0].value, calls[-3:]])
