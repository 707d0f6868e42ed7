"""The reducer of messages that takes all writes of a step at once."""

from langchain_core.messages import AIMessageChunk, HumanMessage, RemoveMessage
from langgraph.graph.message import REMOVE_ALL_MESSAGES, _messages_delta_reducer

SAVERS = ("memory",)


def run(make_saver, record):
    def human(text, id=None):
        return HumanMessage(text, id=id)

    def reduced(name, state, writes):
        found = _messages_delta_reducer(state, writes)
        record(name, [(type(m).__name__, m.content, m.id) for m in found])

    one, two = human("a", "1"), human("b", "2")
    reduced("appended and replaced", [one], [[two], [human("c", "1")]])
    reduced("without ids", [human("a")], [[human("b")], [human("b")]])
    reduced("bare", [], [two, "hi", ("ai", "yo"), {"role": "user", "content": "x", "id": "9"}])
    reduced("in lists", [], [["hi", ("ai", "yo")], [{"role": "user", "content": "x"}]])
    reduced("removed", [one, two], [[RemoveMessage(id="1")]])
    reduced("removed what is not there", [one], [[RemoveMessage(id="9")]])
    reduced("removed and written again", [one, two], [[RemoveMessage(id="1")], [human("z", "1")]])
    reduced("in one write", [one, two], [[RemoveMessage(id="1"), human("z", "1")]])
    everything = RemoveMessage(id=REMOVE_ALL_MESSAGES)
    reduced("all removed", [one], [[two, everything, human("z", "3")], [human("y", "4")]])
    reduced("chunks", [AIMessageChunk("a", id="1")], [[AIMessageChunk("b", id="1")]])
    reduced("twice in one write", [], [[human("a", "1"), human("b", "1")]])
    reduced("nothing", [one], [])
    at_once = _messages_delta_reducer([one], [[two], [RemoveMessage(id="1")], [human("c", "3")]])
    by_one = [one]
    for write in ([two], [RemoveMessage(id="1")], [human("c", "3")]):
        by_one = _messages_delta_reducer(by_one, [write])
    record("one by one", [m.id for m in at_once] == [m.id for m in by_one])
