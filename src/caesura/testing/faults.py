"""A saver that fails where it is told to: for tests of programs and of savers.

`FailingSaver` stands before another saver and counts the operations that go through it. The one with
number ``fail_at`` raises `InjectedFailureError`, either instead of being performed or after it was:
both happen to real databases, and a caller cannot tell which. With ``for_good`` every later
operation fails too, unperformed, as if the process had died there.

A test runs its program with ``fail_at`` 1, 2, 3 … until `FailingSaver.failed` stays False, each time
goes on with the inner saver alone, and compares the results::

    for n in itertools.count(1):
        inner = InMemorySaver()
        failing = FailingSaver(inner, fail_at=n, after=True)
        with contextlib.suppress(InjectedFailureError):
            program(failing)
        assert program(inner) == expected
        if not failing.failed:
            break
"""

from __future__ import annotations

import threading
from collections.abc import Collection
from typing import Any, Self

from caesura.checkpoint.saver import EngineSaver
from caesura.errors import StorageError

__all__ = ["FailingSaver", "InjectedFailureError"]


class InjectedFailureError(StorageError):
    """The failure a `FailingSaver` was asked for. Whether the operation took effect is not told."""


class FailingSaver(EngineSaver):
    """A saver that performs operations with another one, and fails at the n-th.

    All operations of `caesura.checkpoint.operations` count, reading ones too, in the order in which
    they are handed in, from whatever thread. Reading a `History` counts once, when it is asked for.
    LangGraph's methods (``put``, ``get_tuple`` …) are made of these operations and count as such.

    Args:
        inner: a saver of ours; it may be shared with other wrappers.
        fail_at: number of the operation to fail, from 1; None: none fails.
        after: fail after the operation took effect instead of before.
        for_good: fail every later operation too, before it takes effect.
    """

    def __init__(
        self,
        inner: EngineSaver,
        fail_at: int | None = None,
        *,
        after: bool = False,
        for_good: bool = False,
    ) -> None:
        super().__init__(serde=inner.serde)
        self.inner = inner
        self.fail_at = fail_at
        self.after = after
        self.for_good = for_good
        self.count = 0
        """Operations handed in so far."""
        self.failed: Any = None
        """The operation that failed first; None while none did."""
        self.performed: list[Any] = []
        """Operations that took effect, in order; those that were refused are not among them."""
        self._lock = threading.Lock()

    def with_allowlist(self, extra_allowlist: Collection[type | tuple[str, ...]]) -> Self:
        """Itself, whose inner saver may also build the named classes: what is counted stays one count."""
        self.inner = self.inner.with_allowlist(extra_allowlist)
        return self

    def execute(self, op: Any) -> Any:
        """Perform one operation, or fail. Raises `InjectedFailureError` where it was asked for."""
        due = self._count(op)
        if due and not self._is_after(op):
            raise self._failure(op)
        result = self.inner.execute(op)
        self.performed.append(op)
        if due:
            raise self._failure(op)
        return result

    async def aexecute(self, op: Any) -> Any:
        """`execute` for async programs."""
        due = self._count(op)
        if due and not self._is_after(op):
            raise self._failure(op)
        result = await self.inner.aexecute(op)
        self.performed.append(op)
        if due:
            raise self._failure(op)
        return result

    def _count(self, op: Any) -> bool:
        """Count an operation; True if it is to fail."""
        with self._lock:
            self.count += 1
            if self.failed is not None:
                return self.for_good
            if self.count != self.fail_at:
                return False
            self.failed = op
            return True

    def _is_after(self, op: Any) -> bool:
        return self.after and op is self.failed

    def _failure(self, op: Any) -> InjectedFailureError:
        when = "after" if self._is_after(op) else "before"
        return InjectedFailureError(
            f"Asked to fail at operation {self.fail_at}, {when} it took effect: "
            f"{type(op).__name__}."
        )
