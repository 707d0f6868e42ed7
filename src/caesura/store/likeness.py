"""How like two vectors are: by default the cosine of the angle between them, 1.0 for the same direction.

Numpy is used where it is installed. What has no direction, a vector of zeros, is like nothing: 0.0.
Stores in a database keep vectors as `packed` does: as 32-bit floats, one after another, for the cosine
of length 1, so that a likeness is one product of a row with the query. The other measures need the
vectors as they came: the inner product, and the distance, which is less than nothing, so that in all
three what is more alike has the larger number.
"""

from __future__ import annotations

import math
import sys
from array import array
from collections.abc import Iterable, Sequence
from operator import mul
from typing import Final, Literal, NamedTuple, TypeVar, cast, get_args

Distance = Literal["cosine", "l2", "inner_product"]
"""How two vectors are compared, by LangGraph's names."""

DISTANCES: Final = get_args(Distance)

T = TypeVar("T")


class Vector(NamedTuple):
    """Numbers and their norm."""

    numbers: array[float]
    norm: float


def vector(numbers: Sequence[float]) -> Vector:
    """What an embedding returned, with its norm."""
    kept = array("d", numbers)
    return Vector(kept, math.sqrt(sum(map(mul, kept, kept))))


def likenesses(query: Vector, vectors: Sequence[Vector], distance: Distance) -> list[float]:
    """The likeness of each of ``vectors`` to ``query``. Raises ValueError if lengths differ."""
    size = len(query.numbers)
    for row in vectors:
        require_length(size, len(row.numbers))
    if distance == "l2":
        return [-math.dist(query.numbers, row.numbers) for row in vectors]
    products = _products(query.numbers, [row.numbers for row in vectors])
    if distance == "inner_product":
        return list(products)
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


def packed(vectors: Iterable[Vector], distance: Distance) -> bytes:
    """Vectors as little-endian 32-bit floats, as they are compared."""
    return b"".join(_floats(compared(row, distance)).tobytes() for row in vectors)


def unpacked(vectors: bytes, dims: int) -> list[array[float]]:
    """The vectors that were packed, each of ``dims`` 32-bit floats."""
    numbers = _floats(vectors)
    return [numbers[start : start + dims] for start in range(0, len(numbers), dims)]


def compared(row: Vector, distance: Distance) -> array[float]:
    """The numbers that are compared: for the cosine those of length 1 (or 0) in the same direction."""
    if distance != "cosine":
        return row.numbers
    norm = row.norm or 1.0
    return array("d", (number / norm for number in row.numbers))


def best_likenesses(query: array[float], rows: Sequence[bytes], distance: Distance) -> list[float]:
    """For each of ``rows``, packed vectors of the query's length, the best likeness among them.

    ``query`` is as `compared` gives it.
    """
    if not query:
        return [0.0] * len(rows)
    likeness = _packed_likenesses(query, b"".join(rows), distance)
    if len(likeness) == len(rows):
        return likeness
    best, start = [], 0
    for row in rows:
        end = start + len(row) // (4 * len(query))
        best.append(max(likeness[start:end]))
        start = end
    return best


def _packed_likenesses(query: array[float], rows: bytes, distance: Distance) -> list[float]:
    try:
        import numpy as np
    except ImportError:
        return [_likeness(query, row, distance) for row in unpacked(rows, len(query))]
    matrix, numbers = np.frombuffer(rows, "<f4").reshape(-1, len(query)), np.array(query, "<f4")
    if distance == "l2":
        return cast(list[float], (-np.linalg.norm(matrix - numbers, axis=1)).tolist())
    return cast(list[float], (matrix @ numbers).tolist())


def _likeness(query: array[float], row: array[float], distance: Distance) -> float:
    return -math.dist(query, row) if distance == "l2" else sum(map(mul, query, row))


def _floats(content: bytes | Iterable[float]) -> array[float]:
    made = array("f", content)
    if sys.byteorder == "big":
        made.byteswap()
    return made
