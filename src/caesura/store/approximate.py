"""An approximate index, as a program asks for it in LangGraph's words (``ann_index_config``).

A store is exact unless it is asked for one. Only HNSW is made, and only by Postgres with pgvector: an IVFFlat
index of a table that was empty when it was made finds next to nothing, so for it, as for ``flat``, the search
stays exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from caesura.store.base import IndexConfig
from caesura.store.likeness import Distance

_KINDS: Final = ("hnsw", "ivfflat", "flat")
_LONGEST: Final = {"vector": 2_000, "halfvec": 4_000}
"""Numbers of the longest vector that an index of pgvector can hold, by how it holds them."""


@dataclass(frozen=True, slots=True)
class Hnsw:
    """A graph of neighbours for vectors of one length.

    ``held``: pgvector's type in the index, ``vector`` or ``halfvec`` (16 bits a number). ``m``: neighbours of
    each; ``ef_construction``: how many are looked at to find them.
    """

    distance: Distance
    dims: int
    held: str
    m: int
    ef_construction: int

    @property
    def name(self) -> str:
        """The name of the index in the database."""
        return f"store_pgvectors_hnsw_{self.distance}_{self.dims}_{self.held}"


def hnsw_of(config: IndexConfig, distance: Distance) -> Hnsw | None:
    """What ``config`` asks for; None if it is to be exact. Raises ValueError for what cannot be."""
    asked = config.get("ann_index_config") or {}
    kind, held = asked.get("kind", "flat"), asked.get("vector_type", "vector")
    dims = config.get("dims", 0)
    if kind not in _KINDS or held not in _LONGEST:
        raise _wrong(f"kind is one of {', '.join(_KINDS)}, vector_type vector or halfvec", asked)
    if kind != "hnsw":
        return None
    if not 0 < dims <= _LONGEST[held]:
        raise _wrong(f"an index of {held} needs dims from 1 to {_LONGEST[held]}, not {dims}", asked)
    m = _number(asked, "m", 16, range(2, 101))
    return Hnsw(distance, dims, held, m, _number(asked, "ef_construction", 64, range(2 * m, 1001)))


def _number(asked: Any, name: str, default: int, allowed: range) -> int:
    number = asked.get(name, max(default, allowed.start))
    if type(number) is not int or number not in allowed:
        raise _wrong(f"{name} is from {allowed.start} to {allowed.stop - 1}", asked)
    return number


def _wrong(what: str, asked: Any) -> ValueError:
    return ValueError(f"ann_index_config: {what} ({dict(asked)}). Nothing was done.")
