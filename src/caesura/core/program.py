"""What `graph` and `func` both compile to: flat tables that the loop walks.

A program is nodes and channels. A node runs when one of its trigger channels has a version that it has
not seen. What a node does is an `Action` (the function, and what is injected into it), then `collect`
(its result → writes), then its branches (more calls, more writes). Nothing here runs anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from caesura.channels.base import BaseChannel, ValueChannel
from caesura.channels.delta import DeltaChannel
from caesura.constants import PULL
from caesura.types import TimeoutPolicy

if TYPE_CHECKING:
    from caesura.core.state import ThreadState
    from caesura.managed.base import StepPosition

Write = tuple[str, Any]


class Fresh(Protocol):
    """The state as a step found it, with one task's own writes."""

    def read(self, keys: str | tuple[str, ...]) -> Any:
        """As `ThreadState.read`."""

    @property
    def position(self) -> StepPosition:
        """The step the task runs in."""


@dataclass(slots=True, eq=False)
class Action:
    """A function as the drivers call it.

    ``func`` and ``afunc``: the sync and async form, either may be missing. ``inject``: names of the
    keyword arguments the scope supplies. ``name`` is for messages.
    """

    name: str
    func: Callable[..., Any] | None
    afunc: Callable[..., Any] | None = None
    inject: tuple[str, ...] = ()
    original: Any = None
    defaults: Mapping[str, Any] = field(default_factory=dict)


class Branch(NamedTuple):
    """A conditional edge: ``path`` is called with fresh state, ``route`` turns its result into writes."""

    name: str
    action: Action
    read: Callable[[Fresh, Any], Any]
    """(the state, fresh; the node's own result) → what ``path`` is called with."""
    route: Callable[[Any], list[Write]]


@dataclass(slots=True, eq=False)
class Node:
    """One node of a program."""

    name: str
    triggers: tuple[str, ...]
    action: Action
    read: Callable[[ThreadState, Any], Any]
    """(state, step position) → the node's input; `NO_INPUT` if it has none."""
    collect: Callable[[Any], list[Write]]
    """The node's result → writes. Raises `InvalidUpdateError`, `ParentCommand`."""
    coerce: Callable[[Any], Any] | None = None
    """The value read → what the node is called with (schema instances). Not applied to ``Send``."""
    branches: tuple[Branch, ...] = ()
    metadata: Mapping[str, Any] | None = None
    tags: tuple[str, ...] = ()
    retry: tuple[Any, ...] = ()
    cache: Any = None
    """The `CachePolicy`, if results are to be used again."""
    subgraphs: tuple[Any, ...] = ()
    hidden: bool = False
    passes_on: bool = False
    """Its action returns what it is given: nobody need call it."""
    defer: bool = False
    timeout: TimeoutPolicy | None = None
    handler: str | None = None
    """The node that runs in its place once it has failed for good."""
    place: str = ""
    """Text that names the triggers in task ids."""
    path: tuple[str, str] = ("", "")
    """Of its tasks, where a trigger starts them."""

    def __post_init__(self) -> None:
        self.path = (PULL, self.name)
        self.place = "pull\x1f" + "\x1f".join(sorted(self.triggers))


class _NoInput:
    """Marks that a node has nothing to read."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "NO_INPUT"


NO_INPUT: Any = _NoInput()


@dataclass(slots=True, eq=False)
class Program:
    """Nodes, channels and the tables derived from them."""

    name: str
    nodes: dict[str, Node]
    channels: dict[str, BaseChannel[Any, Any, Any]]
    input_channels: str | tuple[str, ...]
    output_channels: str | tuple[str, ...]
    stream_channels: str | tuple[str, ...]
    managed: dict[str, Any] = field(default_factory=dict)
    functional: bool = False
    """An entrypoint: results are return values, there is no hidden start task."""
    listeners: dict[str, tuple[Node, ...]] = field(init=False)
    """Channel → the nodes it triggers, by name."""
    per_step: tuple[str, ...] = field(init=False)
    consuming: frozenset[str] = field(init=False)
    finishing: tuple[str, ...] = field(init=False)
    deltas: tuple[str, ...] = field(init=False)
    hidden: frozenset[str] = field(init=False)
    caches: bool = field(init=False)
    """Some node has a `CachePolicy`."""
    timed: bool = field(init=False)
    """Some node has a timeout."""
    shown: frozenset[str] = field(init=False)
    """The channels that make up the state."""
    holding: bool = field(init=False)
    """All of these hand out the very object that they hold, until an update says that it changed."""

    def __post_init__(self) -> None:
        listeners: dict[str, list[Node]] = {}
        for name in sorted(self.nodes):
            for trigger in self.nodes[name].triggers:
                listeners.setdefault(trigger, []).append(self.nodes[name])
        self.listeners = {channel: tuple(nodes) for channel, nodes in listeners.items()}
        self.per_step = tuple(n for n, c in self.channels.items() if c.per_step)
        self.consuming = frozenset(n for n, c in self.channels.items() if c.consumes)
        self.finishing = tuple(n for n, c in self.channels.items() if c.finishes)
        self.deltas = tuple(n for n, c in self.channels.items() if isinstance(c, DeltaChannel))
        self.hidden = frozenset(n for n, node in self.nodes.items() if node.hidden)
        self.caches = any(node.cache is not None for node in self.nodes.values())
        self.timed = any(node.timeout is not None for node in self.nodes.values())
        keys = self.stream_channels
        self.shown = frozenset((keys,) if isinstance(keys, str) else keys)
        self.holding = all(
            type(self.channels[name]).get is ValueChannel.get
            for name in self.shown & self.channels.keys()
        )
