"""One run, driven for a host: the items of its stream as they come, and how it ended.

`invoke` and `stream` return values or raise; a host that serves runs to others, such as the server,
needs both the stream and the end: whether the program is done or waits, for what, and its output.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from caesura.execution.context import Frame
from caesura.pregel.compiled import Pregel
from caesura.pregel.opening import Ask, open_frame
from caesura.streaming.modes import Stream
from caesura.types import Interrupt


@dataclass(slots=True, frozen=True)
class Finished:
    """The last item of `drive`: how the run ended."""

    kind: Literal["done", "paused", "before", "after"]
    values: Any
    """The output, as ``invoke`` returns it, but without ``__interrupt__``."""
    interrupts: tuple[Interrupt, ...]


async def drive(
    graph: Pregel, ask: Ask, modes: Sequence[str], *, subgraphs: bool = False
) -> AsyncGenerator[tuple[tuple[str, ...], str, Any] | Finished, None]:
    """Run ``graph``; yields ``(namespace, mode, payload)`` for each event of ``modes``, and last a
    `Finished`. Raises what the program raises. Closing it stops the run, and what is done is stored."""
    stream = Stream(modes, subgraphs=subgraphs) if modes else None
    if stream is not None:
        stream.tagged, stream.placed = True, True
    frame = open_frame(graph, ask, stream, graph._async_driver(stream))
    if stream is not None and stream.live:
        stream.notify = frame.driver.notify
    steps = frame.driver.drive(frame)
    chunks: Any = () if stream is None else stream.chunks
    outcome: Any = None
    failure: BaseException | None = None
    try:
        while True:
            try:
                outcome = await anext(steps)
            except StopAsyncIteration:
                break
            except Exception as error:
                failure = error
                break
            while chunks:
                yield chunks.popleft()
        while chunks:
            yield chunks.popleft()
        if failure is not None:
            raise failure
        yield _finished(graph, frame, outcome)
    finally:
        await steps.aclose()


def _finished(graph: Pregel, frame: Frame, outcome: Any) -> Finished:
    state = frame.turn.state
    values = state.read(graph.program.output_channels)
    if not frame.turn.shown_values and outcome.kind != "paused":
        values = None
    return Finished(outcome.kind, values, outcome.interrupts)
