"""`StreamChannel`: items for one consumer, who makes the run go on by asking for the next."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from itertools import tee
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class StreamChannel(Generic[T]):
    """A projection of a run, iterated by one consumer (``for``, or ``async for`` in async runs).

    Items that are pushed before anybody iterates are not kept. With a ``name``, what is pushed is
    also an event of the run, with the method ``custom:<name>``.
    """

    def __init__(self, name: str | None = None, *, maxlen: int | None = None) -> None:
        """``maxlen``: how many items a consumer expects to be ahead of it; nothing is dropped for it."""
        if maxlen is not None and maxlen < 1:
            raise ValueError("StreamChannel maxlen must be a positive int or None")
        self.name = name
        self._items: deque[T] = deque()
        self._closed = False
        self._error: BaseException | None = None
        self._is_async: bool | None = None
        self._subscribed = False
        self._request_more: Callable[[], bool] | None = None
        self._arequest_more: Callable[[], Awaitable[bool]] | None = None
        self._wire_fn: Callable[[T], None] | None = None
        self._diverted: Callable[[T], None] | None = None

    # --- the producer's side -----------------------------------------------------------------

    def push(self, item: T) -> None:
        """Add an item. Raises RuntimeError if the channel is closed."""
        if self._closed:
            raise RuntimeError("Cannot push to a closed StreamChannel")
        if self._diverted is not None:
            self._diverted(item)
        elif self._subscribed:
            self._items.append(item)
        if self._wire_fn is not None:
            self._wire_fn(item)

    def close(self) -> None:
        """Nothing more comes."""
        self._closed = True

    def fail(self, err: BaseException) -> None:
        """Nothing more comes: the consumer gets ``err`` after the items that are left."""
        if not self._closed:
            self._closed, self._error = True, err

    def _bind(self, *, is_async: bool) -> None:
        self._is_async = is_async

    def _wire(self, fn: Callable[[T], None]) -> None:
        self._wire_fn = fn

    # --- the consumer's side -----------------------------------------------------------------

    def __iter__(self) -> Iterator[T]:
        """The items. Raises RuntimeError for a second consumer, and what the run raises."""
        self._subscribe(is_async=False)
        return self._sync_cursor()

    def __aiter__(self) -> AsyncIterator[T]:
        """The items, in async runs; see `__iter__`."""
        self._subscribe(is_async=True)
        return self._async_cursor()

    def tee(self, n: int = 2) -> tuple[Iterator[T], ...]:
        """``n`` iterators over the same items."""
        _check_count(n)
        return tee(iter(self), n)

    def atee(self, n: int = 2) -> tuple[AsyncIterator[T], ...]:
        """``n`` iterators over the same items, in async runs."""
        _check_count(n)
        source = aiter(self)
        waiting: list[deque[T]] = [deque() for _ in range(n)]
        return tuple(_branch(source, waiting, own) for own in waiting)

    def _divert(self, fn: Callable[[T], None]) -> None:
        """Have one consumer of several channels: items go to ``fn``."""
        if not self._closed:
            self._subscribe(is_async=False)
            self._diverted = fn

    def _subscribe(self, *, is_async: bool) -> None:
        if self._is_async is None:
            raise TypeError(
                "StreamChannel has not been bound yet. Register the transformer with a "
                "StreamMux first."
            )
        if self._is_async is not is_async:
            mode, use = ("async", "async for") if self._is_async else ("sync", "for")
            raise TypeError(f"This StreamChannel is bound to {mode} mode — use '{use}' instead.")
        if self._subscribed:
            tee = ".atee(n)" if is_async else ".tee(n)"
            raise RuntimeError(f"StreamChannel already has a subscriber; use {tee} for fan-out.")
        self._subscribed = True

    def _sync_cursor(self) -> Iterator[T]:
        while True:
            while self._items:
                yield self._items.popleft()
            if self._ended() or self._request_more is None or not self._request_more():
                if self._items:
                    continue
                self._ended()
                return

    async def _async_cursor(self) -> AsyncIterator[T]:
        while True:
            while self._items:
                yield self._items.popleft()
            if self._ended() or self._arequest_more is None or not await self._arequest_more():
                if self._items:
                    continue
                self._ended()
                return

    def _ended(self) -> bool:
        if self._closed and self._error is not None:
            raise self._error
        return self._closed


async def _branch(
    source: AsyncIterator[T], waiting: list[deque[T]], own: deque[T]
) -> AsyncIterator[T]:
    while True:
        if not own:
            try:
                item = await anext(source)
            except StopAsyncIteration:
                return
            for each in waiting:
                each.append(item)
        yield own.popleft()


def _check_count(n: Any) -> None:
    if n < 1:
        raise ValueError("tee() requires n >= 1")
