"""A call of ``invoke`` or ``stream`` → the `Frame` to drive: root run, nested graph, or own thread."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from caesura.config import find_scope, lenient
from caesura.constants import CONF
from caesura.core.inspect import lasting_ns
from caesura.core.turn import Request, Turn
from caesura.execution.cache import TaskCache
from caesura.execution.clock import clock
from caesura.execution.context import Frame, Setting, TaskScope
from caesura.execution.langchain import surrounding_config
from caesura.execution.plain import PlainStore, store_of
from caesura.execution.tokens import is_alive
from caesura.pregel.configs import (
    coerce_context,
    limit_of,
    merge_configs,
    stored_metadata,
    thread_of,
)
from caesura.streaming.modes import Stream

if TYPE_CHECKING:
    from uuid import UUID

    from caesura.pregel.compiled import Pregel


@dataclass(slots=True, eq=False, repr=False)
class Ask:
    """The arguments of an ``invoke`` or ``stream`` call."""

    input: Any
    config: dict[str, Any] | None
    context: Any = None
    output_keys: Any = None
    interrupt_before: Any = None
    interrupt_after: Any = None
    durability: str | None = None
    control: Any = None
    asynchronous: bool = False
    saver: Any = None
    """Used instead of the program's own: one of ours, opened already."""
    lenient: bool | None = None
    """LangGraph's lenient matching of answers; None: as set for the process."""


_NOTHING: Final[frozenset[str]] = frozenset()


def open_frame(
    graph: Pregel, ask: Ask, stream: Stream | None, make_driver: Callable[[dict[str, Any]], Any]
) -> Frame:
    """The frame of a run. Raises for wrong config before anything starts."""
    outer = _enclosing(graph, ask)
    if outer is not None:
        return _nested(graph, ask, stream, outer, make_driver)
    return _root(graph, ask, stream, make_driver)


def _enclosing(graph: Pregel, ask: Ask) -> TaskScope | None:
    """The task this call is made in, if the graph is to run as a part of it."""
    scope = find_scope()
    if not isinstance(scope, TaskScope):
        return None
    given = ((ask.config or {}).get(CONF) or {}).get("thread_id")
    setting = scope.frame.setting
    if given is not None and str(given) != setting.thread_id:
        return None
    if setting.saver is None and graph.own_saver is not None and given is not None:
        return None
    return scope


def _root(graph: Pregel, ask: Ask, stream: Stream | None, make_driver: Any) -> Frame:
    scope = find_scope()
    above = scope.frame.setting if isinstance(scope, TaskScope) else None
    config = merge_configs(_inherited(scope), graph.config, ask.config)
    configurable = config.get(CONF) or {}
    saver = ask.saver or configurable.get("__pregel_checkpointer", graph.checkpointer)
    if saver is True:
        raise RuntimeError("checkpointer=True cannot be used for root graphs.")
    saver = saver or (above.raw_saver if above is not None and saver is None else None)
    thread_id = thread_of(configurable) if saver else str(configurable.get("thread_id", ""))
    setting = Setting(
        config=config,
        thread_id=thread_id,
        saver=ask.saver or store_of(graph.opened(saver or None)),
        raw_saver=saver or None,
        context=coerce_context(graph.context_schema, ask.context),
        store=graph.store if graph.store is not None or above is None else above.store,
        control=ask.control,
        durability=_durability(ask, saver),
        wants=frozenset() if stream is None else stream.wants,
        subgraphs=stream is not None and stream.subgraphs,
        lenient=lenient() if ask.lenient is None else ask.lenient,
        run_id=str(config["run_id"]) if config.get("run_id") else None,
        actor=configurable.get("actor"),
    )
    if stream is not None:
        setting.sink = stream.sink
    _listen(setting)
    request = _request(graph, ask, setting, config)
    request.checkpoint_id = configurable.get("checkpoint_id") if saver else None
    request.strict_resume = bool(configurable.get("__pregel_strict_resume"))
    driver = make_driver(config)
    return Frame(setting, Turn(request), graph, driver, setting.wants, cache=_cache_of(graph))


def _listen(setting: Setting) -> None:
    """Find the lifecycle callbacks of the config."""
    callbacks = setting.config.get("callbacks")
    if callbacks:
        from caesura.execution.listeners import listeners_of

        setting.listeners = listeners_of(callbacks)
        if setting.listeners and setting.telling is None:
            setting.telling = _uuid(setting.run_id)


def _uuid(run_id: str | None) -> UUID:
    """The run's id; a new one if it has none of that form."""
    from uuid import UUID, uuid4  # few programs need them

    try:
        return UUID(run_id) if run_id else uuid4()
    except ValueError:
        return uuid4()


def _inherited(scope: Any) -> dict[str, Any] | None:
    """What a run takes from LangChain's code around it, where it is not in a task of ours."""
    config = surrounding_config() if scope is None else None
    if not config:
        return None
    kept = {k: v for k, v in config.items() if k in ("tags", "metadata", "callbacks")}
    configurable = config.get(CONF) or {}
    own = {k: v for k, v in configurable.items() if not k.startswith(("__pregel", "checkpoint_"))}
    return {**kept, CONF: own} if own else kept


def _durability(ask: Ask, saver: Any) -> str:
    if ask.durability is None:
        return "async"
    if not saver:
        warnings.warn(
            "`durability` has no effect when no checkpointer is present.", UserWarning, stacklevel=5
        )
    return ask.durability


def _request(graph: Pregel, ask: Ask, setting: Setting, config: dict[str, Any]) -> Request:
    time, saver = clock(), setting.raw_saver
    wants = setting.wants
    custom_versions = own_versions(saver) if saver else None
    return Request(
        program=graph.program,
        input=ask.input,
        thread_id=setting.thread_id,
        mint=time.mint,
        now=time.now,
        stored=setting.saver is not None,
        durability=ask.durability or setting.durability,
        recursion_limit=limit_of(config),
        before=_stops(ask.interrupt_before, graph.interrupt_before_nodes),
        after=_stops(ask.interrupt_after, graph.interrupt_after_nodes),
        wants=wants,
        output_keys=_output_keys(graph, ask.output_keys),
        metadata=stored_metadata(config) if setting.saver is not None else {},
        lenient=setting.lenient,
        actor=setting.actor,
        cancel_siblings=ask.asynchronous,
        next_version=custom_versions,
        drain=_drain(setting),
        plain_store=isinstance(setting.saver, PlainStore),
        caches=graph.cache is not None and graph.program.caches,
        token=lambda: setting.token.text,
        alive=is_alive,
        run_id=setting.run_id,
        step_timeout=graph.step_timeout,
        telling=setting.telling,
    )


def _cache_of(graph: Pregel) -> TaskCache | None:
    return TaskCache(graph.opened_cache()) if graph.cache is not None else None


def own_versions(saver: Any) -> Callable[[Any], Any] | None:
    """A foreign saver's own way to count versions."""
    if hasattr(saver, "aexecute"):
        return None
    from caesura.checkpoint.base import BaseCheckpointSaver

    own = type(saver).get_next_version is not BaseCheckpointSaver.get_next_version
    return (lambda current: saver.get_next_version(current, None)) if own else None


def _drain(setting: Setting) -> Callable[[], str | None]:
    control = setting.control
    if control is None:
        return _never
    return lambda: control.drain_reason


def _never() -> None:
    return None


def _stops(given: Any, compiled: Any) -> Any:
    stops = compiled if given is None else given
    return "*" if stops == "*" else tuple(stops or ())


def _output_keys(graph: Pregel, keys: Any) -> Any:
    if keys is None:
        return None
    known = graph.program.channels
    for key in (keys,) if isinstance(keys, str) else keys:
        if key not in known:
            raise ValueError(f"Key {key} not in channels")
    return keys if isinstance(keys, str) else tuple(keys)


# --- nested -----------------------------------------------------------------------------------


def _nested(
    graph: Pregel, ask: Ask, stream: Stream | None, outer: TaskScope, make_driver: Any
) -> Frame:
    frame, above = outer.frame, outer.frame.setting
    config = merge_configs(above.config, graph.config, _own_part(ask.config, outer))
    setting = above.copy()
    setting.config = config
    if ask.context is not None:
        setting.context = coerce_context(graph.context_schema, ask.context)
    if graph.store is not None:
        setting.store = graph.store
    if graph.checkpointer is False:
        setting.saver = setting.raw_saver = None
    _listen(setting)
    setting.wants = _nested_wants(above, stream)
    request = _request(graph, ask, setting, config)
    request.durability = above.durability
    _place(graph, request, outer)
    if stream is not None:
        setting.sink = _both(above, stream, request.ns)
        setting.subgraphs = above.subgraphs or stream.subgraphs
    driver = frame.driver if _same_colour(frame.driver, ask) else make_driver(config)
    cache = _cache_of(graph)
    return Frame(setting, Turn(request), graph, driver, setting.wants, outer, cache, outer.watch)


def _own_part(config: dict[str, Any] | None, outer: TaskScope) -> dict[str, Any] | None:
    """A config without the callbacks that the task around made of the run's: the run has those."""
    if not config or config.get("callbacks") is None:
        return config
    if config["callbacks"] is not outer.config()["callbacks"]:
        return config
    return {key: value for key, value in config.items() if key != "callbacks"}


def _place(graph: Pregel, request: Request, outer: TaskScope) -> None:
    """Where a nested graph keeps its checkpoints, and what it may find there."""
    turn, ordinal = outer.frame.turn, outer.next_graph()
    request.nested = True
    request.ancestors = outer.ancestors()
    request.loose = outer.task.loose or []
    request.mine = turn.request.mine
    request.parents = {**turn.request.parents, turn.state.ns: turn.state.checkpoint_id}
    if turn.stored_id == turn.state.checkpoint_id:
        request.under = turn.state.ns, turn.state.checkpoint_id
    request.caller = f"{outer.task.id}#{ordinal}"
    request.ns = outer.graph_ns(ordinal)
    if graph.checkpointer is True:
        request.ns = lasting_ns(turn.state.ns, outer.task.name)
        request.older_than = turn.rewound_from
    if not request.stored:
        request.row_checkpoint = turn.request.row_checkpoint or turn.state.checkpoint_id
        request.rows = tuple(r for r in turn.state.rows if outer.task.id in r.ancestors)


def _nested_wants(above: Setting, stream: Stream | None) -> frozenset[str]:
    wants = above.wants if above.subgraphs else _NOTHING
    return wants if stream is None else wants | stream.wants


def _both(above: Setting, stream: Stream, own: str) -> Any:
    """Events of a streamed nested graph go to its own consumer and to the outer one."""

    def sink(frame: Frame, mode: str, payload: Any, ns: str | None) -> None:
        if stream.subgraphs or frame.turn.request.ns == own:
            stream.sink(frame, mode, payload, ns)
        if above.subgraphs:
            above.sink(frame, mode, payload, ns)

    return sink


def _same_colour(driver: Any, ask: Ask) -> bool:
    loop = getattr(driver, "loop", None)
    if not ask.asynchronous:
        return loop is None
    if loop is None:
        return False
    import asyncio

    return asyncio.get_running_loop() is loop
