"""Programs made by hand: nodes that read and write channels, without a `StateGraph`.

`NodeBuilder` collects what one node reads, does and writes. `program_of` turns such nodes and their
channels into the `Program` that the engine walks, the same as `StateGraph.compile` makes;
`check_parts` says what in them does not fit together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple, Self

from caesura.channels.base import BaseChannel
from caesura.channels.topic import Topic
from caesura.constants import INPUT, RESERVED_WRITES, TASKS
from caesura.core.program import NO_INPUT, Action, Node, Program, Write
from caesura.core.state import ThreadState
from caesura.core.timing import timeout_of
from caesura.errors import InvalidUpdateError
from caesura.managed.base import is_managed_value
from caesura.pregel.injection import action_of, closure_graphs
from caesura.types import RetryPolicy, Send, TimeoutPolicy

Reader = Callable[[ThreadState, Any], Any]
Keys = str | Sequence[str]


class _Result:
    """Stands for what the node returned."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "PASSTHROUGH"


PASSTHROUGH: Final = _Result()


class ChannelWriteEntry(NamedTuple):
    """One write of a node: ``value`` (by default what the node returns), through ``mapper``.

    ``skip_none``: a value that is None, after ``mapper``, is not written.
    """

    channel: str
    value: Any = PASSTHROUGH
    skip_none: bool = False
    mapper: Callable[[Any], Any] | None = None


@dataclass(slots=True)
class PregelNode:
    """A node as `NodeBuilder.build` returns it."""

    channels: str | list[str] = field(default_factory=list)
    """What it reads: one channel, whose bare value it is called with, or several, as a dict."""
    triggers: list[str] = field(default_factory=list)
    """The channels whose change makes it run."""
    writers: list[ChannelWriteEntry] = field(default_factory=list)
    bound: list[Action] = field(default_factory=list)
    """What it does: functions, each called with what the one before returned."""
    tags: list[str] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)
    retry_policy: list[RetryPolicy] = field(default_factory=list)
    cache_policy: Any = None
    timeout: TimeoutPolicy | None = None


class NodeBuilder:
    """Describes a node step by step; every method returns the builder."""

    __slots__ = ("_node",)

    def __init__(self) -> None:
        self._node = PregelNode()

    def subscribe_only(self, channel: str) -> Self:
        """Run when ``channel`` changes, and be called with its bare value. Raises ValueError if the
        node reads another channel already."""
        if self._node.channels or self._node.triggers:
            raise ValueError(
                "Cannot subscribe to single channels when other channels are already subscribed to"
            )
        self._node.channels = channel
        self._node.triggers.append(channel)
        return self

    def subscribe_to(self, *channels: str, read: bool = True) -> Self:
        """Run when one of ``channels`` changes; with ``read``, be called with a dict that holds
        those that have a value. Raises ValueError after `subscribe_only`."""
        if isinstance(self._node.channels, str):
            raise ValueError("Cannot subscribe to channels when subscribed to a single channel")
        if read:
            self._node.channels += [c for c in channels if c not in self._node.channels]
        self._node.triggers += [c for c in channels if c not in self._node.triggers]
        return self

    def read_from(self, *channels: str) -> Self:
        """Have these in the dict the node is called with, without running when they change. Raises
        ValueError after `subscribe_only`."""
        if isinstance(self._node.channels, str):
            raise ValueError("Cannot read additional channels when subscribed to single channels")
        self._node.channels += [c for c in channels if c not in self._node.channels]
        return self

    def do(self, node: Any) -> Self:
        """Call ``node``: a function, a graph or a Runnable. Given again, it takes what the one
        before returned. Raises TypeError for what cannot be called."""
        self._node.bound.append(action_of(node))
        return self

    def write_to(self, *channels: str | ChannelWriteEntry, **values: Any) -> Self:
        """Write the result to ``channels``; to each name in ``values`` what its function makes of
        the result, or the constant that is given. None is written too (see `ChannelWriteEntry`)."""
        writers = self._node.writers
        writers += [ChannelWriteEntry(c) if isinstance(c, str) else c for c in channels]
        writers += [
            ChannelWriteEntry(c, mapper=v) if callable(v) else ChannelWriteEntry(c, v)
            for c, v in values.items()
        ]
        return self

    def meta(self, *tags: str, **metadata: Any) -> Self:
        """Add tags and metadata, for traces and streams."""
        self._node.tags += [tag for tag in tags if tag not in self._node.tags]
        self._node.metadata.update(metadata)
        return self

    def add_retry_policies(self, *policies: RetryPolicy) -> Self:
        """When to run the node again after a failure; the first that fits decides."""
        self._node.retry_policy += policies
        return self

    def add_cache_policy(self, policy: Any) -> Self:
        """When a result may be used again for equal input."""
        self._node.cache_policy = policy
        return self

    def set_timeout(self, timeout: Any) -> Self:
        """How long the node may run: seconds, a ``timedelta`` or a `TimeoutPolicy`."""
        self._node.timeout = TimeoutPolicy.coerce(timeout)
        return self

    def build(self) -> PregelNode:
        """The node as described."""
        return self._node


# --- checking --------------------------------------------------------------------------------


class Parts(NamedTuple):
    """What a program made by hand is made of."""

    nodes: dict[str, PregelNode]
    channels: dict[str, Any]
    input_channels: Keys
    output_channels: Keys
    stream_channels: Keys | None


def parts_of(
    nodes: Mapping[str, PregelNode | NodeBuilder],
    channels: Mapping[str, Any] | None,
    input_channels: Keys,
    output_channels: Keys,
    stream_channels: Keys | None,
) -> Parts:
    """The parts, with builders built and the channel of `Send`s added. Raises ValueError, TypeError."""
    built: dict[str, PregelNode] = {}
    for name, node in nodes.items():
        node = node.build() if isinstance(node, NodeBuilder) else node
        if not isinstance(node, PregelNode):
            raise TypeError(f"Node {name!r} is no NodeBuilder, but {type(node).__name__}")
        built[name] = node
    known = {name: _keyed(name, channel) for name, channel in (channels or {}).items()}
    if TASKS in known and not isinstance(known[TASKS], Topic):
        raise ValueError(f"Channel '{TASKS}' is reserved and cannot be used in the graph.")
    known[TASKS] = Topic(Send, accumulate=False, key=TASKS)
    return Parts(built, known, input_channels, output_channels, stream_channels)


def _keyed(name: str, channel: Any) -> Any:
    """The channel under its own name, so that its errors can say which one it is."""
    if not isinstance(channel, BaseChannel) or channel.key:
        return channel
    found = channel.copy()
    found.key = name
    return found


def check_parts(parts: Parts, stops: Iterable[str]) -> None:
    """Raises ValueError for parts that do not fit together. ``stops``: nodes to break at."""
    known = f"'{sorted(parts.channels)}'"
    subscribed = {t for node in parts.nodes.values() for t in node.triggers}
    for name, node in parts.nodes.items():
        if name == INPUT or name in RESERVED_WRITES:
            raise ValueError(f"Node name '{name}' is reserved")
        for channel in _listed(node.channels):
            if channel not in parts.channels:
                raise ValueError(
                    f"Node {name} reads channel '{channel}' not in known channels: {known}"
                )
    _check_known("Subscribed", sorted(subscribed), parts, known)
    _check_known("Input", _listed(parts.input_channels), parts, known)
    if isinstance(parts.input_channels, str) and parts.input_channels not in subscribed:
        raise ValueError(f"Input channel {parts.input_channels} is not subscribed to by any node")
    if subscribed.isdisjoint(_listed(parts.input_channels)):
        raise ValueError(
            f"None of the input channels {parts.input_channels} are subscribed to by any node"
        )
    shown = [*_listed(parts.output_channels), *_listed(parts.stream_channels or ())]
    _check_known("Output", shown, parts, known)
    for name in stops:
        if name not in parts.nodes:
            raise ValueError(f"Node {name} not in nodes")


def _check_known(kind: str, names: Iterable[str], parts: Parts, known: str) -> None:
    for name in names:
        if name not in parts.channels:
            raise ValueError(f"{kind} channel '{name}' not in known channels: {known}")


def _listed(keys: Keys) -> list[str]:
    return [keys] if isinstance(keys, str) else list(keys)


# --- the program -----------------------------------------------------------------------------


def program_of(parts: Parts, name: str, cache: Any = None) -> Program:
    """The program that the parts are. ``cache``: the policy of nodes without one of their own."""
    managed = {k: c for k, c in parts.channels.items() if is_managed_value(c)}
    channels = {k: c for k, c in parts.channels.items() if k not in managed}
    shown = list(channels) if parts.stream_channels is None else parts.stream_channels
    return Program(
        name=name,
        nodes={key: _node_of(key, node, managed, cache) for key, node in parts.nodes.items()},
        channels=channels,
        input_channels=_frozen(parts.input_channels),
        output_channels=_frozen(parts.output_channels),
        stream_channels=_frozen(shown),
        managed=managed,
    )


def _frozen(keys: Keys) -> str | tuple[str, ...]:
    return keys if isinstance(keys, str) else tuple(keys)


def _node_of(name: str, node: PregelNode, managed: Mapping[str, Any], cache: Any) -> Node:
    action = _action_of(name, node.bound)
    return Node(
        name=name,
        triggers=tuple(node.triggers),
        action=action,
        read=_reader(node.channels, managed),
        collect=_collector(node.writers),
        metadata=node.metadata or None,
        tags=tuple(node.tags),
        retry=tuple(node.retry_policy),
        cache=node.cache_policy or cache,
        timeout=timeout_of(node.timeout, action),
        subgraphs=tuple(
            graph for action in node.bound for graph in closure_graphs(action.original)
        ),
    )


def _reader(keys: str | list[str], managed: Mapping[str, Any]) -> Reader:
    if isinstance(keys, str):
        return _one_reader(keys)
    plain = tuple(k for k in keys if k not in managed)
    computed = {k: managed[k] for k in keys if k in managed}

    def read(state: ThreadState, position: Any) -> Any:
        present = state.read(plain)
        for key, value in computed.items():
            present[key] = value.get(position)
        return present

    return read


def _one_reader(key: str) -> Reader:
    def read(state: ThreadState, position: Any) -> Any:
        channel = state.channels[key]
        return channel.get() if channel.is_available() else NO_INPUT

    return read


def _collector(writers: Sequence[ChannelWriteEntry]) -> Callable[[Any], list[Write]]:
    def collect(result: Any) -> list[Write]:
        writes: list[Write] = []
        for channel, value, skip_none, mapper in writers:
            written = result if value is PASSTHROUGH else value
            if mapper is not None:
                written = mapper(written)
            if written is None and skip_none:
                continue
            if channel == TASKS:
                raise InvalidUpdateError("Cannot write to the reserved channel TASKS")
            writes.append((channel, written))
        return writes

    return collect


def _action_of(name: str, actions: Sequence[Action]) -> Action:
    """What a node does: nothing, one function, or several in a row."""
    if not actions:
        return Action(name, _unchanged)
    return replace(actions[0], name=name) if len(actions) == 1 else _sequence(name, actions)


def _unchanged(value: Any) -> Any:
    return value


def _sequence(name: str, actions: Sequence[Action]) -> Action:
    inject = tuple({key: None for action in actions for key in action.inject})

    def run(value: Any, **given: Any) -> Any:
        for action in actions:
            assert action.func is not None
            value = action.func(value, **_given_to(action, given))
        return value

    async def arun(value: Any, **given: Any) -> Any:
        import asyncio  # a sync program needs none of it

        for action in actions:
            own = _given_to(action, given)
            if action.afunc is not None:
                value = await action.afunc(value, **own)
            else:
                assert action.func is not None
                value = await asyncio.to_thread(action.func, value, **own)
        return value

    sync = run if all(action.func is not None for action in actions) else None
    asynchronous = arun if any(action.afunc is not None for action in actions) else None
    return Action(name, sync, asynchronous, inject)


def _given_to(action: Action, given: Mapping[str, Any]) -> dict[str, Any]:
    return {key: given[key] for key in action.inject if key in given}
