"""A saver that keeps what it read last always reads what a saver reads that keeps nothing.

Any sequence of commits, forks, puts, rewritings, deletions and prunings, by two savers on one database that
keep all they read, is compared with what was stored; and whatever they give away is spoiled at once.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.databases import new_database, open_saver

from caesura.checkpoint import recent
from caesura.checkpoint.memory import InMemorySaver
from caesura.checkpoint.operations import DeleteRuns, DeleteThread, History, Load, Loaded, Prune
from caesura.checkpoint.recent import Recent
from caesura.testing.calling import THREAD, SyncCalls, Walker, checkpoint, config

Savers = list[Any]
"""Two that keep what they read, and one that does not, on one database."""

ACTS = (
    "append",
    "merge",
    "replace",
    "drop",
    "odd",
    "fork",
    "put",
    "rewrite",
    "remake",
    "prune",
    "cut",
)
PUT_IDS = 4
BASE = "x" * 20_000
"""So large that what builds on it is stored as changes."""


@contextmanager
def on_disk(kind: str) -> Iterator[Savers]:
    """On a database."""
    with (
        TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        new_database(kind, Path(folder)) as name,
        ExitStack() as stack,
    ):
        yield [stack.enter_context(closing(open_saver(name, keep=n))) for n in (2**20, 2**20, 0)]


@contextmanager
def in_memory() -> Iterator[Savers]:
    """In memory: copies of one saver."""
    made = []
    for keep in (2**20, 2**20, 0):
        saver = copy.copy(made[0] if made else InMemorySaver())
        saver._recent = Recent(keep)
        saver.serde = saver.serde
        made.append(saver)
    yield made


class World:
    """The savers, and what must be stored."""

    def __init__(self, savers: Savers) -> None:
        self.savers = savers
        self.calls = [SyncCalls(saver) for saver in savers]
        self.stored: dict[str, dict[str, Any]] = {}
        self.runs: dict[str, str] = {}
        self.n = 0

    def head(self) -> str | None:
        return max(self.stored, default=None)

    def nth(self, which: int) -> str | None:
        """A checkpoint that is there, or None."""
        made = sorted(self.stored)
        return made[which % len(made)] if made else None

    def act(self, act: str, by: int, which: int) -> None:
        """Do something with a saver."""
        self.n += 1
        if act in ("put", "rewrite", "remake"):
            self.put(act, by, which)
        elif act == "prune":
            self.savers[by].execute(Prune(THREAD))
            self.keep_only({self.head()})
        elif act == "cut":
            run = f"r{which % 3}"
            self.savers[by].execute(DeleteRuns(THREAD, [run]))
            self.keep_only({i for i in self.stored if self.runs[i] != run})
        else:
            self.commit(act, by, self.nth(which) if act == "fork" else self.head())

    def keep_only(self, ids: set[str | None]) -> None:
        self.stored = {i: values for i, values in self.stored.items() if i in ids}

    def commit(self, act: str, by: int, at: str | None) -> None:
        """A checkpoint on another, as the engine stores it."""
        walker = Walker(self.calls[by])
        found = self.savers[by].execute(Load(THREAD, "", at)) if at else None
        if found is not None:
            walker.state, walker.versions = found.values, found.versions
            walker.head, walker.chain = found.checkpoint_id, found.chain
        run = f"r{self.n % 3}"
        metadata = {"source": "loop", "step": self.n, "run_id": run}
        values = self.changed(act, walker.state)
        made = walker.commit(values, expected_head=self.head(), metadata=metadata)
        self.stored[made], self.runs[made] = copy.deepcopy(values), run

    def changed(self, act: str, state: dict[str, Any]) -> dict[str, Any]:
        n, values = self.n, {"base": BASE, **state}
        if act in ("append", "fork"):
            values["log"] = [*values.get("log", ()), [n, {"n": n}], n]
            values["chat"] = [*values.get("chat", ()), {"role": "user", "text": f"{n}" * 9}]
        elif act == "merge":
            inner = values.get("d", {})
            values["d"] = {
                **inner,
                f"k{n % 3}": [n, [n]],
                "deep": {**inner.get("deep", {}), f"{n}": n},
            }
        elif act == "drop":
            values.pop("log", None)
        else:
            values["log"] = [{1, n}] if act == "odd" else [[n], {"n": n}]
        return values

    def put(self, act: str, by: int, which: int) -> None:
        """A checkpoint that is put, under an id that may be there, or was once."""
        if act == "remake":
            self.savers[by].execute(DeleteThread(THREAD))
            self.stored.clear()
        made = f"0000000{which % PUT_IDS}"
        if act == "rewrite":
            made = self.nth(which) or made
        older = sorted(i for i in self.stored if i < made)
        parent = older[-1] if older else None
        base = self.stored.get(parent or "", {})
        point = checkpoint(
            {"base": BASE, **base, "put": [self.n % 2]},
            {"base": 1, **dict.fromkeys(base, 1), "put": 2},
        )
        point["id"], point["ts"], run = made, "then", f"r{self.n % 3}"
        news = {n: v for n, v in point["channel_versions"].items() if n != "base" or not parent}
        at = config(checkpoint_id=parent) if parent else config()
        self.savers[by].put(at, point, {"step": 1, "run_id": run}, news)
        self.stored[made], self.runs[made] = copy.deepcopy(point["channel_values"]), run

    def check(self, which: int) -> None:
        """All savers read the newest, and another one, as they were stored; what they give is spoiled."""
        for at in (None, self.nth(which), None):
            found = [saver.execute(Load(THREAD, "", at)) for saver in self.savers]
            expected = self.stored.get(at or self.head() or "")
            for loaded in found:
                assert alike(loaded) == alike(found[-1])
                assert (loaded.values if loaded else None) == expected
            for loaded in found:
                spoil(loaded and [loaded.values, loaded.versions, loaded.seen, loaded.updated])

    def check_all(self) -> None:
        """The whole history is as it was stored."""
        for calls in self.calls:
            found = calls.execute(History(THREAD, ""))
            assert {loaded.checkpoint_id: loaded.values for loaded in found} == self.stored


def alike(loaded: Loaded | None) -> Loaded | None:
    """All of it but where its full row is: that may have come nearer meanwhile, which changes nothing."""
    return loaded and replace(loaded, chain=loaded.chain._replace(snapshot_id=""))


def spoil(value: Any) -> None:
    """Change everything in it that can be changed."""
    if isinstance(value, dict):
        for each in value.values():
            spoil(each)
        value["spoiled"] = True
    elif isinstance(value, list):
        for each in value:
            spoil(each)
        value.append("spoiled")
    elif isinstance(value, set):
        value.add("spoiled")


def compare(world: World, acts: list[tuple[str, int, int]]) -> None:
    """Do what is asked, and compare after each."""
    with mock.patch.object(recent, "_pays", return_value=True):
        for act, by, which in acts:
            world.act(act, by, which)
            world.check(which)
        world.check_all()


sequences = st.lists(
    st.tuples(st.sampled_from(ACTS), st.integers(0, 2), st.integers(0, 9)), min_size=1, max_size=14
)
DATABASES: dict[str, Callable[[], Any]] = {
    "memory": in_memory,
    "sqlite": lambda: on_disk("sqlite"),
    "postgres": lambda: on_disk("postgres"),
}


@pytest.mark.parametrize("database", DATABASES)
def test_what_is_kept_never_differs_from_what_is_stored(database: str) -> None:
    with DATABASES[database]() as savers:

        @settings(max_examples=15 if database == "postgres" else 80, deadline=None)
        @given(sequences)
        def run(acts: list[tuple[str, int, int]]) -> None:
            savers[-1].execute(DeleteThread(THREAD))
            compare(World(savers), acts)

        run()


@pytest.mark.parametrize("database", DATABASES)
def test_what_is_kept_is_used(database: str) -> None:
    with DATABASES[database]() as savers:
        compare(World(savers), [("append", n % 2, 0) for n in range(6)])
        assert [len(saver.codec.recent) for saver in savers] == [1, 1, 0]
