"""Payloads as canonical JSON: their digest, and where two of them differ.

Dataclasses and models count as their fields, sets are sorted, and nothing enters that changes from
one process to the next. So two payloads have one digest exactly if a person was shown the same.
"""

from __future__ import annotations

import base64
import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from datetime import date, time
from enum import Enum
from typing import Any, Final

from caesura.errors import SerializationError

__all__ = ["Path", "differing_paths", "digest_of", "plain_json", "pointer_to"]

Path = tuple[str | int, ...]
"""Keys and indices that lead into a JSON value."""


def digest_of(value: Any, volatile: Iterable[str] = ()) -> str:
    """SHA-256 (64 hex characters) of the canonical JSON of ``value``.

    ``volatile`` names, as JSON pointers, parts that do not count. Equal payloads give equal digests
    in every process. Raises SerializationError if ``value`` contains itself.
    """
    from hashlib import sha256  # brings OpenSSL along

    pointers = tuple(volatile)
    try:
        text = _canonical(_without(plain_json(value), pointers) if pointers else value)
    except (TypeError, ValueError, RecursionError):
        text = _canonical(_without(plain_json(value), pointers))
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def differing_paths(a: Any, b: Any, volatile: Iterable[str] = ()) -> list[str]:
    """JSON pointers, sorted, of the parts in which two payloads differ; ``""`` is the whole."""
    pointers = tuple(volatile)
    left, right = (_without(plain_json(value), pointers) for value in (a, b))
    return sorted(pointer_to(path) for path in _differences(left, right, ()))


def plain_json(value: Any) -> Any:
    """``value`` as plain JSON data, a copy. Raises SerializationError if it contains itself."""
    try:
        return _tree(value)
    except RecursionError:
        raise SerializationError("The value contains itself or is nested too deeply") from None


def _tree(value: Any) -> Any:
    if isinstance(value, Enum):
        return _tree(value.value)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Mapping):
        return {_key(key): _tree(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_tree(item) for item in value]
    return _tree(_plain(value))


def _key(key: Any) -> str:
    """A dict key as the C encoder of `json` writes it; for other kinds, its canonical JSON."""
    if isinstance(key, str):
        return str(key.value) if isinstance(key, Enum) else key
    if isinstance(key, float):
        return float.__repr__(key)
    return _canonical(_tree(key))


def _plain(value: Any) -> Any:
    """One object as something nearer to JSON; its parts may still be objects."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, type):
        return value.__qualname__  # no module: it is `__main__` in one process and not in another
    dump = getattr(value, "model_dump", None)
    if dump is not None:
        return dump(mode="json", by_alias=True)
    if dataclasses.is_dataclass(value):
        return {f.name: getattr(value, f.name, None) for f in dataclasses.fields(value)}
    if isinstance(value, Set):
        return sorted((_tree(item) for item in value), key=_canonical)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(value).decode()
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, BaseException):
        return [type(value).__qualname__, *value.args]
    return _plain_of_unknown(value)


_TEXTUAL: Final = frozenset({"decimal", "uuid", "pathlib", "ipaddress", "datetime", "zoneinfo"})


def _plain_of_unknown(value: Any) -> Any:
    kind = type(value)
    if hasattr(value, "__qualname__"):
        return value.__qualname__
    if any(base.__module__.partition(".")[0] in _TEXTUAL for base in kind.__mro__):
        return str(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, Iterable) and hasattr(value, "__len__"):
        return list(value)
    slots = [n for base in kind.__mro__ for n in _slots(base)]
    names = sorted({*slots, *getattr(value, "__dict__", ())})
    fields = {n: getattr(value, n) for n in names if not n.startswith("_") and hasattr(value, n)}
    return {"$type": kind.__qualname__, **fields}


def _slots(cls: type) -> Iterable[str]:
    slots = getattr(cls, "__slots__", ())
    return (slots,) if isinstance(slots, str) else slots


_canonical: Final = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_plain
).encode


def _without(tree: Any, pointers: Iterable[str]) -> Any:
    """``tree`` less what the pointers name. The tree is ours, so it is cut in place."""
    for pointer in pointers:
        steps = [s.replace("~1", "/").replace("~0", "~") for s in pointer.split("/")[1:]]
        tree = _cut(tree, steps)
    return tree


def _cut(tree: Any, steps: Sequence[str]) -> Any:
    if not steps:
        return None
    inner = tree
    for step in steps[:-1]:
        inner = _child(inner, step)
    last = steps[-1]
    if isinstance(inner, dict):
        inner.pop(last, None)
    elif isinstance(inner, list) and last.isdigit() and int(last) < len(inner):
        inner[int(last)] = None  # positions of the others stay
    return tree


def _child(tree: Any, step: str) -> Any:
    if isinstance(tree, dict):
        return tree.get(step)
    if isinstance(tree, list) and step.isdigit() and int(step) < len(tree):
        return tree[int(step)]
    return None


def _differences(a: Any, b: Any, path: Path) -> Iterator[Path]:
    if isinstance(a, dict) and isinstance(b, dict):
        for key in a.keys() | b.keys():
            if key in a and key in b:
                yield from _differences(a[key], b[key], (*path, key))
            else:
                yield (*path, key)
    elif isinstance(a, list) and isinstance(b, list):
        for i in range(max(len(a), len(b))):
            if i < len(a) and i < len(b):
                yield from _differences(a[i], b[i], (*path, i))
            else:
                yield (*path, i)
    elif _canonical(a) != _canonical(b):
        yield path


def pointer_to(path: Iterable[Any]) -> str:
    """The JSON pointer (RFC 6901) that leads along ``path``; ``""`` for none."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)
