"""Replays recorded conversations with a server and says where its answers differ.

A scene is a list of exchanges in the order in which they happened. Ids differ from run to run, so
each recorded id is bound to the one that stands in its place in the answer of today, and later
requests name that one. Compared are the status, which of the telling headers are there, the shape
of JSON (the same keys, recursively) and the values that a program sees; of a stream, the names of
the events in their order and the data of each. Not compared are ids, times, texts of errors and
what a server says about itself.
"""

from __future__ import annotations

import json
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import httpx

SYSTEM = uuid.UUID("6ba7b821-9dad-11d1-80b4-00c04fd430c8")
UUID = r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"
IDS = re.compile(rf"{UUID}|\b[0-9a-f]{{32}}\b|\b\d{{13}}-\d+\b")
TIMES = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(\+00:00|Z)")
HEADERS = ("content-location", "location", "x-pagination-total", "x-pagination-next")
ANY_TEXT = {"detail", "message", "event_id", "description", "name_of_version"}
"""Texts for people, and ids of no fixed form: a text has to be there, no more."""
ANY_NUMBER = {"timestamp", "seq", "applied_through_seq", "bytes", "total_bytes", "next_run_date"}
OPEN = {"metadata", "configurable", "config"}
"""Objects in which a server may write more than was recorded."""
ADDED = {"error", "interrupts", "ttl", "values"}
"""What every thread may say, where some answers about threads were recorded without it."""
SELF = {"created_by", "serverInfo"}
SESSION_EVENTS = {"lifecycle", "input.requested", "values"}
"""What every server publishes of a session; one that publishes more is not at fault."""
ENDLESS = re.compile(r"/threads/[^/]+/stream(/events|\?|$)")
PATIENCE = 6.0  # seconds
SOON = 1.5  # seconds: less than the runs last whose course is watched

Json = Any


@dataclass
class Scene:
    """One conversation: its name, its exchanges, and whether it needs the server for itself."""

    name: str
    exchanges: list[dict[str, Json]]
    alone: bool = False


@dataclass
class Names:
    """Recorded ids and the ones that stand for them today."""

    today: dict[str, str] = field(default_factory=dict)

    def of(self, text: str) -> str:
        """`text` with every recorded id replaced; an id the client chose gets a new one."""
        return IDS.sub(lambda found: self._one(found[0]), text)

    def _one(self, recorded: str) -> str:
        if recorded not in self.today:
            chosen = "-" in recorded and not recorded[:13].isdigit()
            kept = is_system(recorded) or not chosen
            self.today[recorded] = recorded if kept else str(uuid.uuid4())
        return self.today[recorded]

    def learn(self, recorded: Json, actual: Json) -> None:
        """Binds the ids of a recorded answer to those at the same place of today's."""
        if isinstance(recorded, dict) and isinstance(actual, dict):
            for key, counterpart in paired_keys(recorded, actual):
                self.learn(key, counterpart)
                self.learn(recorded[key], actual[counterpart])
        elif isinstance(recorded, list) and isinstance(actual, list):
            for one, other in zip(recorded, actual, strict=False):
                self.learn(one, other)
        elif isinstance(recorded, str) and isinstance(actual, str):
            ours, theirs = IDS.findall(recorded), IDS.findall(actual)
            if len(ours) == len(theirs):
                for one, other in zip(ours, theirs, strict=True):
                    if not is_system(one):
                        self.today.setdefault(one, other)


def is_system(recorded: str) -> bool:
    """Whether an id is derived from the name of a graph, and so is the same everywhere."""
    return recorded in SYSTEM_IDS


GRAPHS = [
    "agent",
    "trivial",
    "slow",
    "sub",
    "nested",
    "err",
    "multi",
    "seq2",
    "typedg",
    "chat",
    "toolsg",
]
SYSTEM_IDS = {str(uuid.uuid5(SYSTEM, name)) for name in GRAPHS}


def paired_keys(recorded: dict[str, Json], actual: dict[str, Json]) -> Iterator[tuple[str, str]]:
    """Keys of both; keys that are ids are paired by what they hold, or else in their order."""
    spare = [key for key in actual if key not in recorded and IDS.search(key)]
    for key in recorded:
        if key in actual:
            yield key, key
        elif IDS.search(key) and spare:
            alike = (k for k in spare if not differences(recorded[key], actual[k]))
            counterpart = next(alike, spare[0])
            spare.remove(counterpart)
            yield key, counterpart


# --- comparing ---------------------------------------------------------------------------------


def plain(text: str) -> str:
    """`text` without what differs from run to run."""
    return TIMES.sub("<time>", IDS.sub("<id>", text))


def differences(recorded: Json, actual: Json, at: str = "$") -> list[str]:
    """Where today's value is not the recorded one, in words; empty if it is."""
    last = at.rsplit(".", 1)[-1]
    if isinstance(recorded, dict) and isinstance(actual, dict):
        return differences_of_objects(recorded, actual, at)
    if isinstance(recorded, list) and isinstance(actual, list):
        if len(recorded) != len(actual):
            return [f"{at}: {len(actual)} elements, recorded {len(recorded)}: {actual!r:.300}"]
        pairs = enumerate(zip(recorded, actual, strict=True))
        return [words for i, (a, b) in pairs for words in differences(a, b, f"{at}[{i}]")]
    if isinstance(recorded, str) and isinstance(actual, str):
        same = last in ANY_TEXT or plain(recorded) == plain(actual)
        # A run may be taken up before it is looked at.
        same = same or (last, recorded, actual) == ("status", "pending", "running")
        return [] if same else [f"{at}: {actual!r:.200}, recorded {recorded!r:.200}"]
    if is_number(recorded) and is_number(actual):
        same = last in ANY_NUMBER or recorded == actual
        return [] if same else [f"{at}: {actual}, recorded {recorded}"]
    same = recorded is actual or (type(recorded) is type(actual) and recorded == actual)
    return [] if same else [f"{at}: {actual!r:.200}, recorded {recorded!r:.200}"]


def is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def differences_of_objects(
    recorded: dict[str, Json], actual: dict[str, Json], at: str
) -> list[str]:
    pairs = dict(paired_keys(recorded, actual))
    found = [f"{at}.{key} is missing" for key in recorded if key not in pairs and key not in SELF]
    last = re.sub(r"\[\d+\]$", "", at.rsplit(".", 1)[-1])
    if last not in OPEN:
        extra = set(actual) - set(pairs.values()) - NOISE
        extra -= ADDED if "thread_id" in actual and at in ("$", "$[0]") else set()
        found += [f"{at}.{key} was not recorded" for key in sorted(extra)]
    for key, counterpart in pairs.items():
        if key not in SELF:
            found += differences(recorded[key], actual[counterpart], f"{at}.{key}")
    return found


NOISE = {
    "langgraph_version", "langgraph_api_version", "langgraph_plan", "langgraph_host",
    "langgraph_api_url", "langgraph_request_id", "__request_start_time_ms__",
    "__after_seconds__", "__pregel_node_finished", "lc_versions", "ls_integration",
    "langsmith_session_name", "user_id", "langgraph_auth_user", "langgraph_auth_user_id",
    "langgraph_auth_permissions", "run_attempt",
}  # fmt: skip
"""What servers say of themselves; left out of the recordings."""


def differences_of_lists_of_all(recorded: Json, actual: Json) -> list[str]:
    """For searches over everything: how much is there depends on the other scenes."""
    if isinstance(recorded, list) and isinstance(actual, list):
        if bool(recorded) != bool(actual):
            return [f"$: {len(actual)} elements, recorded {len(recorded)}"]
        if recorded and isinstance(recorded[0], dict):
            missing = set(recorded[0]) - set(actual[0]) - {"error", "interrupts"}
            return [f"$[0].{key} is missing" for key in sorted(missing)]
        return []
    return [] if type(recorded) is type(actual) else [f"$: {actual!r:.200}"]


def differences_of_events(recorded: list[Json], actual: list[Json]) -> list[str]:
    """Two streams; how many ticks of a clock were seen does not count."""
    recorded, actual = without_repeats(recorded), without_repeats(actual)
    names, names_today = [plain(e[0]) for e in recorded], [plain(e[0]) for e in actual]
    if names != names_today:
        return [f"events: {names_today}, recorded {names}"]
    pairs = enumerate(zip(recorded, actual, strict=True))
    return [words for i, (a, b) in pairs for words in differences(a[1], b[1], f"${i}:{a[0]}")]


def by_name(events: list[Json] | None) -> dict[str, list[Json]]:
    """The events of each name, in their order."""
    grouped: dict[str, list[Json]] = {}
    for event in events or ():
        grouped.setdefault(event[0], []).append(event)
    return grouped


def without_repeats(events: list[Json]) -> list[Json]:
    kept: list[Json] = []
    for event in events:
        if event[0] == "end" or (kept and event[0] == "custom" == kept[-1][0]):
            continue
        kept.append(event)
    return kept


# --- talking -----------------------------------------------------------------------------------


@dataclass
class Answer:
    """What a server said: a status, its headers, and JSON, events or a text."""

    status: int
    headers: dict[str, str]
    json: Json = None
    events: list[Json] | None = None
    text: str = ""


def differences_of_answers(recorded: dict[str, Json], answer: Answer, shared: bool) -> list[str]:
    """Everything in which `answer` is not the recorded one."""
    if answer.status != recorded["status"]:
        said = answer.text or answer.json or answer.events
        return [f"status {answer.status}, recorded {recorded['status']}: {said!r:.300}"]
    telling = [name for name in HEADERS if not (shared and name.startswith("x-pagination-next"))]
    here = [name for name in telling if name in answer.headers]
    then = [name for name in telling if name in recorded.get("headers", ())]
    found = [] if set(here) >= set(then) else [f"headers {here}, recorded {then}"]
    if "events" in recorded:
        return found + differences_of_events(recorded["events"], answer.events or [])
    if "json" in recorded and answer.status >= 400:
        return found + differences_of_errors(recorded["json"], answer.json)
    if "json" in recorded:
        compare = differences_of_lists_of_all if shared else differences
        return found + compare(recorded["json"], answer.json)
    return found


def said_by(response: httpx.Response, most: int | None, only: set[str] | None) -> Answer:
    """Reads an answer: all of it or, of a stream without end, as much as was recorded."""
    answer = Answer(response.status_code, {k.lower(): v for k, v in response.headers.items()})
    kind = response.headers.get("content-type", "")
    if "text/event-stream" in kind:
        answer.events = list(events_of(response, most, only))
        return answer
    answer.text = response.read().decode()
    if "json" in kind and answer.text.strip():
        answer.json = json.loads(answer.text)
    return answer


def events_of(response: httpx.Response, most: int | None, only: set[str] | None) -> Iterator[Json]:
    """The events of a stream as [name, data, id]; at most so many and only those, if said."""
    event: dict[str, str] = {}
    count, deadline = 0, time.monotonic() + PATIENCE
    if most == 0:
        return
    for line in response.iter_lines():
        if line:
            key, _, value = line.partition(": ")
            event[key] = value
        elif "event" in event:
            if only is None or event["event"] in only:
                yield [event["event"], json.loads(event.get("data") or "null"), event.get("id")]
                count += 1
            event = {}
        if most is not None and (count >= most or time.monotonic() > deadline):
            return


def differences_of_errors(recorded: Json, actual: Json) -> list[str]:
    """An error has to say what it said; it may say more, such as a code."""
    if not isinstance(recorded, dict) or not isinstance(actual, dict):
        return differences(recorded, actual)
    return differences(recorded, {key: actual[key] for key in recorded if key in actual})


@dataclass
class Replay:
    """One scene being replayed."""

    client: httpx.Client
    scene: Scene
    names: Names = field(default_factory=Names)
    found: dict[str, list[str]] = field(default_factory=dict)

    def run(self) -> dict[str, list[str]]:
        """Replays the scene: the name of each exchange → its differences."""
        with ThreadPoolExecutor(4) as aside:
            open_ones: list[tuple[dict[str, Json], Future[Answer]]] = []
            for exchange in self.scene.exchanges:
                if exchange.get("begins_first"):
                    open_ones.append((exchange, self._begin(aside, exchange)))
                else:
                    self._note(exchange, lambda exchange=exchange: self._repeat(exchange))
            for exchange, future in open_ones:
                self._note(exchange, lambda e=exchange, f=future: self._compare(e, f.result()))
        return self.found

    def _note(self, exchange: dict[str, Json], compare: Callable[[], list[str]]) -> None:
        try:
            self.found[exchange["name"]] = compare()
        except (httpx.HTTPError, json.JSONDecodeError, AssertionError) as failure:
            self.found[exchange["name"]] = [f"{type(failure).__name__}: {failure}"]

    def _begin(self, aside: ThreadPoolExecutor, exchange: dict[str, Json]) -> Future[Answer]:
        begun = threading.Event()
        future = aside.submit(self._send, exchange, begun)
        begun.wait(PATIENCE)
        return future

    def _repeat(self, exchange: dict[str, Json]) -> list[str]:
        """Asks once or, for what becomes true in time, until it is true."""
        if exchange.get("when") == "started":
            self._await_start(exchange)
        deadline = time.monotonic() + (SOON if exchange.get("eventually") else 0)
        while True:
            found = self._compare(exchange, self._send(exchange))
            if not found or time.monotonic() > deadline:
                return found
            time.sleep(0.05)

    def _compare(self, exchange: dict[str, Json], answer: Answer) -> list[str]:
        recorded = exchange["response"]
        if exchange.get("late") and answer.events:
            recorded = recorded | {"events": recorded["events"][-len(answer.events) :]}
        found = differences_of_answers(recorded, answer, exchange.get("shared", False))
        if not found or not exchange.get("eventually"):
            self.names.learn(recorded.get("json"), answer.json)
            self.names.learn(by_name(recorded.get("events")), by_name(answer.events))
        return found

    def _await_start(self, exchange: dict[str, Json]) -> None:
        """Until the run of the thread has saved its first state."""
        thread = self.names.of(exchange["request"]["path"]).split("/")[2]
        deadline = time.monotonic() + PATIENCE
        while not self.client.get(f"/threads/{thread}/state").json().get("values"):
            assert time.monotonic() < deadline, "the run does not start"
            time.sleep(0.02)

    def _send(self, exchange: dict[str, Json], begun: threading.Event | None = None) -> Answer:
        request, recorded = exchange["request"], exchange["response"]
        path = self.names.of(request["path"])
        headers = {k: self.names.of(v) for k, v in request.get("headers", {}).items()}
        headers.setdefault("accept", "application/json, text/event-stream")
        content = request.get("text")
        if "json" in request:
            content = self.names.of(json.dumps(request["json"]))
            headers["content-type"] = "application/json"
        waits_for_headers = path.endswith(("/stream", "/events")) or "/stream?" in path
        if begun and not waits_for_headers:
            begun.set()
        recorded_events = recorded.get("events", [])
        wanted = SESSION_EVENTS | {event[0] for event in recorded_events}
        endless = bool(ENDLESS.match(path))
        with self.client.stream(
            request["method"], path, headers=headers, content=content
        ) as response:
            if begun:
                begun.set()
            only = wanted if path.endswith("/stream/events") else None
            return said_by(response, len(recorded_events) if endless else None, only)


def replay_all(url: str, scenes: list[Scene]) -> dict[str, list[str]]:
    """Replays all scenes, those that allow it side by side."""
    found: dict[str, list[str]] = {}
    # A connection is not used again: some servers close it after an error.
    limits = httpx.Limits(max_connections=200, max_keepalive_connections=0)
    with httpx.Client(base_url=url, timeout=30, limits=limits) as client:
        for scene in scenes:
            if scene.alone:
                found |= Replay(client, scene).run()
        rest = [scene for scene in scenes if not scene.alone]
        with ThreadPoolExecutor(12) as side_by_side:
            for result in side_by_side.map(lambda scene: Replay(client, scene).run(), rest):
                found |= result
    return found
