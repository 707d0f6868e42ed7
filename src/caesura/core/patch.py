"""The smallest change from one value to the next, and back.

A saved step holds patches, not values. A patch is one of four plain tuples:

    ("s", value)                      set: the whole new value
    ("l", start, deleted, items)      splice: a list that kept its other elements
    ("d", {key: patch}, [removed])    merge: a dict that kept its other entries
    ("g",)                            gone: the channel has no value any more

What "kept" means is decided by *identity*, which costs a pointer comparison an element and never
calls user code. Since a list or dict may be changed in place and written again, the engine compares
not with the old object but with its `shadow`, a copy of the containers taken when it was saved.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import is_
from typing import Any, Final

Patch = tuple[Any, ...]

GONE: Final[Patch] = ("g",)
_DEPTH: Final = 4
_MISSING: Final = object()


def shadow(value: Any, depth: int = _DEPTH) -> Any:
    """A copy of the list or nested dicts in ``value`` (elements shared), to compare with later."""
    kind = type(value)
    if kind is list:
        return value.copy()
    if kind is dict and depth:
        return {k: shadow(v, depth - 1) for k, v in value.items()}
    return value


def diff(old: Any, new: Any, depth: int = _DEPTH) -> Patch | None:
    """The patch from the shadow ``old`` to ``new``; None if nothing changed."""
    kind = type(new)
    if kind is list and type(old) is list:
        return _diff_list(old, new)
    if kind is dict and type(old) is dict and depth:
        return _diff_dict(old, new, depth)
    return None if old is new else ("s", new)


def _diff_list(old: Sequence[Any], new: Sequence[Any]) -> Patch | None:
    n_old, n_new = len(old), len(new)
    if n_new >= n_old and all(map(is_, old, new)):
        return None if n_new == n_old else ("l", n_old, 0, new[n_old:])
    shorter = min(n_old, n_new)
    start = 0
    while start < shorter and old[start] is new[start]:
        start += 1
    tail = 0
    while tail < shorter - start and old[n_old - 1 - tail] is new[n_new - 1 - tail]:
        tail += 1
    if start + tail == 0:
        return ("s", new)
    return ("l", start, n_old - start - tail, new[start : n_new - tail])


def _diff_dict(old: dict[Any, Any], new: dict[Any, Any], depth: int) -> Patch | None:
    changed: dict[Any, Patch] = {}
    for key, value in new.items():
        before = old.get(key, _MISSING)
        patch = ("s", value) if before is _MISSING else diff(before, value, depth - 1)
        if patch is not None:
            changed[key] = patch
    removed = [key for key in old if key not in new]
    if not changed and not removed:
        return None if list(old) == list(new) else ("s", new)
    if len(changed) == len(new) or not _order_kept(old, new):
        return ("s", new)
    return ("d", changed, removed)


def _order_kept(old: dict[Any, Any], new: dict[Any, Any]) -> bool:
    """True if applying a merge gives the keys in the order that ``new`` has."""
    return [k for k in old if k in new] + [k for k in new if k not in old] == list(new)


def apply(value: Any, patch: Sequence[Any], *, in_place: bool = False) -> Any:
    """``value`` after ``patch`` (not for `GONE`). ``in_place`` may change the lists and dicts of ``value``."""
    kind = patch[0]
    if kind == "s":
        return patch[1]
    if kind == "l":
        _, start, deleted, items = patch
        result = value if in_place else list(value)
        result[start : start + deleted] = items
        return result
    if kind == "d":
        merged = value if in_place else dict(value)
        for key, inner in patch[1].items():
            merged[key] = apply(merged.get(key), inner, in_place=in_place)
        for key in patch[2]:
            merged.pop(key, None)
        return merged
    raise ValueError(f"unknown patch kind {kind!r}")
