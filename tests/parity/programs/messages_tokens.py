"""What chat models say under a node is streamed as they say it, however they are called."""

from langchain_core.language_models import FakeListLLM, GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda
from langgraph.func import entrypoint, task
from langgraph.graph import END, START, MessagesState, StateGraph

SAVERS = ("memory",)
ASKED = {"messages": [HumanMessage("q", id="q")]}
MODES = ["messages", "updates"]


def model(text="big world", **how):
    return GenericFakeChatModel(messages=iter([AIMessage(text) for _ in range(30)]), **how)


def run(make_saver, record, drive):
    asynchronous = drive.colour == "async"

    def graph_of(node, path=None, **how):
        builder = StateGraph(MessagesState).add_node("n", node, **how).add_edge(START, "n")
        if path is not None:
            builder.add_conditional_edges("n", path)
        return builder.compile()

    def speaking(called, **how):
        """A node that returns what the model says."""
        if asynchronous:

            async def node(state):
                return {"messages": [await called.ainvoke(state["messages"])]}
        else:

            def node(state):
                return {"messages": [called.invoke(state["messages"])]}

        return graph_of(node, **how)

    plain = speaking(model())
    record("invoke", drive.stream(plain, ASKED, stream_mode=MODES))
    record("alone", drive.stream(plain, ASKED, stream_mode="messages"))
    record("version 2", drive.stream(plain, ASKED, stream_mode="messages", version="v2"))
    cfg = {"tags": ["t"], "metadata": {"mine": 1}, "configurable": {"thread_id": "7", "other": 2}}
    noted = speaking(model(), metadata={"of the node": 3})
    record("with a config", drive.stream(noted, ASKED, cfg, stream_mode="messages"))
    tagged = model().with_config(tags=["m"], metadata={"of the model": 4}, run_name="named")
    record("a tagged model", drive.stream(speaking(tagged), ASKED, cfg, stream_mode="messages"))
    silent = model().with_config(tags=["nostream"])
    record("a silent model", drive.stream(speaking(silent), ASKED, stream_mode=MODES))
    whole = speaking(model(disable_streaming=True))
    record("a model that does not stream", drive.stream(whole, ASKED, stream_mode=MODES))
    record("nobody listens", drive.stream(plain, ASKED, stream_mode="updates"))

    heard = model()

    def passes_config(state, config):
        return {"messages": [heard.invoke(state["messages"], config)]}

    def streams(state):
        pieces = list(heard.stream("x"))
        return {"messages": [sum(pieces[1:], pieces[0])]}

    def keeps(state):
        heard.invoke("x")
        FakeListLLM(responses=["no chat"]).invoke("x")
        heard.with_config(tags=["nostream"]).invoke("y")

    def path(state):
        heard.invoke("x")
        return END

    def twice(state):
        one, two = heard.invoke("x"), heard.invoke("y")
        return {"messages": [one, AIMessage("not said", id="not said"), two, one]}

    def fails(state):
        heard.invoke("x")
        raise ValueError("no")

    for node in (passes_config, streams, keeps, twice, fails):
        given = drive.stream(graph_of(drive.node(node)), ASKED, stream_mode=MODES)
        record(node.__name__, given)
    record("a path", drive.stream(graph_of(drive.node(keeps), path), ASKED, stream_mode=MODES))

    prompt = ChatPromptTemplate.from_messages([("placeholder", "{messages}")])
    chain = prompt | model() | RunnableLambda(lambda said: {"messages": [said]})
    record("a chain", drive.stream(graph_of(chain), ASKED, cfg, stream_mode=MODES))

    parent = StateGraph(MessagesState).add_node("sub", plain).add_edge(START, "sub").compile()
    record("a child, unseen", drive.stream(parent, ASKED, stream_mode=MODES))
    record("a child", drive.stream(parent, ASKED, cfg, stream_mode="messages", subgraphs=True))

    def calls(state):
        return {"messages": graph_of(twice).invoke({"messages": []})["messages"]}

    def calls_with_config(state, config):
        return {"messages": graph_of(twice).invoke({"messages": []}, config)["messages"]}

    if not asynchronous:
        for node in (calls, calls_with_config):
            for deep in (False, True):
                said = drive.stream(graph_of(node), ASKED, stream_mode="messages", subgraphs=deep)
                record(f"{node.__name__}, subgraphs={deep}", said)

    @task
    def sub(x):
        return heard.invoke(x)

    @entrypoint()
    def entry(x):
        said = sub(x).result()
        heard.invoke("in the entrypoint")
        return said

    @entrypoint()
    async def aentry(x):
        said = await sub(x)
        await heard.ainvoke("in the entrypoint")
        return said

    entered = drive.stream(aentry if asynchronous else entry, "x", stream_mode=MODES)
    record("functional", entered)
