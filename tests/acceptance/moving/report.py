"""A report, written in parts that are planned at run time, side by side.

What readers liked is kept in a store, over all threads.
"""

import operator
from typing import Annotated, TypedDict

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.config import get_stream_writer
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from langgraph.store.memory import InMemoryStore
from langgraph.types import RetryPolicy, Send


class Context(TypedDict):
    reader: str


class Part(TypedDict):
    title: str
    place: int


class Report(TypedDict):
    topic: str
    parts: Annotated[list[tuple[int, str]], operator.add]
    words: Annotated[int, operator.add]
    text: str


attempts: dict[str, int] = {}


def plan(report: Report):
    return {"words": 0}


def writers(report: Report) -> list[Send]:
    titles = ["history", "use", "future"]
    return [
        Send("write", {"title": f"{title} of {report['topic']}", "place": place})
        for place, title in enumerate(titles)
    ]


def write(part: Part, runtime: Runtime[Context]):
    attempts[part["title"]] = attempts.get(part["title"], 0) + 1
    if part["place"] == 1 and attempts[part["title"]] < 3:
        raise ConnectionError("the library is closed")
    taste = runtime.store.get(("readers", runtime.context["reader"]), "taste")
    style = taste.value["style"] if taste else "plain"
    get_stream_writer()({"written": part["title"]})
    text = f"The {part['title']}, in {style} words"
    return {"parts": [(part["place"], text)], "words": len(text.split())}


def bind(report: Report, runtime: Runtime[Context]):
    reader = ("readers", runtime.context["reader"])
    runtime.store.put(reader, report["topic"], {"topic": report["topic"], "words": report["words"]})
    return {"text": ". ".join(text for _, text in sorted(report["parts"])) + "."}


again = RetryPolicy(initial_interval=0.01, jitter=False, max_attempts=3, retry_on=ConnectionError)
builder = StateGraph(Report, context_schema=Context)
builder.add_node("plan", plan)
builder.add_node("write", write, retry_policy=again)
builder.add_node("bind", bind)
builder.add_edge(START, "plan")
builder.add_conditional_edges("plan", writers, ["write"])
builder.add_edge("write", "bind")
builder.add_edge("bind", END)


def main():
    store = InMemoryStore()
    store.put(("readers", "ada"), "taste", {"style": "exact"})
    graph = builder.compile(checkpointer=InMemorySaver(), store=store)
    for number, topic in enumerate(["tea", "paper"]):
        config = {"configurable": {"thread_id": str(number)}}
        seen = []
        for mode, item in graph.stream(
            {"topic": topic}, config, context={"reader": "ada"}, stream_mode=["updates", "custom"]
        ):
            seen.append(f"{mode} {item}")
        print(*sorted(seen), sep="\n")
        print(graph.get_state(config).values["text"])
        print([state.next for state in graph.get_state_history(config)])
    for item in store.search(("readers",), filter={"topic": "tea"}):
        print(item.namespace, item.key, item.value)
    print(sorted(attempts.items()))


if __name__ == "__main__":
    main()
