"""How like two vectors are: the cosine of the angle between them, 1.0 for the same direction.

Numpy is used where it is installed. What has no direction, a vector of zeros, is like nothing: 0.0.
Stores in a file keep vectors as `packed` does: of length 1, as 32-bit floats, one after another, so
that a likeness is one product of a row with the query.
"""

from __future__ import annotations

import math
import sys
from array import array
from collections.abc import Iterable, Sequence
from operator import mul
from typing import NamedTuple, TypeVar, cast

T = TypeVar("T")


class Vector(NamedTuple):
    """Numbers and their norm."""

    numbers: array[float]
    norm: float


def vector(numbers: Sequence[float]) -> Vector:
    """What an embedding returned, with its norm."""
    kept = array("d", numbers)
    return Vector(kept, math.sqrt(sum(map(mul, kept, kept))))


def cosines(query: Vector, vectors: Sequence[Vector]) -> list[float]:
    """The likeness of each of ``vectors`` to ``query``. Raises ValueError if lengths differ."""
    size = len(query.numbers)
    for row in vectors:
        require_length(size, len(row.numbers))
    products = _products(query.numbers, [row.numbers for row in vectors])
    return [
        product / (query.norm * row.norm) if query.norm and row.norm else 0.0
        for product, row in zip(products, vectors, strict=True)
    ]


def most_alike_first(scored: Iterable[tuple[float | None, T]]) -> list[tuple[float | None, T]]:
    """By likeness; what has none comes last. Equals stay in their order."""
    return sorted(scored, key=_rank, reverse=True)


def _rank(scored: tuple[float | None, object]) -> float:
    return -math.inf if scored[0] is None else scored[0]


def require_length(query: int, stored: int) -> None:
    """Raise ValueError if a stored vector has not the length of the query's."""
    if stored != query:
        raise ValueError(
            f"The query was embedded as {query} numbers, a stored text as {stored}: all vectors of "
            "a store have one length"
        )


def _products(query: array[float], rows: list[array[float]]) -> Iterable[float]:
    try:
        import numpy as np
    except ImportError:
        return (sum(map(mul, query, row)) for row in rows)
    if not rows:
        return ()
    matrix = np.stack([np.frombuffer(row) for row in rows])
    return cast(list[float], (matrix @ np.frombuffer(query)).tolist())


# --- packed vectors --------------------------------------------------------------------------


def packed(vectors: Iterable[Vector]) -> bytes:
    """Vectors as little-endian 32-bit floats, each of length 1 (or 0)."""
    return b"".join(_floats(unit(row)).tobytes() for row in vectors)


def unit(row: Vector) -> array[float]:
    """The vector of length 1 in the same direction."""
    norm = row.norm or 1.0
    return array("d", (number / norm for number in row.numbers))


def best_cosines(query: array[float], rows: Sequence[bytes]) -> list[float]:
    """For each of ``rows``, packed vectors of the query's length, the best likeness among them.

    ``query`` has length 1 or 0.
    """
    if not query:
        return [0.0] * len(rows)
    likeness = _packed_products(query, b"".join(rows))
    if len(likeness) == len(rows):
        return likeness
    best, start = [], 0
    for row in rows:
        end = start + len(row) // (4 * len(query))
        best.append(max(likeness[start:end]))
        start = end
    return best


def _packed_products(query: array[float], rows: bytes) -> list[float]:
    size = len(query)
    try:
        import numpy as np
    except ImportError:
        numbers = _floats(rows)
        starts = range(0, len(numbers), size)
        return [sum(map(mul, query, numbers[start : start + size])) for start in starts]
    matrix = np.frombuffer(rows, "<f4").reshape(-1, size)
    return cast(list[float], (matrix @ np.array(query, "<f4")).tolist())


def _floats(content: bytes | Iterable[float]) -> array[float]:
    made = array("f", content)
    if sys.byteorder == "big":
        made.byteswap()
    return made
