"""After the storm: is everything there that was acknowledged, and did it happen once?

    python -m tests.faults.server_checker URL NOTES EFFECTS

Knows the responses that clients got (NOTES, by `tests.faults.server_load`), what the programs did
(EFFECTS, appended by themselves) and what the server says over HTTP now; nothing of its insides. Prints
what is wrong, one line each, and what it looked at; exit code 1 if anything is.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import httpx

PATIENCE = 60.0  # seconds for what was accepted to come to its end
ENDED = {"success", "error", "timeout", "interrupted"}


def lines(file: Path) -> list[Any]:
    """The whole lines of a file of JSON."""
    return [json.loads(line) for line in file.read_text().splitlines() if line]


class Checker:
    """What was found so far."""

    def __init__(self, client: httpx.Client, notes: list[Any], effects: list[Any]) -> None:
        self.client, self.effects, self.wrong = client, effects, list[str]()
        self.notes: dict[str, list[Any]] = defaultdict(list)
        for note in notes:
            self.notes[note["what"]].append(note)
        self.cancelled = {n["run"] for n in self.notes["cancelled"]}
        self.rolled_back = {n["run"] for n in self.notes["cancelled"] if n["action"] == "rollback"}

    def expect(self, claim: bool, text: str) -> None:
        if not claim:
            self.wrong.append(text)

    def get(self, path: str) -> httpx.Response:
        return self.client.get(path)

    def check(self) -> None:
        """Everything."""
        for note in self.notes["broken"]:
            self.wrong.append(f"broken: {note}")
        self.all_come_to_an_end()
        self.no_thread_is_lost()
        self.no_answer_is_lost()
        self.effects_happened_once()
        self.what_ended_is_over()
        self.streams_are_whole()
        self.nothing_overlapped()

    def all_come_to_an_end(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            busy = self.client.post("/threads/count", json={"status": "busy"}).json()
            if busy == 0:
                break
            time.sleep(0.2)
        else:
            self.wrong.append(f"{busy} threads are busy for ever")
        for note in self.notes["run"]:
            reply = self.get(f"/threads/{note['thread']}/runs/{note['run']}")
            if note["run"] in self.rolled_back and reply.status_code == 404:
                continue
            self.expect(reply.status_code == 200, f"run lost: {note} {reply.status_code}")
            if reply.status_code == 200:
                status = reply.json()["status"]
                right = (
                    {"success"} if note["run"] not in self.cancelled else {"interrupted", "success"}
                )
                self.expect(status in right, f"run is {status}: {note}")
        for note in self.notes["stateless"]:
            reply = self.get(f"/threads/{note['thread']}")
            self.expect(reply.status_code == 404, f"temporary thread outlived its run: {note}")

    def no_thread_is_lost(self) -> None:
        for note in self.notes["thread"]:
            reply = self.get(f"/threads/{note['thread']}")
            self.expect(reply.status_code == 200, f"thread lost: {note} {reply.status_code}")
            if reply.status_code == 200:
                status = reply.json()["status"]
                self.expect(status in ("idle", "interrupted"), f"thread is {status}: {note}")

    def no_answer_is_lost(self) -> None:
        answers: dict[str, set[str]] = defaultdict(set)
        for note in self.notes["answer"]:
            answers[note["interrupt"]].add(note["answer"])
            row = self.get(f"/interrupts/{note['interrupt']}").json()
            held = (row.get("status"), row.get("answer"))
            self.expect(held == ("answered", note["answer"]), f"answer lost: {note} {held}")
        for interrupt, given in answers.items():
            self.expect(len(given) == 1, f"two answers were accepted: {interrupt} {given}")
        for note in self.notes["refused"]:
            row = self.get(f"/interrupts/{note['interrupt']}").json()
            self.expect(row["answer"] == note["recorded"], f"another answer was told: {note}")
        for note in self.notes["done"]:
            self._log_is_whole(note)

    def _log_is_whole(self, note: Any) -> None:
        values = self.get(f"/threads/{note['thread']}/state").json()["values"]
        given = [n["answer"] for n in self.notes["answer"] if n["thread"] == note["thread"]]
        said = [f"answer {number} {answer}" for number, answer in enumerate(given)]
        log = values.get("log")
        self.expect(log == ["begin", *said, "finish"], f"the log is {log}: {note}")

    def what_ended_is_over(self) -> None:
        """When a client was told that a run had ended, nothing of it happened any more."""
        ended = {n["run"]: n["at"] for n in self.notes["ended"]}
        for what, thread, run, _task, *_, at in self.effects:
            over = ended.get(run, at)
            self.expect(at <= over, f"{what} of a run that had ended: {run} on {thread}")

    def effects_happened_once(self) -> None:
        """An answer takes effect in one task, with one value: that task may begin again only if the
        process died before its result was stored, which `what_ended_is_over` bounds."""
        of: dict[tuple[str, Any], list[Any]] = defaultdict(list)
        for what, thread, _run, task, *more in self.effects:
            if what == "answer":
                of[thread, more[1]].append((task, more[2]))
        told = {n["interrupt"]: n["answer"] for n in self.notes["answer"]}
        again = sum(len(seen) - 1 for seen in of.values())
        self.expect(again <= len(of) / 20, f"{again} of {len(of)} answers took effect again")
        for place, seen in of.items():
            self.expect(len(set(seen)) == 1, f"an answer took effect as two tasks: {place} {seen}")
        happened = {answer for seen in of.values() for _, answer in seen}
        for interrupt, answer in told.items():
            self.expect(answer in happened, f"an accepted answer took no effect: {interrupt}")
        finished = Counter(thread for what, thread, *_ in self.effects if what == "finish")
        for note in self.notes["done"]:
            self.expect(finished[note["thread"]] >= 1, f"the program never finished: {note}")

    def streams_are_whole(self) -> None:
        for note in self.notes["streamed"]:
            keys = [tuple(map(int, id.split("-"))) for id in note["ids"]]
            self.expect(keys == sorted(set(keys)), f"stream out of order or doubled: {note}")
            attempt: list[int] = []
            steps: set[int] = set()
            for event in note["events"]:
                if "attempt" in event:
                    attempt = []
                elif "step" in event:
                    self.expect(
                        event["step"] not in attempt, f"an event came twice unmarked: {note}"
                    )
                    attempt.append(event["step"])
                    steps.add(event["step"])
            self.expect(steps == set(range(6)), f"stream with gaps {sorted(steps)}: {note['run']}")

    def nothing_overlapped(self) -> None:
        """Two runs of a thread never went on at once (a process that died leaves without a word)."""
        inside: dict[str, tuple[str, int]] = {}
        for what, thread, run, _task, *more in self.effects:
            if what == "enter":
                other = inside.get(thread)
                self.expect(other is None or other[1] != more[1] or other[0] == run,
                            f"two runs at once on {thread}: {other} {run}")  # fmt: skip
                inside[thread] = (run, more[1])
            elif what == "leave":
                inside.pop(thread, None)


def main(url: str, notes: Path, effects: Path) -> int:
    """Check; returns the exit code."""
    with httpx.Client(base_url=url, timeout=60) as client:
        checker = Checker(client, lines(notes), lines(effects))
        checker.check()
    for text in checker.wrong:
        print(f"WRONG {text}")
    counts = {what: len(found) for what, found in checker.notes.items()}
    print(json.dumps({"wrong": len(checker.wrong), "effects": len(checker.effects), **counts}))
    return 1 if checker.wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])))
