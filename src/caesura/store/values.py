"""Values of items as JSON text, for stores that outlive the process.

Refused is what would come back as something else: objects, NaN, keys that are no text. (Tuples come
back as lists.) A value may nest no deeper than databases read.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, cast

_DEEPEST: Final = 500


def to_text(value: Mapping[str, Any]) -> str:
    """``value`` as JSON. Raises TypeError or ValueError if it cannot be."""
    try:
        text = json.dumps(dict(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(_refused(str(error))) from error
    _check(value)
    return text


def from_text(text: str) -> dict[str, Any]:
    """What `to_text` made a text of."""
    return cast(dict[str, Any], json.loads(text))


def _refused(why: str) -> str:
    return (
        f"The value of an item must be JSON, because it is stored in a file: {why}. Nothing was "
        "stored; put plain data, such as `model.model_dump(mode='json')`."
    )


def _check(value: Mapping[str, Any]) -> None:
    level: list[Any] = [value]
    for _ in range(_DEEPEST):
        level = list(_inside(level))
        if not level:
            return
    raise ValueError(_refused(f"it nests more than {_DEEPEST} levels deep"))


def _inside(level: Iterable[Any]) -> Iterator[Any]:
    """The mappings and lists in those of ``level``."""
    for part in level:
        if isinstance(part, Mapping):
            for key in part:
                if not isinstance(key, str):
                    raise TypeError(_refused(f"a key is {key!r}, which is no text"))
            part = part.values()
        yield from (inner for inner in part if isinstance(inner, Mapping | list | tuple))
