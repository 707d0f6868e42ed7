"""Every cache keeps one contract, sync and async; each keeps some more."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import redis
import redis.asyncio
from tests.contract.redis_server import running_redis

from caesura.cache.base import BaseCache
from caesura.cache.memory import InMemoryCache
from caesura.cache.redis import RedisCache
from caesura.cache.sqlite import SqliteCache
from caesura.checkpoint.serde.jsonplus import JsonPlusSerializer
from caesura.errors import StorageError
from caesura.testing.caches import (
    KEY,
    NS,
    AsyncCalls,
    CacheContract,
    Calls,
    HeldClock,
    Later,
    SyncCalls,
)
from caesura.warnings import CacheWarning

COLOURS = [SyncCalls, AsyncCalls]


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_redis(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture
def prefix(redis_url: str) -> Iterator[str]:
    """A prefix of this test's own, with characters that mean something in a pattern."""
    name = f"caesura-test:{uuid.uuid4()}:[*]\\"
    yield name
    with redis.Redis.from_url(redis_url) as client:
        for key in client.scan_iter(match="caesura-test:" + name.split(":")[1] + "*", count=1000):
            client.delete(key)


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock()


@pytest.fixture
def later(clock: HeldClock) -> Later:
    return clock.pass_by


class TestInMemoryCache(CacheContract):
    @pytest.fixture(params=COLOURS)
    def calls(self, request: pytest.FixtureRequest, clock: HeldClock) -> Iterator[Calls]:
        with closing(request.param(InMemoryCache(clock=clock.time))) as calls:
            yield calls


class TestSqliteCache(CacheContract):
    @pytest.fixture(params=COLOURS)
    def calls(
        self, request: pytest.FixtureRequest, clock: HeldClock, tmp_path: Path
    ) -> Iterator[Calls]:
        cache = SqliteCache[Any](path=tmp_path / "cache", clock=clock.time)
        with closing(request.param(cache)) as calls, closing(cache):
            yield calls


class TestSqliteCacheInMemory(TestSqliteCache):
    @pytest.fixture
    def calls(self, clock: HeldClock) -> Iterator[Calls]:
        with closing(SqliteCache[Any](path=":memory:", clock=clock.time)) as cache:
            yield SyncCalls(cache)


class TestRedisCache(CacheContract):
    @pytest.fixture(params=[*COLOURS, "async client"])
    def calls(self, request: pytest.FixtureRequest, redis_url: str, prefix: str) -> Iterator[Calls]:
        if request.param == "async client":
            client = redis.asyncio.Redis.from_url(redis_url)
            with closing(AsyncCalls(RedisCache(client, prefix=prefix))) as calls:
                yield calls
                calls._run(client.aclose())
            return
        with (
            redis.Redis.from_url(redis_url) as client,
            closing(request.param(RedisCache(client, prefix=prefix))) as calls,
        ):
            yield calls

    @pytest.fixture
    def later(self, redis_url: str, prefix: str) -> Iterator[Later]:
        """Redis has a clock of its own: what is left to live is shortened instead."""
        with redis.Redis.from_url(redis_url) as client:

            def pass_by(seconds: float) -> None:
                for name in client.scan_iter(match=f"{prefix.split('[')[0]}*", count=1000):
                    left = client.pttl(name)
                    if left >= 0:
                        client.pexpire(name, left - int(seconds * 1000))

            yield pass_by


# --- classes --------------------------------------------------------------------------------


@dataclass
class Point:
    x: int


@pytest.fixture(params=["memory", "sqlite", "redis"])
def strict(
    request: pytest.FixtureRequest, tmp_path: Path, redis_url: str, prefix: str
) -> Iterator[BaseCache[Any]]:
    """Each cache, with the serializer that builds nothing it was not told of."""
    serde = JsonPlusSerializer()
    if request.param == "memory":
        yield InMemoryCache(serde=serde)
    elif request.param == "sqlite":
        with closing(SqliteCache[Any](path=tmp_path / "cache", serde=serde)) as cache:
            yield cache
    else:
        with redis.Redis.from_url(redis_url) as client:
            yield RedisCache(client, serde=serde, prefix=prefix)


def test_a_value_whose_class_may_not_be_built_counts_as_missing_until_it_is_allowed(
    strict: BaseCache[Any],
) -> None:
    strict.set({KEY: ([Point(1)], None), (NS, "plain"): (2, None)})
    with pytest.warns(CacheWarning, match=r"test_caches\.Point"):
        assert strict.get([KEY, (NS, "plain")]) == {(NS, "plain"): 2}
    strict.allow({Point})
    assert strict.get([KEY]) == {KEY: [Point(1)]}


def test_the_cache_in_memory_builds_what_it_was_given() -> None:
    cache = InMemoryCache[Any]()
    cache.set({KEY: (Point(1), None)})
    assert cache.get([KEY]) == {KEY: Point(1)}


# --- in memory ------------------------------------------------------------------------------


def test_memory_does_not_grow_with_what_has_expired(clock: HeldClock) -> None:
    cache = InMemoryCache[int](clock=clock.time)
    for i in range(5000):
        cache.set({((f"ns{i % 7}",), str(i)): (i, 1)})
        clock.pass_by(1)
    assert sum(len(kept) for kept in cache._kept.values()) < 600


# --- in a file ------------------------------------------------------------------------------

WRITER = """
import sys
from caesura.cache.sqlite import SqliteCache
cache = SqliteCache(path=sys.argv[1], timeout=30)
for i in range(50):
    cache.set({(("w", sys.argv[2]), str(i)): (i, None), (("all",), "last"): (sys.argv[2], 60)})
    assert cache.get([(("w", sys.argv[2]), str(i))])
"""


def test_processes_share_a_file_and_lose_nothing(tmp_path: Path) -> None:
    path = str(tmp_path / "cache")
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, path, str(n)]) for n in range(3)]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    with closing(SqliteCache[Any](path=path)) as cache:
        keys = [(("w", str(n)), str(i)) for n in range(3) for i in range(50)]
        assert len(cache.get(keys)) == 150


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_process_goes_on_with_a_connection_of_its_own(tmp_path: Path) -> None:
    with closing(SqliteCache[Any](path=tmp_path / "cache")) as cache:
        cache.set({KEY: ("parent", None)})
        child = os.fork()
        if child == 0:
            before = cache._file._connection
            seen = cache.get([KEY]) == {KEY: "parent"}
            cache.set({KEY: ("child", None)})
            os._exit(0 if seen and cache._file._connection is not before else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert cache.get([KEY]) == {KEY: "child"}


def test_while_another_process_writes_reading_works_and_writing_says_so(tmp_path: Path) -> None:
    path = tmp_path / "cache"
    with (
        closing(SqliteCache[Any](path=path, timeout=0)) as cache,
        closing(sqlite3.connect(path, isolation_level=None)) as other,
    ):
        cache.set({KEY: (1, None)})
        other.execute("BEGIN IMMEDIATE")
        assert cache.get([KEY]) == {KEY: 1}
        with pytest.raises(StorageError, match="locked"):
            cache.set({KEY: (2, None)})
        other.execute("ROLLBACK")
        assert cache.get([KEY]) == {KEY: 1}


@pytest.mark.parametrize(
    "content", [b"this is no database" * 100, b"SQLite format 3\0" + b"x" * 9000]
)
def test_a_damaged_file_is_reported_and_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "cache"
    path.write_bytes(content)
    with (
        closing(SqliteCache[Any](path=path)) as cache,
        pytest.raises(StorageError, match="deleted"),
    ):
        cache.get([KEY])
    assert path.read_bytes() == content


def test_what_has_expired_is_deleted_from_the_file(tmp_path: Path, clock: HeldClock) -> None:
    with closing(SqliteCache[Any](path=tmp_path / "cache", clock=clock.time)) as cache:
        cache.set({(NS, str(i)): (i, 10) for i in range(5)})
        clock.pass_by(10)
        cache.set({KEY: (1, None)})
        with closing(sqlite3.connect(tmp_path / "cache")) as other:
            assert other.execute("SELECT count(*) FROM caesura_cache").fetchall() == [(1,)]


def test_a_cache_may_share_the_file_of_a_saver(tmp_path: Path) -> None:
    from caesura.checkpoint.sqlite import SqliteSaver

    path = str(tmp_path / "db")
    with SqliteSaver.from_conn_string(path) as saver, closing(SqliteCache[Any](path=path)) as cache:
        saver.setup()
        cache.set({KEY: (1, None)})
        cache.clear()
        assert list(saver.list(None)) == []


# --- in Redis -------------------------------------------------------------------------------


def test_nothing_outside_the_prefix_is_touched(redis_url: str, prefix: str) -> None:
    outside = prefix.split("[")[0]
    with redis.Redis.from_url(redis_url) as client:
        cache = RedisCache[Any](client, prefix=prefix)
        client.set(outside + "other", b"mine", ex=600)
        cache.set({KEY: (1, None)})
        cache.clear([NS])
        cache.clear()
        assert client.get(outside + "other") == b"mine"
        assert cache.get([KEY]) == {}


def test_an_async_client_does_not_serve_sync_programs(redis_url: str) -> None:
    cache = RedisCache[Any](redis.asyncio.Redis.from_url(redis_url))
    for call in (lambda: cache.get([KEY]), lambda: cache.set({}), cache.clear):
        with pytest.raises(TypeError, match="async client"):
            call()
