"""`caesura check` finds the calls that happen again when a question is answered, and no others."""

from __future__ import annotations

from pathlib import Path

from caesura.cli.checking import check_program
from caesura.cli.loading import Reference, load_all

SOURCE = """
import json
import logging
import os
import random
import time
import urllib.request
from datetime import datetime
from typing import TypedDict

from caesura.func import entrypoint, task
from caesura.graph import START, StateGraph
from caesura.types import Command, interrupt, interrupts

log = logging.getLogger(__name__)


class Client:
    def post(self, text):
        os.system(text)

    def size(self, text):
        return len(text)


client = Client()


class State(TypedDict):
    to: str


def send_mail(to):
    client.post(to)


def text_for(to):
    return json.dumps({"to": to.strip().title()}, indent=2)


@task
def sends(to):
    send_mail(to)
    return to


@task
def asks_itself(to):
    os.remove(to)  # again
    return interrupt(to)


def asks_twice(question):
    log.info("asking")
    send_mail("in a helper")  # again
    return interrupt(question)


def pure(state, runtime, writer, store):
    writer("x")
    runtime.stream_writer("y")
    store.put((), "k", {})
    shown = {"text": text_for(state["to"]).upper(), "size": client.size("abc")}
    shown.update(extra=sorted(state.get("extra", [])))
    log.warning("asking %s", shown)
    sends(state["to"]).result()
    first, second = interrupts(["a?", "b?"])
    send_mail("after the last question")
    return Command(goto="impure") if first else {"to": str(second)}


def impure(state):
    def inner(to):
        send_mail(to)

    send_mail("first")  # again
    inner("nested")  # again
    urllib.request.urlopen("http://localhost")  # again
    now = time.time(), datetime.now()  # again
    file = open("log")  # again
    file.write(f"{now}")  # again
    [send_mail(name) for name in state["to"]]  # again
    later = lambda: send_mail("not called here")
    asks_twice("sure?")
    asks_itself("which?").result()
    interrupt({"text": text_for("x"), "lot": random.random()})  # again
    later()
    return {}


def loop(state):
    while True:
        if interrupt("go on?") == "no":
            break
        send_mail("in the loop")  # again
    send_mail("behind the loop")
    return {}


class Node:
    def prepare(self):
        client.post("prepared")

    def __call__(self, state):
        self.prepare()  # again
        return {"to": interrupt("?")}


def made(address):
    deliver = Client().post

    async def node(state):
        send_mail(address)  # again
        deliver(address)  # again
        return {"to": interrupt("?")}

    return node


def path(state):
    send_mail("to decide")  # again
    return interrupt("where to?")


def never_asks(state):
    send_mail("unharmed")
    return {}


nested = StateGraph(State).add_node("made", made("x")).add_edge(START, "made").compile()
builder = StateGraph(State).add_sequence([pure, impure, loop, never_asks])
builder.add_node("object", Node()).add_node("nested", nested).add_edge(START, "pure")
builder.add_conditional_edges("never_asks", path, ["object", "nested"])
graph = builder.compile()


@entrypoint()
def function(to):
    send_mail(to)  # again
    return interrupt(to)
"""


def test_the_calls_that_happen_again_are_found_and_no_others(tmp_path: Path) -> None:
    file = tmp_path / "asking_program.py"
    file.write_text(SOURCE, encoding="utf-8")
    programs = load_all(Reference.parse(str(file)))
    found = [finding for program in programs for finding in check_program(program)]
    lines = SOURCE.splitlines()
    marked = {number for number, line in enumerate(lines, 1) if line.endswith("# again")}
    assert {lines[finding.line - 1] for finding in found} == {lines[n - 1] for n in marked}
    assert {finding.line for finding in found} == marked
    assert all("interrupt(" in lines[finding.pause_line - 1] for finding in found
               if finding.node in ("function", "object", "loop"))  # fmt: skip


def test_a_finding_names_the_call_the_node_and_what_a_helper_calls(tmp_path: Path) -> None:
    file = tmp_path / "another_asking_program.py"
    file.write_text(SOURCE, encoding="utf-8")
    [program] = load_all(Reference.parse(f"{file}:function"))
    [finding] = check_program(program)
    assert (finding.node, finding.call, finding.because) == ("function", "send_mail", "client.post")
    assert str(finding).startswith(f"{file}:{finding.line}: send_mail() (it calls client.post) in")
