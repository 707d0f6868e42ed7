"""Results of earlier runs for tasks with a `CachePolicy`: what is looked up, under which key, and kept.

Both drivers come here, for nodes and for ``@task`` calls alike; only who calls the cache differs. A
cache never fails a run: what it raises becomes a `CacheWarning`, and the task is run. What raises is
the program's own ``key_func``.

A result that a person's answer went into is not kept (`Task.personal`): an answer given in one
thread must not answer for another.
"""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from caesura.constants import CACHE_NS, CACHE_NS_ANY, PUSH
from caesura.core.ids import hash_hex
from caesura.core.program import Action, Node, Write
from caesura.core.state import Task
from caesura.types import CachePolicy
from caesura.warnings import CacheWarning

if TYPE_CHECKING:
    from caesura.cache.base import FullKey, Namespace


class TaskCache:
    """A graph's cache, while it runs."""

    __slots__ = ("_keys", "cache")

    def __init__(self, cache: Any) -> None:
        self.cache = cache
        self._keys: dict[str, FullKey] = {}
        """Task id → where its result is kept."""

    # --- looking up -----------------------------------------------------------------------------

    def recall(self, tasks: Sequence[Task]) -> list[list[Write] | None]:
        """What each task wrote when it was run with the same input; None if that is not known."""
        wanted = self._wanted(tasks)
        return self._known(tasks, _tried(self.cache.get, wanted) if wanted else None)

    async def arecall(self, tasks: Sequence[Task]) -> list[list[Write] | None]:
        """`recall` by the cache's async methods."""
        wanted = self._wanted(tasks)
        return self._known(tasks, await _atried(self.cache.aget, wanted) if wanted else None)

    def _wanted(self, tasks: Sequence[Task]) -> list[FullKey]:
        for task in tasks:
            node = task.node
            if node is not None and node.cache is not None and not (task.personal or task.loose):
                key = _key_of(task, node)
                if key is not None:
                    self._keys[task.id] = key
        found = (self._keys.get(task.id) for task in tasks)
        return list(dict.fromkeys(key for key in found if key is not None))

    def _known(
        self, tasks: Sequence[Task], found: dict[FullKey, Any] | None
    ) -> list[list[Write] | None]:
        known: list[list[Write] | None] = [None] * len(tasks)
        for place, task in enumerate(tasks):
            key = self._keys.get(task.id)
            if found and key in found:
                known[place] = _writes(found[key])
                del self._keys[task.id]
        return known

    # --- keeping --------------------------------------------------------------------------------

    def keep(self, task: Task) -> None:
        """Keep what a finished task wrote."""
        pairs = self._pairs(task)
        if pairs:
            _tried(self.cache.set, pairs)

    async def akeep(self, task: Task) -> None:
        """`keep` by the cache's async methods."""
        pairs = self._pairs(task)
        if pairs:
            await _atried(self.cache.aset, pairs)

    def _pairs(self, task: Task) -> dict[FullKey, tuple[Any, int | None]]:
        key = self._keys.pop(task.id, None)
        if key is None or task.personal or task.node is None:
            return {}
        return {key: ([list(write) for write in task.writes or ()], task.node.cache.ttl)}


def _writes(value: Any) -> list[Write] | None:
    """What a cache gave as the writes of a task; None if it is something else."""
    if not isinstance(value, (list, tuple)):
        return None
    pairs = [tuple(item) for item in value if isinstance(item, (list, tuple)) and len(item) == 2]
    return pairs if len(pairs) == len(value) else None


def _tried(call: Callable[[Any], Any], given: Any) -> Any:
    try:
        return call(given)
    except Exception as error:
        _warn(error)


async def _atried(call: Callable[[Any], Awaitable[Any]], given: Any) -> Any:
    try:
        return await call(given)
    except Exception as error:
        _warn(error)


def _warn(error: Exception) -> None:
    warnings.warn(
        f"The cache failed and was passed over: {type(error).__name__}: {error}",
        CacheWarning,
        stacklevel=4,
    )


# --- keys -------------------------------------------------------------------------------------


def _key_of(task: Task, node: Node) -> FullKey | None:
    """None: the input does not fit the node, as running it will say."""
    policy: CachePolicy = node.cache
    if task.args is not None:
        key = policy.key_func(*task.args[0], **task.args[1])
        return call_namespace(node.action), _key_text(key)
    value = task.input
    if node.coerce is not None and task.path[0] != PUSH:
        try:
            value = node.coerce(value)
        except Exception:
            return None
    return node_namespace(node), _key_text(policy.key_func(value))


def _key_text(key: Any) -> str:
    if isinstance(key, str):
        return hash_hex(key)
    if isinstance(key, (bytes, bytearray)):
        return hash_hex(bytes(key).decode("latin-1"))
    raise TypeError(
        f"The key_func of a CachePolicy returned {type(key).__name__}, but a key is text or bytes."
    )


def node_namespace(node: Node) -> Namespace:
    """Where a node's results are kept: by its function and its name."""
    return (CACHE_NS, _identity(node.action.original), node.name)


def call_namespace(action: Action) -> Namespace:
    """Where the results of an ``@task`` function are kept: by the function alone."""
    return (CACHE_NS, _identity(action.original))


def namespaces_of(nodes: Mapping[str, Node], names: Iterable[str] | None) -> list[Namespace]:
    """Those of the nodes called ``names``; None: of all."""
    wanted = set(names) if names else nodes.keys()
    return [node_namespace(node) for name, node in nodes.items() if name in wanted]


def _identity(function: Any) -> str:
    """A text that is the same in every process for the same function, and differs for others."""
    if isinstance(function, functools.partial):
        given = [*function.args, *(item for pair in function.keywords.items() for item in pair)]
        return f"{_identity(function.func)}({hash_hex(repr([_value(v) for v in given]))})"
    program = getattr(function, "program", None)
    if program is not None:
        inner = [(n, _identity(node.action.original)) for n, node in program.nodes.items()]
        return f"{CACHE_NS_ANY}.{program.name}.{hash_hex(repr(sorted(inner)))}"
    named = inspect.unwrap(function) if callable(function) else function
    if not hasattr(named, "__qualname__"):
        named = type(named)
    return f"{named.__module__}.{named.__qualname__}"


def _value(value: Any) -> str:
    """What a partial was given: the value if it can be written down, else what kind it is of."""
    from caesura.errors import SerializationError
    from caesura.types import default_cache_key

    try:
        return default_cache_key(value)
    except SerializationError:
        return _identity(value)
