"""The program crashes after it took an answer: the answer stays where it was given, and the next question is asked."""

from langgraph.func import entrypoint
from langgraph.types import Command, interrupt

DEVIATIONS = {
    "the next question": "an answer belongs to its question; LangGraph gives it to the next one as well",
    "end": "an answer belongs to its question; LangGraph gives it to the next one as well",
}


def run(make_saver, record):
    crash = [1]

    @entrypoint(checkpointer=make_saver())
    def flow(n):
        first = interrupt("which account?")
        if crash:
            raise RuntimeError("crash")
        return {"account": first, "amount": interrupt("how much?")}

    config = {"configurable": {"thread_id": "1"}}
    record("asked", flow.invoke(1, config)["__interrupt__"][0].value)
    record.raises("crash", flow.invoke, Command(resume=4711), config)
    crash.clear()
    result = flow.invoke(None, config)
    record("the next question", [item.value for item in result.get("__interrupt__", ())])
    record("end", flow.invoke(Command(resume=5), config))
