"""`entrypoint.final`: keyword only, frozen; value and save may be None."""

import dataclasses

from langgraph.func import entrypoint


def run(make_saver, record, drive):
    made = entrypoint.final(value=1, save=2)
    record(
        "is a dataclass",
        [
            dataclasses.is_dataclass(made),
            made.value,
            made.save,
            made == entrypoint.final(value=1, save=2),
        ],
    )
    record.raises("positional", lambda: entrypoint.final(1, 2))
    record.raises("half of it", lambda: entrypoint.final(value=1))
    try:
        made.value = 3
    except Exception as error:
        record("frozen", [type(error).__name__, made.value])

    def body(given, *, previous=None):
        return entrypoint.final(value=given["value"], save=given["save"])

    flow = entrypoint(checkpointer=make_saver())(drive.node(body))
    config = {"configurable": {"thread_id": "1"}}
    for given in (
        {"value": None, "save": 1},
        {"value": 1, "save": None},
        {"value": [], "save": {"a": (1,)}},
    ):
        record(f"{given}", [drive.invoke(flow, given, config), drive.state(flow, config).values])
        record(
            f"{given}, streamed",
            drive.stream(flow, given, config, stream_mode=["updates", "values"]),
        )
