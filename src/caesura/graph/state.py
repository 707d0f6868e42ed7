"""`StateGraph`: nodes that read and write a shared state, and the edges between them.

The builder collects what was declared; `StateGraph.compile` checks it and turns it into a
`core.program.Program`: each key a channel, each edge a channel ``branch:to:<node>`` that triggers its
node, each join edge a barrier channel ``join:<a>+<b>:<end>``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, Self, get_args, get_origin

from caesura.channels.base import BaseChannel
from caesura.channels.ephemeral_value import EphemeralValue
from caesura.channels.last_value import LastValue, LastValueAfterFinish
from caesura.channels.named_barrier_value import (
    NamedBarrierValue,
    NamedBarrierValueAfterFinish,
)
from caesura.channels.topic import Topic
from caesura.constants import END, NS_END, NS_SEP, ROOT, START, TASKS
from caesura.core.program import NO_INPUT, Action, Branch, Fresh, Node, Program, Write
from caesura.core.state import ThreadState
from caesura.core.timing import timeout_of
from caesura.execution.body import retry_policies
from caesura.graph.branch import BranchSpec
from caesura.graph.schema import channels_of, coercer
from caesura.graph.writing import collector
from caesura.pregel.compiled import Pregel
from caesura.pregel.describing import Shape
from caesura.pregel.injection import (
    action_of,
    closure_graphs,
    first_annotation,
    name_of,
    return_annotation,
)
from caesura.schemas.kinds import has_keys
from caesura.types import Command, Send, TimeoutPolicy, ensure_valid_checkpointer, is_pydantic
from caesura.typing import (
    ContextT,
    InputT,
    OutputT,
    RunContextT,
    RunInputT,
    RunOutputT,
    RunStateT,
    StateT,
)
from caesura.warnings import (
    LangGraphDeprecatedSinceV05,
    LangGraphDeprecatedSinceV10,
    warn_renamed,
)

if TYPE_CHECKING:
    from datetime import timedelta

    from typing_extensions import Unpack

    from caesura.cache.base import BaseCache
    from caesura.graph.arguments import NodeLike, OldGraphArguments, OldNodeArguments, Policies
    from caesura.store.base import BaseStore
    from caesura.types import All, CachePolicy, Checkpointer, TracePolicy


@dataclass(slots=True)
class NodeSpec:
    """A node as declared."""

    runnable: Any
    action: Action
    input_schema: Any
    metadata: Mapping[str, Any] | None = None
    retry_policy: Any = None
    cache_policy: Any = None
    ends: Any = ()
    """Where a `Command` of it may go; for drawing only."""
    defer: bool = False
    timeout: Any = None
    handler: str | None = None
    """The node that handles its failures."""
    handles: bool = False
    """It is such a node itself: it has no handler of its own, and no default timeout."""


class StateGraph(Generic[StateT, ContextT, InputT, OutputT]):
    """A graph whose nodes share a state.

    ``state_schema``: a TypedDict, dataclass, pydantic model, or any type (then the state is one bare
    value). ``Annotated[type, reducer]`` folds several writes; plain keys take one write a step.
    ``input_schema`` and ``output_schema`` narrow what goes in and comes out.
    """

    def __init__(
        self,
        state_schema: type[StateT],
        context_schema: type[ContextT] | None = None,
        *,
        input_schema: type[InputT] | None = None,
        output_schema: type[OutputT] | None = None,
        **deprecated: Unpack[OldGraphArguments],
    ) -> None:
        for old, new in (("input", "input_schema"), ("output", "output_schema")):
            if old in deprecated:
                warn_renamed(old, new, LangGraphDeprecatedSinceV05, 2)
        if "config_schema" in deprecated:
            warn_renamed("config_schema", "context_schema", LangGraphDeprecatedSinceV10, 2)
        context_schema = context_schema or deprecated.pop("config_schema", None)
        self.state_schema: Any = state_schema
        self.context_schema: Any = context_schema
        self.input_schema: Any = input_schema or deprecated.pop("input", None) or state_schema
        self.output_schema: Any = output_schema or deprecated.pop("output", None) or state_schema
        if deprecated.keys() - {"input", "output"}:
            raise TypeError(f"StateGraph got unexpected arguments {sorted(deprecated)}")
        self.nodes: dict[str, NodeSpec] = {}
        self.edges: set[tuple[str, str]] = set()
        self.waiting_edges: set[tuple[tuple[str, ...], str]] = set()
        self.branches: dict[str, dict[str, BranchSpec]] = {}
        self.channels: dict[str, BaseChannel[Any, Any, Any]] = {}
        self.managed: dict[str, Any] = {}
        self.schemas: dict[Any, dict[str, Any]] = {}
        self.compiled = False
        self._defaults: dict[str, Any] = {}
        self._add_schema(self.state_schema)
        self._add_schema(self.input_schema, outward=True)
        self._add_schema(self.output_schema, outward=True)

    def _add_schema(self, schema: Any, *, outward: bool = False) -> None:
        channels, managed = channels_of(schema)
        if outward and managed and schema is not self.state_schema:
            names = ", ".join(managed)
            raise ValueError(
                f"Invalid managed channels detected in {getattr(schema, '__name__', schema)}: "
                f"{names}. Managed channels are not permitted in Input/Output schema."
            )
        if schema in self.schemas:
            return
        self.schemas[schema] = {**channels, **managed}
        for key, channel in channels.items():
            before = self.channels.get(key)
            if before is None:
                self.channels[key] = channel
            elif type(channel) is not LastValue and before != channel:
                raise ValueError(f"Channel '{key}' already exists with a different type")
        self.managed.update(managed)

    # --- nodes -------------------------------------------------------------------------------

    def add_node(
        self,
        node: str | NodeLike,
        action: NodeLike | None = None,
        *,
        defer: bool = False,
        metadata: Mapping[str, Any] | None = None,
        input_schema: type[Any] | None = None,
        retry_policy: Policies | None = None,
        cache_policy: CachePolicy | None = None,
        error_handler: NodeLike | None = None,
        destinations: Mapping[str, str] | Sequence[str] | None = None,
        timeout: float | timedelta | TimeoutPolicy | None = None,
        trace_policy: TracePolicy | None = None,
        **deprecated: Unpack[OldNodeArguments],
    ) -> Self:
        """Add a node: a name and a function, or a function alone.

        ``defer``: run when nothing else is left to run. ``input_schema``: what the node sees of the
        state. ``retry_policy``: a `RetryPolicy` or several. ``cache_policy``: a `CachePolicy`: for
        equal inputs the node is not run again. ``destinations``: where its `Command`s may go, for
        drawing. ``timeout``: seconds, a ``timedelta`` or a `TimeoutPolicy`, for an async
        node. ``error_handler``: a function that runs in its place once it has failed and no retry is
        left, with what the node was given and, as ``error: NodeError``, the exception. The node's
        edges do not fire then: the handler's `Command` says where to go. Raises ValueError for a
        taken or reserved name, and for a timeout that is not positive.
        """
        if "retry" in deprecated:
            warn_renamed("retry", "retry_policy", LangGraphDeprecatedSinceV05, 2)
            retry_policy = retry_policy or deprecated["retry"]
        if "input" in deprecated:
            warn_renamed("input", "input_schema", LangGraphDeprecatedSinceV05, 2)
            input_schema = input_schema or deprecated["input"]
        name, function = self._name_and_function(node, action)
        self._check_new_node(name)
        self._warn_if_compiled("node")
        inferred = first_annotation(function) if input_schema is None else None
        if inferred is not None and _is_state_class(inferred):
            input_schema = inferred
        if input_schema is not None:
            self._add_schema(input_schema)
        timeout = TimeoutPolicy.coerce(timeout)
        handler = None if error_handler is None else self._add_handler(name, error_handler)
        self.nodes[name] = NodeSpec(
            runnable=function,
            action=action_of(function, name),
            input_schema=input_schema or self.state_schema,
            metadata=metadata,
            retry_policy=retry_policy,
            cache_policy=cache_policy,
            ends=_destinations(function) if destinations is None else destinations,
            defer=defer,
            timeout=timeout,
            handler=handler,
        )
        return self

    def _add_handler(self, node: str, function: Any) -> str:
        name = f"__error_handler__{node}"
        if name in self.nodes:
            raise ValueError(f"Auto-generated error handler node `{name}` already exists.")
        self.nodes[name] = self._handler_spec(name, function)
        return name

    def _handler_spec(self, name: str, function: Any) -> NodeSpec:
        return NodeSpec(
            runnable=function,
            action=action_of(function, name),
            input_schema=self.state_schema,
            ends=_destinations(function),
            handles=True,
        )

    def _name_and_function(self, node: Any, action: Any) -> tuple[str, Any]:
        if isinstance(node, str):
            if action is None:
                raise RuntimeError(f"add_node({node!r}) needs a function as its second argument")
            return node, action
        if not callable(node) and not hasattr(node, "invoke"):
            action_of(node)
        return name_of(node), node

    def _check_new_node(self, name: str) -> None:
        if name in (START, END):
            raise ValueError(f"Node `{name}` is reserved.")
        if name in self.nodes:
            raise ValueError(f"Node `{name}` already present.")
        for character in (NS_SEP, NS_END):
            if character in name:
                raise ValueError(
                    f"'{character}' is a reserved character and is not allowed in the node names."
                )

    def _warn_if_compiled(self, what: str) -> None:
        if self.compiled:
            import logging

            logging.getLogger("caesura").warning(
                "Adding a %s to a graph that has already been compiled. "
                "This will not be reflected in the compiled graph.",
                what,
            )

    def set_node_defaults(
        self,
        *,
        retry_policy: Policies | None = None,
        cache_policy: CachePolicy | None = None,
        error_handler: NodeLike | None = None,
        timeout: float | timedelta | TimeoutPolicy | None = None,
    ) -> Self:
        """Policies of the nodes that do not set their own, added before or after; see `add_node`.

        What is None stays as it was. Nested graphs do not inherit them. Error handlers take the
        retry policy, but neither the timeout nor the handler.
        """
        given = {
            "retry_policy": retry_policy,
            "cache_policy": cache_policy,
            "error_handler": error_handler,
            "timeout": TimeoutPolicy.coerce(timeout),
        }
        self._defaults.update({key: value for key, value in given.items() if value is not None})
        return self

    # --- edges -------------------------------------------------------------------------------

    def add_edge(self, start_key: str | Sequence[str], end_key: str) -> Self:
        """``end_key`` runs after ``start_key``; after all of them, if it is a list."""
        self._warn_if_compiled("edge")
        if isinstance(start_key, str):
            if start_key == END:
                raise ValueError("END cannot be a start node")
            if end_key == START:
                raise ValueError("START cannot be an end node")
            self.edges.add((start_key, end_key))
            return self
        for start in start_key:
            if start == END:
                raise ValueError("END cannot be a start node")
            if start not in self.nodes:
                raise ValueError(f"Need to add_node `{start}` first")
        if end_key == START:
            raise ValueError("START cannot be an end node")
        if end_key != END and end_key not in self.nodes:
            raise ValueError(f"Need to add_node `{end_key}` first")
        self.waiting_edges.add((tuple(start_key), end_key))
        return self

    def add_conditional_edges(
        self,
        source: str,
        path: NodeLike,
        path_map: Mapping[Any, str] | Sequence[str] | None = None,
    ) -> Self:
        """After ``source``, ``path`` says what runs: a node name, `Send`, or a list; via ``path_map``."""
        self._warn_if_compiled("edge")
        name = name_of(path)
        name = "condition" if name == "<lambda>" else name
        branches = self.branches.setdefault(source, {})
        if name in branches:
            raise ValueError(f"Branch with name `{name}` already exists for node `{source}`")
        annotation = first_annotation(path)
        schema = annotation if annotation is not None and _is_state_class(annotation) else None
        if schema is not None:
            self._add_schema(schema)
        branches[name] = BranchSpec.of(path, path_map, schema)
        return self

    def add_sequence(self, nodes: Sequence[NodeLike | tuple[str, NodeLike]]) -> Self:
        """Add nodes that run one after the other. Raises ValueError if there are none."""
        if not nodes:
            raise ValueError("Sequence requires at least one node.")
        before: str | None = None
        for node in nodes:
            name, function = node if isinstance(node, tuple) else (name_of(node), node)
            if name in self.nodes:
                raise ValueError(
                    f"Node names must be unique: node with the name '{name}' already exists. "
                    "If you need to use two different runnables/callables with the same name (for "
                    "example, using `lambda`), please provide them as tuples (name, "
                    "runnable/callable)."
                )
            self.add_node(name, function)
            if before is not None:
                self.add_edge(before, name)
            before = name
        return self

    def set_entry_point(self, key: str) -> Self:
        """As ``add_edge(START, key)``."""
        return self.add_edge(START, key)

    def set_conditional_entry_point(
        self, path: NodeLike, path_map: Mapping[Any, str] | Sequence[str] | None = None
    ) -> Self:
        """As ``add_conditional_edges(START, ...)``."""
        return self.add_conditional_edges(START, path, path_map)

    def set_finish_point(self, key: str) -> Self:
        """As ``add_edge(key, END)``."""
        return self.add_edge(key, END)

    def validate(self, interrupt: Sequence[str] | None = None) -> Self:
        """Check that all edges have their nodes. Raises ValueError."""
        sources = {s for s, _ in self.edges} | set(self.branches)
        sources |= {s for starts, _ in self.waiting_edges for s in starts}
        for source in sources:
            if source != START and source not in self.nodes:
                raise ValueError(f"Found edge starting at unknown node '{source}'")
        if START not in sources:
            raise ValueError(
                "Graph must have an entrypoint: add at least one edge from START to another node"
            )
        for source, branches in self.branches.items():
            for name, branch in branches.items():
                for end in (branch.ends or {}).values():
                    if end != END and end not in self.nodes:
                        raise ValueError(
                            f"At '{source}' node, '{name}' branch found unknown target '{end}'"
                        )
        for end in {e for _, e in self.edges} | {e for _, e in self.waiting_edges}:
            if end != END and end not in self.nodes:
                raise ValueError(f"Found edge ending at unknown node `{end}`")
        for name in interrupt or ():
            if name not in self.nodes:
                raise ValueError(f"Interrupt node `{name}` not found")
        return self

    # --- compiling ---------------------------------------------------------------------------

    def compile(
        self,
        checkpointer: Checkpointer = None,
        *,
        cache: BaseCache[Any] | None = None,
        store: BaseStore | None = None,
        interrupt_before: All | Sequence[str] | None = None,
        interrupt_after: All | Sequence[str] | None = None,
        debug: bool = False,
        name: str | None = None,
        transformers: Iterable[Callable[..., Any]] | None = None,
    ) -> CompiledStateGraph[StateT, ContextT, InputT, OutputT]:
        """Check the graph and make it runnable. Raises ValueError for what does not fit together.

        ``checkpointer``: the saver; None inherits the outer graph's; True gives a nested graph a
        lasting history, False none. ``cache``: where the results of nodes and tasks with a
        `CachePolicy` are kept (`caesura.cache`); nested graphs do not inherit it.
        ``transformers``: see `Pregel.stream_events`.
        """
        ensure_valid_checkpointer(checkpointer)
        before, after = interrupt_before or (), interrupt_after or ()
        stops = [n for part in (before, after) if part != "*" for n in part]
        self.validate(interrupt=stops)
        self.compiled = True
        return CompiledStateGraph(
            _Compiler(self).program(name or "LangGraph"),
            builder=self,
            checkpointer=checkpointer,
            store=store,
            cache=cache,
            interrupt_before=before,
            interrupt_after=after,
            name=name or "LangGraph",
            context_schema=self.context_schema,
            debug=debug,
            schemas=list(self.schemas),
            transformers=transformers or (),
        )


class CompiledStateGraph(Pregel[RunStateT, RunContextT, RunInputT, RunOutputT]):
    """A compiled `StateGraph`."""

    default_stream_mode = "updates"

    def __init__(
        self, program: Program, *, builder: StateGraph[Any, Any, Any, Any], **how: Any
    ) -> None:
        self._assemble(program, **how)
        self.builder = builder

    def shape_of(self, side: Literal["input", "output"]) -> Shape:
        builder = self.builder
        return Shape(builder.input_schema if side == "input" else builder.output_schema, named=True)

    def _model_shape(self, side: Literal["input", "output"]) -> Shape:
        keyed = side == "output" and not isinstance(self.program.output_channels, str)
        return super().shape_of(side) if keyed else self.shape_of(side)

    def coerce_output(self, values: Any) -> Any:
        return _instance(self.builder.output_schema, values)

    def coerce_state(self, values: Any) -> Any:
        return _instance(self.builder.state_schema, values)


def _instance(schema: Any, values: Any) -> Any:
    if isinstance(values, dict) and (is_dataclass(schema) or is_pydantic(schema)):
        return schema(**values)
    return values


class _Compiler:
    """Turns a builder into a program."""

    def __init__(self, builder: StateGraph[Any, Any, Any, Any]) -> None:
        self.builder = builder
        self.specs = dict(builder.nodes)
        self.channels: dict[str, BaseChannel[Any, Any, Any]] = dict(builder.channels)
        self.keys = frozenset(builder.channels)

    def program(self, name: str) -> Program:
        builder, output = self.builder, self._keys_of(self.builder.output_schema)
        default = builder._defaults.get("error_handler")
        if default is not None:
            if _DEFAULT_HANDLER in self.specs:
                raise ValueError(
                    f"Auto-generated default error handler node `{_DEFAULT_HANDLER}` already exists."
                )
            self.specs[_DEFAULT_HANDLER] = builder._handler_spec(_DEFAULT_HANDLER, default)
        self._add_channels()
        nodes = {START: self._start_node()}
        for key, spec in self.specs.items():
            nodes[key] = self._node(key, spec)
        root = self.keys == {ROOT}
        return Program(
            name=name,
            nodes=nodes,
            channels=self.channels,
            input_channels=START,
            output_channels=ROOT if root else tuple(output),
            stream_channels=ROOT if root else tuple(builder.channels),
            managed=dict(builder.managed),
        )

    def _keys_of(self, schema: Any) -> list[str]:
        return [k for k in self.builder.schemas[schema] if k in self.builder.channels]

    def _add_channels(self) -> None:
        self.channels[START] = EphemeralValue(self.builder.input_schema, key=START)
        self.channels[TASKS] = Topic(Send, accumulate=False, key=TASKS)
        for name, spec in self.specs.items():
            key = f"branch:to:{name}"
            self.channels[key] = (
                LastValueAfterFinish(Any, key) if spec.defer else EphemeralValue(Any, False, key)
            )
        for starts, end in self.builder.waiting_edges:
            if end == END:
                continue
            key = _join_name(starts, end)
            deferred = self.builder.nodes[end].defer
            kind = NamedBarrierValueAfterFinish if deferred else NamedBarrierValue
            self.channels[key] = kind(str, set(starts), key)

    def _static_writes(self, name: str) -> list[Write]:
        ends = sorted(end for start, end in self.builder.edges if start == name and end != END)
        writes: list[Write] = [(f"branch:to:{end}", None) for end in ends]
        for starts, end in sorted(self.builder.waiting_edges):
            if name in starts and end != END:
                writes.append((_join_name(starts, end), name))
        return writes

    def _start_node(self) -> Node:
        keys = frozenset(self._keys_of(self.builder.input_schema))
        return Node(
            name=START,
            triggers=(START,),
            action=Action(START, _identity, _aidentity),
            passes_on=not self.builder.branches.get(START),
            read=_read_start,
            collect=collector(keys, self._static_writes(START)),
            branches=self._branches(START),
            hidden=True,
        )

    def _node(self, name: str, spec: NodeSpec) -> Node:
        joins = [
            _join_name(starts, end) for starts, end in self.builder.waiting_edges if end == name
        ]
        defaults = self.builder._defaults
        retry, timeout, handler = spec.retry_policy, spec.timeout, spec.handler
        if not spec.handles:
            timeout = defaults.get("timeout") if timeout is None else timeout
            handler = handler or (_DEFAULT_HANDLER if "error_handler" in defaults else None)
        return Node(
            name=name,
            triggers=(f"branch:to:{name}", *sorted(joins)),
            action=spec.action,
            read=self._reader(spec.input_schema),
            coerce=coercer(spec.input_schema),
            collect=collector(self.keys, self._static_writes(name)),
            branches=self._branches(name),
            metadata=spec.metadata,
            retry=retry_policies(defaults.get("retry_policy") if retry is None else retry),
            cache=spec.cache_policy or defaults.get("cache_policy"),
            subgraphs=closure_graphs(spec.runnable),
            defer=spec.defer,
            timeout=timeout_of(timeout, spec.action),
            handler=handler,
        )

    def _reader(self, schema: Any) -> Callable[[ThreadState, Any], Any]:
        builder = self.builder
        keys = tuple(self._keys_of(schema))
        managed = {k: builder.managed[k] for k in builder.schemas[schema] if k in builder.managed}
        if keys == (ROOT,):
            return _read_root
        return _reader_of(keys, managed)

    def _branches(self, source: str) -> tuple[Branch, ...]:
        found = self.builder.branches.get(source, {})
        return tuple(
            Branch(name, spec.action, self._branch_reader(spec), spec.route)
            for name, spec in found.items()
        )

    def _branch_reader(self, spec: BranchSpec) -> Callable[[Any, Any], Any]:
        annotated = spec.input_schema is not None
        schema = spec.input_schema if annotated else self.builder.state_schema
        keys = tuple(self._keys_of(schema))
        coerce = coercer(schema)
        builder = self.builder
        managed = {k: builder.managed[k] for k in builder.schemas[schema] if k in builder.managed}
        known = frozenset(self.keys | managed.keys())
        if keys == (ROOT,):
            return lambda fresh, result: fresh.read(ROOT)

        def read_branch(fresh: Fresh, result: Any) -> Any:
            present = fresh.read(keys)
            for key, value in managed.items():
                present[key] = value.get(fresh.position)
            if coerce is not None:
                return coerce(present)
            if not annotated and isinstance(result, dict) and not known.issuperset(result):
                present.update({k: v for k, v in result.items() if k not in known})
            return present

        return read_branch


_DEFAULT_HANDLER = "__default_error_handler__"


def _join_name(starts: tuple[str, ...], end: str) -> str:
    return f"join:{'+'.join(starts)}:{end}"


def _identity(value: Any) -> Any:
    return value


async def _aidentity(value: Any) -> Any:
    return value  # A sync function would be given to a thread.


def _read_start(state: ThreadState, position: Any) -> Any:
    channel = state.channels[START]
    return channel.get() if channel.is_available() else NO_INPUT


def _read_root(state: ThreadState, position: Any) -> Any:
    return state.read(ROOT)


def _reader_of(
    keys: tuple[str, ...], managed: Mapping[str, Any]
) -> Callable[[ThreadState, Any], Any]:
    if not managed:
        return lambda state, position: state.read(keys)

    def read(state: ThreadState, position: Any) -> Any:
        present = state.read(keys)
        for key, value in managed.items():
            present[key] = value.get(position)
        return present

    return read


def _is_state_class(annotation: Any) -> bool:
    """True for a class that declares keys (so that a node's annotation narrows its input)."""
    return isinstance(annotation, type) and has_keys(annotation)


def _destinations(function: Any) -> Any:
    """Where a function annotated ``-> Command[Literal[...]]`` may go."""
    annotation = return_annotation(function)
    if get_origin(annotation) is not Command:
        return ()
    args = get_args(annotation)
    if args and get_origin(args[0]) is Literal:
        return tuple(get_args(args[0]))
    return ()


__all__ = ("END", "START", "CompiledStateGraph", "StateGraph")
