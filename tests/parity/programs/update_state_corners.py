"""State methods at their corners: copies with updates, no values, roots, entrypoints, old checkpoints."""

import operator
from typing import Annotated, TypedDict

from langgraph.func import entrypoint
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Overwrite, Send, StateUpdate, interrupt

DEVIATIONS = {
    "an unknown one": "refused; LangGraph starts the thread anew with the update alone",
    "values for the end": "the text says what is wrong",
}


class State(TypedDict):
    log: Annotated[list, operator.add]
    plain: str


def run(make_saver, record, drive):
    cfg = {"configurable": {"thread_id": "1"}}

    def chain(*names, **how):
        builder = StateGraph(State)
        for name in names:
            builder.add_node(name, drive.node(lambda s, name=name: {"log": [name]}))
        for start, end in zip([START, *names], [*names, END], strict=True):
            builder.add_edge(start, end)
        return builder.compile(checkpointer=make_saver(), **how)

    def shown(graph, config=cfg):
        state = drive.state(graph, config)
        meta = {k: v for k, v in state.metadata.items() if k != "parents"}
        return [state.values, state.next, meta, [(t.name, t.result) for t in state.tasks]]

    def history(graph):
        return [
            [s.metadata["source"], s.metadata["step"], s.next, s.values, s.parent_config is None]
            for s in drive.history(graph, cfg)
        ]

    graph = chain("a", "b")
    drive.invoke(graph, {"log": ["i"]}, cfg)
    drive.update(graph, cfg, [({"log": ["c1"]}, "a"), ({"log": ["c2"]}, "b")], as_node="__copy__")
    record("copied with updates", history(graph))
    drive.update(graph, cfg, [[{"log": ["c3"]}, "a"]], as_node="__copy__")
    record("copied with one update", shown(graph))
    record("goes on", drive.invoke(graph, None, cfg))

    graph = chain("a", "b")
    record.raises("copy of nothing", drive.update, graph, cfg, None, as_node="__copy__")
    record.raises("end of nothing", drive.update, graph, cfg, None, as_node=END)
    record("nothing", [len(drive.history(graph, cfg))])
    record.raises("start of nothing", drive.update, graph, cfg, {"log": ["s"]}, as_node=START)
    record("started", shown(graph))
    record("and run", drive.invoke(graph, None, cfg))

    graph = chain("a", "b")
    drive.update(graph, cfg, None)
    record("no values for nothing", shown(graph))
    graph = chain("a", "b")
    record.raises("input of nothing", drive.update, graph, cfg, {"log": ["s"]}, as_node="__input__")
    record("as input", shown(graph))
    record("input and run", drive.invoke(graph, None, cfg))
    record.raises("no values, nobody", drive.update, graph, cfg, None)
    record("no values, nobody: state", shown(graph))
    drive.update(graph, cfg, {}, as_node="a")
    record("empty values", shown(graph))
    drive.update(graph, cfg, {"log": Overwrite(["o"])}, as_node="a")
    record("overwrite", shown(graph))
    drive.update(
        graph, cfg, [{"plain": "x"}, Command(update={"log": ["l"]}, goto="b")], as_node="b"
    )
    record("a list with a command", shown(graph))
    drive.update(graph, cfg, Command(goto=Send("a", {"log": ["sent"]})), as_node="b")
    record("a send", shown(graph))
    record.raises("values for the end", drive.update, graph, cfg, {"log": ["x"]}, as_node=END)
    record.raises(
        "two for the start",
        drive.bulk_update,
        graph,
        cfg,
        [[StateUpdate({"log": []}, START), StateUpdate({"log": []}, "a")]],
    )
    record.raises(
        "two, one input",
        drive.bulk_update,
        graph,
        cfg,
        [[StateUpdate({"log": ["z"]}, "__input__"), StateUpdate({"log": ["y"]}, "a")]],
    )
    record.raises(
        "two, one end",
        drive.bulk_update,
        graph,
        cfg,
        [[StateUpdate(None, END), StateUpdate({"log": ["y"]}, "a")]],
    )
    record("after refusals", history(graph)[0])

    old = drive.history(graph, cfg)[-2]
    new = drive.update(graph, old.config, {"log": ["edited"]}, as_node=START)
    record("an old one edited", shown(graph, new))
    new = drive.bulk_update(
        graph, old.config, [[StateUpdate({"log": ["p"]}, "a")], [StateUpdate({"log": ["q"]}, "b")]]
    )
    record("bulk on an old one", [shown(graph, new), drive.state(graph, cfg).values])
    tagged = {"configurable": {"thread_id": "1", "user": "u"}, "metadata": {"m": 1}}
    drive.update(graph, tagged, {"log": ["t"]}, as_node="a")
    record("metadata", shown(graph)[2])
    drive.update(
        graph,
        cfg,
        {"log": ["same task"]},
        as_node="a",
        task_id="0d7e0b05-0b32-5d3f-b2a4-1ee7b9d8d5a1",
    )
    record("with a task id", shown(graph))
    record.raises("no values as input", drive.update, graph, cfg, None, as_node="__input__")
    record.raises(
        "two copies",
        drive.bulk_update,
        graph,
        cfg,
        [[StateUpdate(None, "__copy__"), StateUpdate({"log": []}, "a")]],
    )
    record.raises(
        "copied, followed by nobody's",
        drive.update,
        graph,
        cfg,
        [({"log": ["x"]}, None), ({"log": ["y"]}, None)],
        as_node="__copy__",
    )
    drive.update(graph, cfg, {"log": ["ignored"]}, as_node="__copy__")
    record("copied with other values", shown(graph))

    bare = StateGraph(Annotated[list, operator.add])
    bare.add_node("n", drive.node(lambda s: ["n"])).add_edge(START, "n")
    bare = bare.compile(checkpointer=make_saver())
    drive.invoke(bare, ["i"], cfg)
    drive.update(bare, cfg, ["u"])
    record("a bare state", shown(bare))
    drive.update(bare, cfg, ["v"], as_node="__input__")
    record("a bare input", [shown(bare), drive.invoke(bare, None, cfg)])

    @entrypoint(checkpointer=make_saver())
    def work(x, *, previous=None):
        return [*(previous or []), x]

    if drive.colour == "sync":
        work.invoke(1, cfg)
        record.raises("an entrypoint", work.update_state, cfg, ["mine"])
        record("its state", [work.get_state(cfg).values, work.get_state(cfg).next])
        record("its next run", work.invoke(2, cfg))

    asking = StateGraph(State)
    asking.add_node("ask", drive.node(lambda s: {"log": [interrupt("?")]}))
    asking.add_node("ok", drive.node(lambda s: {"log": ["ok"]}))
    asking.add_edge(START, "ask").add_edge(START, "ok")
    asking = asking.compile(checkpointer=make_saver())
    drive.invoke(asking, {"log": []}, cfg)
    drive.update(asking, cfg, {"log": ["for them"]}, as_node="ask")
    record("answered by an update", shown(asking))
    drive.invoke(asking, {"log": []}, cfg)
    drive.update(asking, cfg, None, as_node="ask")
    record("skipped by an update", shown(asking))
    drive.invoke(asking, {"log": ["more"]}, cfg)
    drive.update(asking, cfg, None, as_node=END)
    record("ended by an update", [shown(asking), drive.invoke(asking, None, cfg)])

    unknown = {
        "configurable": {"thread_id": "1", "checkpoint_id": "1ef00000-0000-6000-8000-000000000000"}
    }
    record.raises(
        "an unknown one", lambda: bool(drive.update(graph, unknown, {"log": ["x"]}, as_node="a"))
    )
