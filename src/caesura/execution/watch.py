"""What a running timeout is told: that its task made progress, or gave a sign of life."""

from __future__ import annotations

from collections.abc import Callable


class Watch:
    """One attempt of a task with a timeout. May be called from any thread.

    ``last``: when it was last told, as ``now`` counts. ``above``: the watch around this one; what
    goes on in here is progress there, too.
    """

    __slots__ = ("_auto", "_now", "above", "last")

    def __init__(self, now: Callable[[], float], above: Watch | None, *, auto: bool) -> None:
        self._now = now
        self._auto = auto
        self.above = above
        self.last = now()

    def progress(self) -> None:
        """An event of the task, or of something inside it."""
        if self._auto:
            self.last = self._now()
        if self.above is not None:
            self.above.progress()

    def beat(self) -> None:
        """``runtime.heartbeat()``: the task says that it is alive."""
        self.last = self._now()
        if self.above is not None:
            self.above.beat()
