"""Orders, approved in a graph within the graph.

python approval.py ask              orders, and stops at the question
python approval.py go               shows the question again
python approval.py answer yes       goes on
python approval.py edit 20          changes the price of what was paid
python approval.py again 15 no      goes back to the question, with another price, and answers
python approval.py history
"""

import sys
from typing import TypedDict

from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, interrupt


class Review(TypedDict, total=False):
    item: str
    price: int
    verdict: str
    note: str


class Order(TypedDict, total=False):
    item: str
    price: int
    verdict: str
    status: str


def look_up(review: Review):
    return {"note": f"{review['item']} costs {review['price']}"}


def ask(review: Review):
    return {"verdict": interrupt({"question": "Buy?", "about": review["note"]})}


inner = StateGraph(Review)
inner.add_node("look_up", look_up)
inner.add_node("ask", ask)
inner.add_edge(START, "look_up")
inner.add_edge("look_up", "ask")
inner.add_edge("ask", END)


def quote(order: Order):
    return {"price": order.get("price") or len(order["item"]) * 10}


def settle(order: Order) -> Command:
    bought = order["verdict"] == "yes"
    return Command(update={"status": "bought" if bought else "left"}, goto="tell")


def tell(order: Order):
    print("*", order["item"], order["price"], order["status"])
    return {}


builder = StateGraph(Order)
builder.add_node("quote", quote)
builder.add_node("review", inner.compile())
builder.add_node("settle", settle, destinations=("tell",))
builder.add_node("tell", tell)
builder.add_edge(START, "quote")
builder.add_edge("quote", "review")
builder.add_edge("review", "settle")

config = {"configurable": {"thread_id": "order-1"}}


def show(result):
    questions = [question.value for question in result.pop("__interrupt__", [])]
    print(sorted(result.items()), questions)


def before_review(graph):
    """The first of the checkpoints from which the review begins."""
    states = [s for s in graph.get_state_history(config) if s.next == ("review",)]
    return states[-1]


def main(command, *words):
    with SqliteSaver.from_conn_string("orders.sqlite") as saver:
        graph = builder.compile(checkpointer=saver)
        if command == "ask":
            show(graph.invoke({"item": "lamp"}, config))
            state = graph.get_state(config, subgraphs=True)
            print(state.next, [task.state.values for task in state.tasks])
        elif command == "go":
            show(graph.invoke(None, config))
        elif command == "answer":
            for path, update in graph.stream(
                Command(resume=words[0]), config, stream_mode="updates", subgraphs=True
            ):
                print([step.partition(":")[0] for step in path], update)
        elif command == "edit":
            graph.update_state(config, {"price": int(words[0])}, as_node="tell")
            state = graph.get_state(config)
            print(sorted(state.values.items()), state.next, state.metadata["source"])
        elif command == "again":
            back = before_review(graph)
            branch = graph.update_state(back.config, {"price": int(words[0])})
            show(graph.invoke(None, branch))
            show(graph.invoke(Command(resume=words[1]), config))
        elif command == "history":
            for state in graph.get_state_history(config):
                print(state.metadata["step"], state.metadata["source"], state.next)
                print("  ", sorted(state.values.items()))


if __name__ == "__main__":
    main(*sys.argv[1:])
