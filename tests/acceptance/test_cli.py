"""The command line does what the README says, and every refusal leaves everything as it was."""

from __future__ import annotations

import json
import signal
import sys
import textwrap
from pathlib import Path

import pytest
from tests.databases import new_database

from .terminal import EXAMPLES, ROOT, Said, Shell

DRAFT = str(EXAMPLES / "draft.py")
TOPIC = ["--input", '{"topic": "tea"}']


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def program(shell: Shell, name: str, text: str) -> str:
    """Write a program into the shell's folder."""
    (shell.folder / name).write_text(textwrap.dedent(text))
    return name


ASK = """
    from caesura.func import entrypoint
    from caesura.types import interrupt

    @entrypoint()
    def ask(name):
        return f"{name}: " + str(interrupt("really?", response_schema={"enum": ["yes", "no"]}))
"""


def waiting_id(said: Said) -> str:
    """The id of the one interrupt that a ``run --json`` ended with."""
    [item] = said.lines[-1]["interrupts"]
    return str(item["id"])


# --- run -------------------------------------------------------------------------------------


def test_a_program_is_run_to_its_end_at_a_terminal(shell: Shell) -> None:
    said = shell.type(["run", DRAFT, *TOPIC], "more milk", "accept")
    assert said.code == 0, said.err
    assert "more milk" in said.out
    assert "Draft 1 about tea" in said.err
    assert "Draft 2 about tea" in said.err


def test_without_a_terminal_the_pause_is_printed_with_the_command_that_answers_it(
    shell: Shell,
) -> None:
    said = shell.run("run", DRAFT, *TOPIC)
    assert said.code == 3
    assert "Draft 1 about tea" in said.err
    [command] = [line for line in said.err.splitlines() if "-m caesura answer " in line]
    assert "--db caesura.sqlite" in command


def test_the_same_command_shows_the_same_pause_again(shell: Shell) -> None:
    first = shell.run("run", DRAFT, *TOPIC, "--json")
    again = shell.run("run", DRAFT, *TOPIC, "--json")
    without_input = shell.run("run", DRAFT, "--json")
    assert waiting_id(first) == waiting_id(again) == waiting_id(without_input)


def test_a_new_input_for_an_unfinished_thread_is_refused(shell: Shell) -> None:
    before = waiting_id(shell.run("run", DRAFT, *TOPIC, "--json"))
    said = shell.run("run", DRAFT, "--input", '{"topic": "coffee"}')
    assert said.code == 2
    assert "unfinished" in said.err
    assert waiting_id(shell.run("run", DRAFT, "--json")) == before


def test_an_answer_can_be_given_with_run(shell: Shell) -> None:
    file = program(shell, "asking.py", ASK)
    asked = waiting_id(shell.run("run", file, "-i", '"x"', "--json"))
    said = shell.run("run", file, "--answer", f"{asked[:8]}=yes")
    assert (said.code, said.out) == (0, "x: yes\n")


@pytest.mark.parametrize("value", ["maybe", "42"])
def test_a_wrong_answer_with_run_is_refused_and_the_question_stays(
    shell: Shell, value: str
) -> None:
    file = program(shell, "asking.py", ASK)
    asked = waiting_id(shell.run("run", file, "-i", '"x"', "--json"))
    said = shell.run("run", file, "--answer", f"{asked}={value}")
    assert said.code == 4
    assert "yes" in said.err
    assert waiting_id(shell.run("run", file, "--json")) == asked


def test_an_unknown_id_with_run_is_refused_and_what_waits_is_listed(shell: Shell) -> None:
    file = program(shell, "asking.py", ASK)
    asked = waiting_id(shell.run("run", file, "-i", '"x"', "--json"))
    said = shell.run("run", file, "--answer", "ffffffff=yes")
    assert said.code == 4
    assert asked in said.err


def test_a_wrong_text_at_the_terminal_is_refused_with_the_reason(shell: Shell) -> None:
    file = program(shell, "asking.py", ASK)
    said = shell.type(["run", file, "-i", '"x"'], "perhaps", "no")
    assert (said.code, said.out) == (0, "x: no\n")
    assert "none of: yes, no" in said.err


def test_ctrl_c_ends_with_130_and_loses_nothing(shell: Shell) -> None:
    with shell.terminal("run", DRAFT, *TOPIC) as terminal:
        terminal.answer("more milk")
        terminal.wait_for("Draft 2")
        terminal.process.send_signal(signal.SIGINT)
        said = terminal.rest()
    assert said.code == 130
    assert "Traceback" not in said.err
    assert "Draft 2" in shell.run("run", DRAFT).err


def test_ctrl_c_is_heard_at_a_prompt_whichever_thread_it_reaches(shell: Shell) -> None:
    file = program(
        shell,
        "threaded.py",
        """
        import signal
        import sys
        import threading

        from caesura.func import entrypoint
        from caesura.types import interrupt

        def press():
            main = threading.main_thread().ident
            while sys._current_frames()[main].f_code.co_name not in ("_await_input", "_read_line"):
                pass
            signal.pthread_kill(threading.get_ident(), signal.SIGINT)

        @entrypoint()
        def asks(name):
            threading.Thread(target=press, daemon=True).start()
            return interrupt("sure?")
        """,
    )
    with shell.terminal("run", file, "--input", '"x"') as terminal:
        said = terminal.rest()
    assert said.code == 130
    assert "Traceback" not in said.err


def test_kill_9_loses_nothing(shell: Shell) -> None:
    with shell.terminal("run", DRAFT, *TOPIC) as terminal:
        terminal.answer("more milk")
        terminal.wait_for("Draft 2")
        terminal.kill()
    said = shell.type(["run", DRAFT], "accept")
    assert said.code == 0
    assert "more milk" in said.out


def test_the_end_of_the_input_at_a_prompt_leaves_the_question_open(shell: Shell) -> None:
    with shell.terminal("run", DRAFT, *TOPIC) as terminal:
        terminal.wait_for("Draft 1")
        terminal.answer("\x04")
        said = terminal.rest()
    assert said.code == 3
    assert "caesura run " in said.err
    assert shell.run("run", DRAFT).code == 3


def test_a_finished_thread_is_not_run_again(shell: Shell) -> None:
    file = program(
        shell,
        "counting.py",
        """
        from pathlib import Path
        from caesura.func import entrypoint

        @entrypoint()
        def count(n):
            with Path("ran").open("a") as file:
                file.write("x")
            return n
        """,
    )
    assert shell.run("run", file, "-i", "7").out == "7\n"
    again = shell.run("run", file)
    assert (again.code, again.out) == (0, "7\n")
    assert "finished" in again.err
    assert (shell.folder / "ran").read_text() == "x"


def test_a_failing_program_shows_its_own_frames_and_is_tried_again(shell: Shell) -> None:
    file = program(
        shell,
        "failing.py",
        """
        from pathlib import Path
        from caesura.func import entrypoint, task

        @task
        def call():
            with Path("calls").open("a") as file:
                file.write("x")
            return "called"

        @task
        def check(text):
            if not Path("up").exists():
                raise ConnectionError("network is down")
            return text

        @entrypoint()
        def main(n):
            return check(call().result()).result()
        """,
    )
    said = shell.run("run", file, "-i", "1")
    assert said.code == 1
    assert "ConnectionError: network is down" in said.err
    assert 'raise ConnectionError("network is down")' in said.err
    assert str(ROOT / "src") not in said.err
    (shell.folder / "up").touch()
    again = shell.run("run", file, "-i", "1")
    assert (again.code, again.out) == (0, "called\n"), again.err
    assert (shell.folder / "calls").read_text() == "x"


def test_several_programs_in_a_file_need_a_name(shell: Shell) -> None:
    file = program(shell, "two.py", ASK + ASK.replace("def ask", "def other"))
    said = shell.run("run", file, "-i", "1")
    assert said.code == 2
    assert "two.py:ask" in said.err
    assert "other" in said.err
    assert shell.run("run", f"{file}:other", "-i", "1").code == 3


def test_a_graph_that_was_not_compiled_is_compiled(shell: Shell) -> None:
    file = program(
        shell,
        "built.py",
        """
        from typing import TypedDict
        from caesura.graph import START, StateGraph

        class State(TypedDict):
            x: int

        g = StateGraph(State)
        g.add_node("double", lambda state: {"x": state["x"] * 2})
        g.add_edge(START, "double")
        """,
    )
    said = shell.run("run", file, "-i", '{"x": 21}', "--json")
    assert said.code == 0, said.err
    assert said.lines == [{"event": "finished", "thread_id": "built", "output": {"x": 42}}]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["run", "nowhere.py"], "no file"),
        (["run", "empty.py"], "no program"),
        (["run", "asking.py:nope", "-i", "1"], "no program 'nope'"),
        (["run", "asking.py", "-i", "{"], "no JSON"),
        (["run", "asking.py", "-i", "@nowhere.json"], "cannot be read"),
        (["run", "asking.py"], "needs an input"),
        (["run", "asking.py", "-i", "1", "--answer", "x"], "ID=VALUE"),
        (["answer", "abcd", "yes", "--db", "nowhere.sqlite"], "no database"),
        (["history", "nothing", "--db", "nowhere.sqlite"], "no database"),
        (["nonsense"], "nonsense"),
    ],
)
def test_wrong_usage_ends_with_2_and_the_reason(
    shell: Shell, arguments: list[str], reason: str
) -> None:
    program(shell, "asking.py", ASK)
    program(shell, "empty.py", "")
    said = shell.run(*arguments)
    assert said.code == 2
    assert reason in said.err
    assert "Traceback" not in said.err


def test_the_stream_of_a_mode_is_printed(shell: Shell) -> None:
    said = shell.run("run", DRAFT, *TOPIC, "--stream", "updates", "--json")
    streamed = [line for line in said.lines if line["event"] == "stream"]
    assert streamed[0]["mode"] == "updates"
    assert list(streamed[0]["data"]) == ["write"]


def test_a_stop_that_the_builder_set_is_passed_by_saying_so(shell: Shell) -> None:
    file = program(
        shell,
        "stopping.py",
        """
        from typing import TypedDict
        from caesura.graph import START, StateGraph

        class State(TypedDict):
            x: int

        g = StateGraph(State)
        g.add_node("double", lambda state: {"x": state["x"] * 2})
        g.add_edge(START, "double")
        g = g.compile(interrupt_before=["double"])
        """,
    )
    assert shell.run("run", file, "-i", '{"x": 1}').code == 3
    said = shell.type(["run", file], "yes")
    assert said.code == 0, said.err
    assert "2" in said.out


def test_an_unmodified_langgraph_program_runs_here_on_request(shell: Shell) -> None:
    pytest.importorskip("langgraph")
    file = program(shell, "theirs.py", ASK.replace("caesura", "langgraph"))
    refused = shell.run("run", file, "-i", '"x"')
    assert refused.code == 2
    assert "--langgraph" in refused.err
    asked = waiting_id(shell.run("run", file, "-i", '"x"', "--langgraph", "--json"))
    assert shell.run("answer", asked, "yes").out == "x: yes\n"


@pytest.mark.parametrize(("package", "outcome"), [("langgraph", "True"), ("caesura", "False")])
def test_only_programs_that_import_langgraph_get_its_lenient_outcomes(
    shell: Shell, package: str, outcome: str
) -> None:
    file = program(
        shell,
        "asking.py",
        f"""
        from {package}.func import entrypoint

        @entrypoint()
        def ask(name):
            from caesura.config import lenient

            return str(lenient())
        """,
    )
    assert shell.run("run", file, "-i", "1", "--langgraph").out == f"{outcome}\n"


# --- answer ----------------------------------------------------------------------------------


def test_an_answer_is_accepted_and_the_program_goes_on(shell: Shell) -> None:
    file = program(shell, "asking.py", ASK)
    asked = waiting_id(shell.run("run", file, "-i", '"x"', "--json"))
    said = shell.run("answer", asked[:8], "yes")
    assert (said.code, said.out) == (0, "x: yes\n"), said.err


def test_the_printed_command_answers(shell: Shell) -> None:
    import shlex

    file = program(shell, "asking.py", ASK)
    said = shell.run("run", file, "-i", '"x"')
    [command] = [line for line in said.err.splitlines() if "-m caesura answer " in line]
    words = shlex.split(command)
    assert shell.run(*words[words.index("answer") :]).out == "x: yes\n"


def test_an_answer_that_is_only_stored_is_used_by_the_next_run(shell: Shell) -> None:
    file = program(shell, "asking.py", ASK)
    asked = waiting_id(shell.run("run", file, "-i", '"x"', "--json"))
    assert shell.run("answer", asked, "no", "--no-run").code == 0
    assert shell.run("interrupts").out == ""
    assert shell.run("run", file).out == "x: no\n"


def test_the_second_answer_is_refused_and_told_what_was_decided(shell: Shell) -> None:
    file = program(shell, "asking.py", ASK)
    asked = waiting_id(shell.run("run", file, "-i", '"x"', "--json"))
    assert shell.run("answer", asked, "no", "--no-run").code == 0
    said = shell.run("answer", asked, "yes")
    assert said.code == 4
    assert "already answered" in said.err
    assert "'no'" in said.err
    assert shell.run("run", file).out == "x: no\n"


def test_a_wrong_answer_is_refused_and_nothing_runs(shell: Shell) -> None:
    file = program(shell, "asking.py", ASK)
    asked = waiting_id(shell.run("run", file, "-i", '"x"', "--json"))
    said = shell.run("answer", asked, "perhaps")
    assert (said.code, said.out) == (4, "")
    assert json.loads(shell.run("interrupts", "--json").out)["id"] == asked


def test_an_unknown_interrupt_is_refused_and_what_waits_is_listed(shell: Shell) -> None:
    file = program(shell, "asking.py", ASK)
    asked = waiting_id(shell.run("run", file, "-i", '"x"', "--json"))
    said = shell.run("answer", "0123456789", "yes")
    assert said.code == 4
    assert asked in said.err


def test_an_answer_is_kept_where_the_program_is_gone(shell: Shell) -> None:
    file = program(shell, "asking.py", ASK)
    asked = waiting_id(shell.run("run", file, "-i", '"x"', "--json"))
    (shell.folder / file).rename(shell.folder / "moved.py")
    said = shell.run("answer", asked, "yes")
    assert said.code == 0
    assert "stored" in said.err
    assert shell.run("run", "moved.py", "--thread", "asking").out == "x: yes\n"


# --- lists -----------------------------------------------------------------------------------


def test_what_waits_is_listed_over_all_threads(shell: Shell) -> None:
    file = program(shell, "asking.py", ASK)
    for thread in ("one", "two"):
        shell.run("run", file, "-i", '"x"', "--thread", thread)
    table = shell.run("interrupts").out
    assert "one" in table
    assert "two" in table
    assert "really?" in table
    rows = shell.run("interrupts", "--json").lines
    assert {row["thread_id"] for row in rows} == {"one", "two"}
    assert {row["status"] for row in rows} == {"open"}


def test_closed_interrupts_are_listed_on_request(shell: Shell) -> None:
    file = program(shell, "asking.py", ASK)
    asked = waiting_id(shell.run("run", file, "-i", '"x"', "--json"))
    shell.run("answer", asked, "yes")
    assert shell.run("interrupts").out == ""
    everything = shell.run("interrupts", "--all").out
    assert "answered" in everything
    assert "yes" in everything


def test_threads_are_listed_with_what_waits_on_them(shell: Shell) -> None:
    file = program(shell, "asking.py", ASK)
    shell.run("run", file, "-i", '"x"', "--thread", "bill")
    [row] = shell.run("threads", "--json").lines
    assert (row["thread_id"], row["open_interrupts"]) == ("bill", 1)
    assert "bill" in shell.run("threads").out


def test_the_history_of_a_thread_tells_steps_questions_and_answers_in_order(shell: Shell) -> None:
    shell.type(["run", DRAFT, *TOPIC], "more milk", "accept")
    said = shell.run("history", "draft", "--json")
    assert said.code == 0, said.err
    happened = [line["event"] for line in said.lines]
    assert [what for what in happened if what != "step"] == ["asked", "answered"] * 2
    assert happened.count("step") >= 4
    assert "more milk" in shell.run("history", "draft").out
    assert shell.run("history", "nobody").code == 2


def test_a_program_is_drawn(shell: Shell) -> None:
    said = shell.run("graph", DRAFT)
    assert said.code == 0, said.err
    assert "\treview -.-> write;" in said.out
    nodes = json.loads(shell.run("graph", DRAFT, "--json").out)["nodes"]
    assert {node["id"] for node in nodes} == {"__start__", "write", "review", "__end__"}


def test_the_version_is_printed(shell: Shell) -> None:
    from caesura.version import __version__

    assert shell.run("--version").out.strip() == __version__


@pytest.mark.parametrize("command", ["run", "answer", "interrupts", "threads", "history", "graph"])
def test_every_command_has_help(shell: Shell, command: str) -> None:
    said = shell.run(command, "--help")
    assert said.code == 0
    assert "--json" in said.out


def test_the_package_does_not_import_the_command_line() -> None:
    import subprocess

    code = "import caesura, sys; print({'typer', 'rich', 'jsonschema'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT / "src"
    )
    assert done.stdout.strip() == "set()"


def test_a_question_whose_node_was_renamed_is_not_passed_over(shell: Shell) -> None:
    said = shell.run("run", program(shell, "ask.py", ASK), "--input", '"Ada"', "--json")
    program(shell, "ask.py", ASK.replace("def ask(", "def inquire("))
    for gone in (shell.run("run", "ask.py"), shell.type(["run", "ask.py"])):
        assert gone.code == 4
        assert "The program has changed: 'ask' asked a person" in gone.err
    program(shell, "ask.py", ASK)
    assert shell.run("answer", waiting_id(said), "yes").code == 0


# --- check -----------------------------------------------------------------------------------


def test_check_lists_what_happens_again_and_fails_only_if_asked_to(shell: Shell) -> None:
    repeats = program(
        shell,
        "repeats.py",
        """
        import os
        from caesura.func import entrypoint
        from caesura.types import interrupt

        @entrypoint()
        def asks(name):
            os.remove(name)
            return interrupt("gone?")
        """,
    )
    said = shell.run("check", repeats)
    assert said.code == 0
    assert "repeats.py:8: os.remove() in 'asks' happens again" in said.out
    strict = shell.run("check", repeats, "--strict", "--json")
    assert strict.code == 1
    assert [(line["line"], line["call"], line["pause_line"]) for line in strict.lines] == [
        (8, "os.remove", 9)
    ]
    assert shell.run("check", program(shell, "ask.py", ASK), "--strict").code == 0


# --- databases -------------------------------------------------------------------------------


def test_the_threads_may_be_in_postgres(shell: Shell) -> None:
    with new_database("postgres", shell.folder) as url:
        paused = shell.run("run", DRAFT, *TOPIC, "--db", url)
        assert paused.code == 3
        assert "Draft 1 about tea" in paused.err
        waiting = shell.run("interrupts", "--db", url, "--json")
        [item] = waiting.lines
        answered = shell.run("answer", item["id"], "accept", "--db", url)
        assert answered.code == 0, answered.err
        [thread] = shell.run("threads", "--db", url, "--json").lines
        assert thread["open_interrupts"] == 0
        assert "accept" in shell.run("history", thread["thread_id"], "--db", url).out
        assert not (shell.folder / "caesura.sqlite").exists()


def test_a_password_is_never_printed(shell: Shell) -> None:
    url = "postgresql://somebody:hush-hush@127.0.0.1:1/nothing"
    for command in (["threads"], ["run", DRAFT, *TOPIC], ["answer", "abcd", "yes"]):
        said = shell.run(*command, "--db", url)
        assert said.code == 1
        assert "cannot be reached" in said.err
        assert "hush-hush" not in said.err + said.out
        assert "Traceback" not in said.err


def test_a_database_of_another_kind_is_refused(shell: Shell) -> None:
    said = shell.run("threads", "--db", "mysql://localhost/x")
    assert "not mysql" in said.err
    assert "Traceback" not in said.err
