"""The rules of authorisation; pure.

What a handler returned becomes a verdict; filters are checked and matched; permissions of keys and
tokens are patterns of ``resource:action``; isolation gives every identity its own records.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from caesura.records.operations import NO_FILTERS, Filters

OWNER: Final = "owner"
"""The metadata key that isolation marks records with."""
_OPERATORS: Final = frozenset({"$eq", "$contains"})
_PATTERN: Final = re.compile(r"\*|(?:[a-z_]+|\*):(?:[a-z_]+|\*)")
_COVERED_BY_READ: Final = frozenset({"search", "get", "list_namespaces"})
_MAKES_RECORDS: Final = frozenset({"create", "create_run", "update"})


def filters_of(result: Any) -> Filters | None:
    """What a handler's result lets be seen: filters (none: everything), or None, refused.

    None and True allow, False refuses, a mapping filters. Raises TypeError or ValueError for others.
    """
    if result is None or result is True:
        return NO_FILTERS
    if result is False:
        return None
    if not isinstance(result, Mapping):
        raise TypeError(f"A handler returns None, a bool or a filter, not {type(result).__name__}")
    for key, wanted in result.items():
        _check_condition(key, wanted)
    return dict(result)


def _check_condition(key: Any, wanted: Any) -> None:
    if not isinstance(key, str):
        raise TypeError("The keys of a filter are texts")
    operators = {k for k in wanted if str(k).startswith("$")} if isinstance(wanted, Mapping) else ()
    if operators and not (set(wanted) <= _OPERATORS):
        raise ValueError(f"The filter on {key!r} has operators other than $eq and $contains")
    try:
        json.dumps(wanted)
    except (TypeError, ValueError):
        raise TypeError(f"The filter on {key!r} compares with what is not JSON") from None


def filter_matches(metadata: Mapping[str, Any], filters: Filters) -> bool:
    """True if ``metadata`` meets every condition: ``{k: v}``, ``{k: {"$eq": v}}`` or
    ``{k: {"$contains": v or [v …]}}`` (the value is a list that holds all of them)."""
    return all(k in metadata and _meets(metadata[k], wanted) for k, wanted in filters.items())


def _meets(value: Any, wanted: Any) -> bool:
    if not isinstance(wanted, Mapping) or not wanted.keys() & _OPERATORS:
        return _same(value, wanted)
    if "$eq" in wanted and not _same(value, wanted["$eq"]):
        return False
    return "$contains" not in wanted or _holds(value, wanted["$contains"])


def _holds(value: Any, wanted: Any) -> bool:
    if not isinstance(value, list | tuple):
        return False
    each = wanted if isinstance(wanted, list | tuple) else [wanted]
    return all(any(_same(v, w) for v in value) for w in each)


def _same(a: Any, b: Any) -> bool:
    """Equal as JSON: 1 is not true."""
    return json.dumps(a, sort_keys=True) == json.dumps(b, sort_keys=True)


def check_permission(pattern: str) -> None:
    """Raises ValueError unless ``pattern`` is ``*`` or ``resource:action``, each a name or ``*``."""
    if not _PATTERN.fullmatch(pattern):
        raise ValueError(
            f"{pattern!r} is no permission. Write resource:action, like threads:read, runs:create, "
            "store:*; or * for everything."
        )


def is_permitted(permissions: Iterable[str], resource: str, action: str) -> bool:
    """True if one of the patterns allows it.

    ``read`` also allows to search, and to get and list in the store; ``runs:create`` (and ``runs:*``) is
    ``threads:create_run`` under the name that people look for.
    """
    wanted = {(resource, action)}
    if action in _COVERED_BY_READ:
        wanted.add((resource, "read"))
    if (resource, action) == ("threads", "create_run"):
        wanted.add(("runs", "create"))
    return any(_covers(pattern, r, a) for pattern in permissions for r, a in wanted)


def _covers(pattern: str, resource: str, action: str) -> bool:
    if pattern == "*":
        return True
    r, _, a = pattern.partition(":")
    return r in ("*", resource) and a in ("*", action)


def isolate(
    identity: str, resource: str, action: str, value: Mapping[str, Any]
) -> tuple[dict[str, Any], Filters]:
    """One identity's own world → (the edits to make to ``value``, the filters that apply).

    Records carry ``owner`` in their metadata, whatever the caller wrote there; namespaces of the store
    begin with the identity.
    """
    if resource == "store":
        return {"namespace": _own_namespace(identity, value.get("namespace") or ())}, NO_FILTERS
    edits: dict[str, Any] = {}
    if action in _MAKES_RECORDS:
        edits["metadata"] = {**(value.get("metadata") or {}), OWNER: identity}
    return edits, {OWNER: identity}


def _own_namespace(identity: str, namespace: Iterable[str]) -> tuple[str, ...]:
    # Labels hold no full stop, and a star would stand for everybody when namespaces are listed.
    own = identity.replace("%", "%25").replace(".", "%2E").replace("*", "%2A")
    given = tuple(namespace)
    return given if given[:1] == (own,) else (own, *given)
