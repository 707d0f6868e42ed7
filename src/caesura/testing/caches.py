"""What every cache must do, as a suite that anybody's cache can run.

A plain class of tests. With pytest, subclass it and say how to make the cache, and how to let time
pass for it::

    class TestMyCache(CacheContract):
        @pytest.fixture
        def clock(self):
            return HeldClock()

        @pytest.fixture(params=[SyncCalls, AsyncCalls])
        def calls(self, request, clock):
            with closing(request.param(MyCache(clock=clock.time))) as calls:
                yield calls

        @pytest.fixture
        def later(self, clock):
            return clock.pass_by

`Calls` and its two colours are those of `caesura.testing.savers`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from caesura.cache.base import FullKey
from caesura.errors import SerializationError
from caesura.testing.calling import AsyncCalls, Calls, SyncCalls

__all__ = ["AsyncCalls", "CacheContract", "Calls", "HeldClock", "Later", "SyncCalls"]

Later = Callable[[float], None]
"""Lets so many seconds pass, as far as the cache can tell."""


class HeldClock:
    """Time that passes only when told to."""

    def __init__(self) -> None:
        self._now = 1_700_000_000.0

    def time(self) -> float:
        """Seconds since 1970."""
        return self._now

    def pass_by(self, seconds: float) -> None:
        """Let time pass."""
        self._now += seconds


NS = ("writes", "module.function", "node")
KEY: FullKey = (NS, "k")


def put(calls: Calls, pairs: Mapping[FullKey, Any], ttl: int | None = None) -> None:
    """Set values that all have the same ttl."""
    calls.call("set", {key: (value, ttl) for key, value in pairs.items()})


def found(calls: Calls, *keys: FullKey) -> dict[FullKey, Any]:
    """``get``."""
    result: dict[FullKey, Any] = calls.call("get", keys)
    return result


@contextmanager
def _refused(error: type[Exception]) -> Iterator[None]:
    try:
        yield
    except error:
        return
    raise AssertionError(f"{error.__name__} was not raised")


class CacheContract:
    """Give it the fixtures ``calls`` (a new cache) and ``later`` (`Later`)."""

    def test_what_was_set_is_found_under_its_key_alone(self, calls: Calls) -> None:
        put(calls, {KEY: {"a": [1, 2]}})
        assert found(calls, KEY, (NS, "other"), (("writes",), "k")) == {KEY: {"a": [1, 2]}}

    def test_asking_for_nothing_finds_nothing(self, calls: Calls) -> None:
        put(calls, {KEY: 1})
        put(calls, {})
        assert found(calls) == {}

    def test_values_come_back_equal_and_tuples_as_lists(self, calls: Calls) -> None:
        values: Sequence[Any] = [
            None, False, "ä\n", b"\x00:\xff", 1.5, {"s": {1, 2}, "d": datetime(2026, 1, 2, tzinfo=UTC)},
        ]  # fmt: skip
        keys = [(NS, f"k{i}") for i in range(len(values))]
        put(calls, dict(zip(keys, values, strict=True)))
        assert found(calls, *keys) == dict(zip(keys, values, strict=True))
        put(calls, {KEY: ("a", ("b",))})
        assert found(calls, KEY) == {KEY: ["a", ["b"]]}

    def test_a_value_that_is_found_is_a_copy(self, calls: Calls) -> None:
        value = ["a"]
        put(calls, {KEY: value})
        value.append("b")
        found(calls, KEY)[KEY].append("c")
        assert found(calls, KEY) == {KEY: ["a"]}

    def test_a_value_is_replaced_together_with_its_ttl(self, calls: Calls, later: Later) -> None:
        put(calls, {KEY: "old"}, ttl=10)
        put(calls, {KEY: "new"})
        later(11)
        assert found(calls, KEY) == {KEY: "new"}

    def test_a_value_is_there_until_its_ttl_is_over(self, calls: Calls, later: Later) -> None:
        other: FullKey = (NS, "for ever")
        calls.call("set", {KEY: ("short", 60), other: ("long", None)})
        later(59)
        assert found(calls, KEY, other) == {KEY: "short", other: "long"}
        later(1)
        assert found(calls, KEY, other) == {other: "long"}

    def test_a_ttl_of_zero_or_less_keeps_nothing_and_ends_what_was_there(
        self, calls: Calls
    ) -> None:
        for ttl in (0, -1):
            put(calls, {KEY: "old"})
            put(calls, {KEY: "new"}, ttl=ttl)
            assert found(calls, KEY) == {}

    def test_namespaces_that_look_alike_are_kept_apart(self, calls: Calls) -> None:
        alike = [("a", "b"), ("a",), ("a:b",), ("a", "b", ""), ("a/b",), ("ab",), ("*",), ("[a]",)]
        keys = [(ns, "k") for ns in alike]
        put(calls, {key: index for index, key in enumerate(keys)})
        assert found(calls, *keys) == {key: index for index, key in enumerate(keys)}

    def test_clearing_a_namespace_leaves_all_others(self, calls: Calls) -> None:
        names = [("a",), ("a", "b"), ("ab",), ("*",), ("?", "[a]"), ("%", "\\")]
        for cleared in names:
            put(calls, {(ns, key): 1 for ns in names for key in ("k", "l")})
            calls.call("clear", [cleared])
            left = found(calls, *[(ns, key) for ns in names for key in ("k", "l")])
            assert left == {(ns, k): 1 for ns in names if ns != cleared for k in ("k", "l")}

    def test_clearing_without_namespaces_forgets_everything(self, calls: Calls) -> None:
        put(calls, {KEY: 1, (("x",), "k"): 2})
        calls.call("clear", [])
        assert len(found(calls, KEY, (("x",), "k"))) == 2
        calls.call("clear")
        assert found(calls, KEY, (("x",), "k")) == {}

    def test_a_value_that_cannot_be_stored_is_refused_with_the_whole_set(
        self, calls: Calls
    ) -> None:
        with _refused(SerializationError):
            put(calls, {KEY: "fine", (NS, "bad"): object()})
        assert found(calls, KEY, (NS, "bad")) == {}

    def test_many_threads_may_use_it_at_once(self, calls: Calls) -> None:
        cache, failures = calls.saver, list[BaseException]()
        if not isinstance(calls, SyncCalls):
            return
        keys = [[(("t", str(t)), str(i)) for i in range(20)] for t in range(4)]

        def work(mine: Sequence[FullKey]) -> None:
            try:
                for key in mine:
                    cache.set({key: (key[1], 60)})
                    assert cache.get([key]) == {key: key[1]}
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=work, args=(mine,)) for mine in keys]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert len(cache.get([key for mine in keys for key in mine])) == 80
