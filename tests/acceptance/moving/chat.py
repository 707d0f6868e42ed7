"""A chat that remembers: `python chat.py WORDS…` says them in one thread, `python chat.py` shows its past.

Threads are kept where DATABASE says: in Postgres, or in a SQLite file.
"""

import os
import sys

from langchain_core.messages import AIMessage, HumanMessage, RemoveMessage, SystemMessage
from langgraph.graph import END, START, MessagesState, StateGraph

DATABASE = os.environ.get("DATABASE", "chat.sqlite")
MOST = 6


class State(MessagesState):
    turns: int


def model(messages):
    """Stands for a model: says what it remembers of the person."""
    said = [m.content for m in messages if isinstance(m, HumanMessage)]
    names = [text.rpartition(" ")[2] for text in said if text.startswith("I am ")]
    who = names[-1] if names else "stranger"
    return AIMessage(content=f"You said {len(said)} things, {who}.")


def chat(state: State):
    instructions = SystemMessage(content="Be short.")
    return {
        "messages": [model([instructions, *state["messages"]])],
        "turns": state.get("turns", 0) + 1,
    }


def too_long(state: State) -> str:
    return "forget" if len(state["messages"]) > MOST else END


def forget(state: State):
    return {"messages": [RemoveMessage(id=m.id) for m in state["messages"][:-MOST]]}


builder = StateGraph(State)
builder.add_node("chat", chat)
builder.add_node("forget", forget)
builder.add_edge(START, "chat")
builder.add_conditional_edges("chat", too_long, ["forget", END])
builder.add_edge("forget", END)


def open_saver():
    if DATABASE.startswith("postgresql:"):
        from langgraph.checkpoint.postgres import PostgresSaver

        return PostgresSaver.from_conn_string(DATABASE)
    from langgraph.checkpoint.sqlite import SqliteSaver

    return SqliteSaver.from_conn_string(DATABASE)


def main(words):
    config = {"configurable": {"thread_id": "one"}}
    with open_saver() as saver:
        saver.setup()
        graph = builder.compile(checkpointer=saver)
        for text in words:
            said = {"messages": [{"role": "user", "content": text}]}
            for message, _ in graph.stream(said, config, stream_mode="messages"):
                if message.content:
                    print(">", message.type, message.content)
        if not words:
            for state in graph.get_state_history(config):
                contents = [m.content for m in state.values.get("messages", [])]
                print(state.metadata["step"], state.next, state.values.get("turns"), contents)


if __name__ == "__main__":
    main(sys.argv[1:])
