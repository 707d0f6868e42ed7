"""A loop that asks until the answer is valid: each round is a question of its own."""

from langgraph.func import entrypoint
from langgraph.types import Command, interrupt


def run(make_saver, record, drive):
    calls = []

    def body(question):
        calls.append("body")
        text = question
        while True:
            answer = interrupt(text)
            if isinstance(answer, int) and answer > 0:
                return [question, answer]
            text = f"{answer!r} is no age. {question}"

    flow = entrypoint(checkpointer=make_saver())(drive.node(body))
    config = {"configurable": {"thread_id": "1"}}
    ids = []
    asked = drive.invoke(flow, "How old?", config)["__interrupt__"]
    for answer in ("ten", -1):
        ids.append(asked[0].id)
        record(f"asked before {answer!r}", [item.value for item in asked])
        asked = drive.invoke(flow, Command(resume=answer), config)["__interrupt__"]
    ids.append(asked[0].id)
    record("ids", len(set(ids)))
    record("last question", [item.value for item in asked])
    record("finished", drive.invoke(flow, Command(resume=41), config))
    record("runs of the body", len(calls))
