"""A connection to Postgres that is cut at any message costs time, and nothing else.

A proxy stands between; it cuts the n-th message that the program sends: before it arrives, or after the
database has obeyed it and before the program hears of that. The saver connects anew, finds out what
became of a commit that it heard nothing of, and goes on. The program notices nothing: same result, no
finished task twice, every answer used once.
"""

from __future__ import annotations

import itertools
import operator
import os
import shutil
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any, TypedDict

import psutil
import psycopg
import pytest
from tests.databases import bundled, fresh_schema, postgres_url

from caesura.checkpoint.operations import Accept, Answer, FindInterrupts
from caesura.checkpoint.postgres import PostgresSaver
from caesura.errors import AlreadyAnsweredError, StaleThreadError, StorageError
from caesura.graph import START, StateGraph
from caesura.testing.faults import FailingSaver, InjectedFailureError

from .programs import CASES, CONFIG, Witness, accepted_answers, persist

EVERY = 1 if os.environ.get("CAESURA_SOAK") else 6
"""Which messages are cut: of how many one."""
EVERY_COMMIT = 1 if os.environ.get("CAESURA_SOAK") else 5
"""Which commits are not confirmed."""


class Proxy:
    """Passes on what is said between clients and the database, until it is told to cut."""

    def __init__(self, target: str) -> None:
        info = psycopg.conninfo.conninfo_to_dict(target)
        self._host, self._port = str(info.get("host", "127.0.0.1")), int(info.get("port") or 5432)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._others = {k: v for k, v in info.items() if k not in ("host", "hostaddr", "port")}
        self._lock = threading.Lock()
        self._pairs: list[socket.socket] = []
        self._pumps: list[threading.Thread] = []
        self.messages = 0
        self.cut_at = 0
        """Number of the message at which everything is cut; 0: none."""
        self.after = False
        """Cut when the database has answered it, instead of before it arrives."""
        self.commits = self.cut_commit = 0
        """Number of the commit whose confirmation is cut off; 0: none."""
        self.refuses = False
        """Let nobody in."""
        self.stays_away = False
        """After a cut, let nobody in."""
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """Where to connect instead of to the database."""
        port = self._listener.getsockname()[1]
        return psycopg.conninfo.make_conninfo(host="127.0.0.1", port=port, **self._others)

    def close(self) -> None:
        self._listener.close()
        self.cut()

    def count_anew(self, cut_at: int = 0, *, after: bool = False) -> None:
        """Forget the messages so far, once the clients that have left have said their last."""
        for pump in self._pumps:
            pump.join(10)
        self._pumps = []
        self._answered.clear()
        self.messages, self.cut_at, self.after = 0, cut_at, after
        self.commits = self.cut_commit = 0

    def cut(self) -> None:
        """End all connections at once."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for one in pairs:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self.refuses:
                    client.close()
                    continue
                server = self._connect()
                with self._lock:
                    self._pairs += [client, server]
                for pump in (self._from_client, self._from_server):
                    thread = threading.Thread(target=pump, args=(client, server), daemon=True)
                    thread.start()
                    self._pumps.append(thread)

    def _connect(self) -> socket.socket:
        if self._host.startswith("/"):
            server = socket.socket(socket.AF_UNIX)
            server.connect(f"{self._host}/.s.PGSQL.{self._port}")
            return server
        return socket.create_connection((self._host, self._port))

    def _from_client(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError), client, server:
            while said := client.recv(1 << 16):
                self.messages += 1
                if self.messages == self.cut_at:
                    self.refuses = self.stays_away
                    if self.after:
                        self._obeyed(server, said)
                    self.cut()
                    return
                server.sendall(said)
            server.shutdown(socket.SHUT_RDWR)

    def _obeyed(self, server: socket.socket, said: bytes) -> None:
        """Hand the message on and wait for the reply, which nobody else hears."""
        with self._lock:
            self._silenced = server
        server.sendall(said)
        self._answered.wait(10)

    _silenced: socket.socket | None = None
    _answered = threading.Event()

    def _from_server(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError), client, server:
            while said := server.recv(1 << 16):
                self.commits += b"COMMIT\0" in said
                if self.cut_commit and self.commits == self.cut_commit:
                    self.cut_commit = 0
                    self.cut()
                    return
                if server is self._silenced:
                    self._answered.set()
                else:
                    client.sendall(said)
            client.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with closing(Proxy(postgres_url())) as proxy:
        proxy._answered = threading.Event()
        yield proxy


def run_to_the_end(name: str, proxy: Proxy, schema: str) -> tuple[FailingSaver, Witness, Any]:
    case = CASES[name]
    with closing(PostgresSaver(proxy.url, schema=schema)) as postgres:
        saver = FailingSaver(postgres)
        witness = Witness([saver.performed])
        graph = case.make_sync(witness, saver)
        people = persist(case)
        given = next(people)
        while True:
            try:
                given = people.send((graph.invoke(given, CONFIG), None))
            except StopIteration as ended:
                return saver, witness, ended.value


def greeting(proxy: Proxy) -> int:
    """How many messages it takes to be let in. A first connection that is cut there is a mistake of
    somebody's, for all a saver knows, and is reported at once."""
    proxy.count_anew()
    with psycopg.connect(proxy.url):
        return proxy.messages


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("program", list(CASES))
def test_a_program_does_not_notice_a_connection_cut_at_any_message(
    program: str, after: bool, proxy: Proxy
) -> None:
    first = greeting(proxy) + 1
    proxy.count_anew()
    with fresh_schema() as schema:
        run_to_the_end(program, proxy, schema)
        whole = proxy.messages
        assert whole > 30, "hardly anything was said"
    offset = first + list(CASES).index(program) * 3 + after
    for n in range(offset, whole, EVERY):
        proxy.count_anew(n, after=after)
        with fresh_schema() as schema:
            saver, witness, result = run_to_the_end(program, proxy, schema)
        assert result == CASES[program].result, n
        assert witness.repeated == [], n
        answers = accepted_answers(saver.performed)
        assert sorted(map(str, answers.values())) == sorted(
            map(str, CASES[program].answers.values())
        )


@pytest.mark.parametrize("program", list(CASES))
def test_a_commit_that_was_made_but_not_confirmed_is_not_made_again(
    program: str, proxy: Proxy
) -> None:
    proxy.count_anew()
    with fresh_schema() as schema:
        run_to_the_end(program, proxy, schema)
        whole = proxy.commits
    assert whole >= 6, "hardly anything was committed"
    for n in range(3 + list(CASES).index(program), whole + 1, EVERY_COMMIT):
        proxy.count_anew()
        proxy.cut_commit = n
        with fresh_schema() as schema:
            _, witness, result = run_to_the_end(program, proxy, schema)
        assert proxy.cut_commit == 0, "nothing was cut"
        assert result == CASES[program].result, n
        assert witness.repeated == [], n


def test_an_answer_whose_acceptance_nobody_heard_of_is_accepted_once(proxy: Proxy) -> None:
    """Whichever message is cut of those in which it is accepted."""
    with fresh_schema() as schema, closing(PostgresSaver(proxy.url, schema=schema)) as saver:
        graph = CASES["entrypoint"].make_sync(Witness([]), saver)
        for n in itertools.count(1):
            where: Any = {"configurable": {"thread_id": f"thread-{n}"}}
            graph.invoke(CASES["entrypoint"].input, where)
            [row] = saver.execute(FindInterrupts(f"thread-{n}"))
            proxy._answered.clear()
            proxy.messages, proxy.cut_at, proxy.after = 0, n, True
            accept = Accept(row.thread_id, [Answer(row.id, "yes")], row.asked_at)
            [accepted] = saver.execute(accept)
            assert accepted.status == "answered"
            proxy.cut_at = 0
            if proxy.messages < n:
                break
            with pytest.raises(AlreadyAnsweredError):
                saver.execute(accept)
        assert n > 2, "hardly anything was said"


def test_a_database_that_stays_away_is_reported_and_nothing_is_stored(proxy: Proxy) -> None:
    with (
        fresh_schema() as schema,
        closing(PostgresSaver(proxy.url, schema=schema, timeout=0.2)) as saver,
    ):
        saver.setup()
        proxy.refuses = True
        proxy.cut()
        with pytest.raises(StorageError, match="cannot be reached"):
            saver.delete_thread("t")
        proxy.refuses = False
        saver.delete_thread("t")


def drop_out_at(n: int, proxy: Proxy, schema: str, *, after: bool) -> bool:
    """Run a program with a database that goes away at the n-th message of an answered run, and comes
    back when the run has given up. False if there are fewer messages."""
    case = CASES["graph"]
    with closing(PostgresSaver(proxy.url, schema=schema, timeout=0.05)) as postgres:
        saver = FailingSaver(postgres)
        witness = Witness([saver.performed])
        graph = case.make_sync(witness, saver)
        people = persist(case)
        command = people.send((graph.invoke(next(people), CONFIG), None))
        proxy._answered.clear()
        proxy.messages, proxy.cut_at, proxy.after, proxy.stays_away = 0, n, after, True
        result, error = outcome(graph, command)
        cut = proxy.messages >= n
        proxy.refuses, proxy.stays_away, proxy.cut_at = False, False, 0
        assert cut is (error is not None), n
        with suppress(StopIteration):
            while True:
                result, error = outcome(graph, people.send((result, error)))
        assert result == case.result, n
        assert witness.repeated == [], n
    return cut


def outcome(graph: Any, given: Any) -> tuple[Any, Exception | None]:
    try:
        return graph.invoke(given, CONFIG), None
    except AlreadyAnsweredError as refused:
        return None, refused
    except StorageError as error:
        return None, InjectedFailureError(str(error))


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_problem_26_a_database_that_drops_out_fails_the_run_and_the_same_call_goes_on(
    after: bool, proxy: Proxy
) -> None:
    for n in itertools.count(1 + after, EVERY):
        with fresh_schema() as schema:
            if not drop_out_at(n, proxy, schema, after=after):
                break
    assert n > 10, "hardly anything was said"


@pytest.mark.parametrize("durability", ["sync", "async"])
def test_a_run_outlives_a_crash_of_the_database(durability: Any) -> None:
    """By itself where each step waits for the disk; else it may have to be called once more."""
    with own_postgres() as (url, restart), closing(PostgresSaver(url)) as saver:
        restarting = threading.Thread(target=restart)

        def step(state: State) -> State:
            if not state["log"]:
                restarting.start()
            time.sleep(0.05)
            return {"log": ["step"]}

        builder = StateGraph(State)
        builder.add_sequence([(f"step {n}", step) for n in range(10)])
        builder.add_edge(START, "step 0")
        graph = builder.compile(checkpointer=saver)
        result, cut = None, None
        try:
            result = graph.invoke({"log": []}, CONFIG, durability=durability)
        except StaleThreadError as error:
            cut = error
        if cut is not None:
            assert durability == "async"
            assert "its database crashed" in str(cut)
            result = graph.invoke(None if cut.found else {"log": ["anew"]}, CONFIG)
        restarting.join()
    assert result is not None
    assert result["log"][-9:] == ["step"] * 9
    assert result["log"][0] in ("step", "anew")
    assert len(result["log"]) == 10 + (result["log"][0] == "anew")


class State(TypedDict):
    log: Annotated[list[str], operator.add]


@contextmanager
def own_postgres() -> Iterator[tuple[str, Callable[[], None]]]:
    """A server of its own: its name, and what crashes it and starts it again.

    Its folder is none of pytest's: those are closed to the user that a root's server runs as.
    """
    folder = Path(tempfile.mkdtemp(prefix="caesura-postgres-"))
    server = bundled().get_server(folder / "pg", cleanup_mode="stop")

    def restart() -> None:
        postmaster = psutil.Process(server.get_pid())
        postmaster.send_signal(signal.SIGQUIT)  # it ends at once, as in a crash
        postmaster.wait(10)
        server.ensure_postgres_running()

    try:
        yield str(server.get_uri()), restart
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def test_a_first_connection_that_fails_is_reported_at_once(proxy: Proxy) -> None:
    proxy.refuses = True
    with (
        closing(PostgresSaver(proxy.url, timeout=3600)) as saver,
        pytest.raises(StorageError, match="cannot be reached"),
    ):
        saver.setup()
