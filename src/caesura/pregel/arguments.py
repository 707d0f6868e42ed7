"""What runs can be told by keyword, for type checkers. Never imported when a program runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, Literal, TypedDict

from caesura.runtime import RunControl
from caesura.types import All, Durability, StreamMode
from caesura.typing import RunContextT

Modes = StreamMode | Sequence[StreamMode]
Version = Literal["v1", "v2"]


class RunArguments(TypedDict, Generic[RunContextT], total=False):
    """Of ``invoke`` and ``stream``, sync and async."""

    context: RunContextT | None
    print_mode: Modes
    output_keys: str | Sequence[str] | None
    interrupt_before: All | Sequence[str] | None
    interrupt_after: All | Sequence[str] | None
    durability: Durability | None
    control: RunControl | None
    checkpoint_during: bool | None


class StreamArguments(RunArguments[RunContextT], total=False):
    """Of ``stream`` and ``astream`` alone."""

    subgraphs: bool
    debug: bool | None
