"""Graphs of a project: loaded, opened, broken, and what imports mean in their files."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from caesura.checkpoint.memory import InMemorySaver
from caesura.config import lenient
from caesura.server.project import aliases
from caesura.server.project.checking import check_project
from caesura.server.project.errors import BrokenFileError, UnknownGraphError
from caesura.server.project.graphs import Graphs
from caesura.server.project.loading import load_object
from caesura.server.project.runtime import ServerRuntime
from caesura.server.project.settings import read_settings
from caesura.store.memory import InMemoryStore

PROJECTS = Path(__file__).resolve().parents[1] / "fixtures" / "projects"


@pytest.fixture(autouse=True)
def clean_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing that a project does to the process outlives the test."""
    for name in [n for n in sys.modules if n.split(".")[0] in ("langgraph", "langgraph_sdk")]:
        monkeypatch.delitem(sys.modules, name)  # what other tests in this process compare with
    before, path, environ = set(sys.modules), list(sys.path), dict(os.environ)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield
    aliases.uninstall_aliases()
    sys.path[:] = path
    os.environ.clear()
    os.environ.update(environ)
    for name in set(sys.modules) - before:
        file = getattr(sys.modules[name], "__file__", None)
        spec = getattr(sys.modules[name], "__path__", None)
        places = [file] if file else list(spec or ())
        if any(
            Path(place).is_relative_to(root) for place in places for root in (PROJECTS, tmp_path)
        ):
            del sys.modules[name]
    importlib.invalidate_caches()


def load(project: Path | str, **how: Any) -> Graphs:
    folder = PROJECTS / project
    names = ("caesura.json", "langgraph.json")
    return Graphs.load(read_settings(next(f for n in names if (f := folder / n).exists())), **how)


async def node_of(graphs: Graphs, graph_id: str, **how: Any) -> str:
    """The name of the one node of a graph opened for a run of tenant "acme"."""
    config = {"configurable": {"tenant": "acme"}}
    how = {"purpose": "threads.create_run", **how}
    async with graphs.open(graph_id, config, **how) as graph:
        return next(name for name in graph.nodes if name != "__start__")


# --- kinds -----------------------------------------------------------------------------------


@pytest.mark.parametrize("graph_id", ["compiled", "builder", "entry", "by_module"])
async def test_an_object_is_served_whatever_kind_of_graph_it_is(graph_id: str) -> None:
    graphs = load("kinds", checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": "1"}}
    given: Any = "ok" if graph_id == "entry" else {"topic": "ok"}
    async with graphs.open(graph_id, config, purpose="threads.create_run") as graph:
        result = await graph.ainvoke(given, config)
    assert result in ("OK", {"topic": "OK"})


@pytest.mark.parametrize(
    ("graph_id", "node"),
    [
        ("with_nothing", "nothing"),
        ("with_config", "for_acme"),
        ("with_any_name", "got_dict"),
        ("with_runtime", "runs_for_ann_in_a-context"),
        ("with_both", "threads_create_run_acme"),
        ("asynchronous", "awaited_acme"),
        ("managed", "managed"),
        ("managed_async", "managed_async"),
    ],
)
async def test_a_factory_gets_what_it_asks_for(graph_id: str, node: str) -> None:
    graphs = load("kinds")
    assert await node_of(graphs, graph_id, user="ann", context="a-context") == node


async def test_a_runtime_tells_reading_from_running() -> None:
    graphs = load("kinds")
    node = await node_of(graphs, "with_runtime", purpose="threads.read")
    assert node == "shows_for_None_in_None"


@pytest.mark.parametrize("graph_id", ["managed", "managed_async"])
async def test_what_a_factory_opens_is_closed_when_the_run_is_over(graph_id: str) -> None:
    graphs = load("kinds")
    left = importlib.import_module("factories").left
    async with graphs.open(graph_id, {}, purpose="threads.create_run"):
        assert left == []
    assert left == [graph_id]


@pytest.mark.parametrize("graph_id", ["managed", "managed_async"])
async def test_a_factory_learns_that_the_run_failed_and_closes_what_it_opened(
    graph_id: str,
) -> None:
    graphs = load("kinds")
    left = importlib.import_module("factories").left
    with pytest.raises(ZeroDivisionError):
        async with graphs.open(graph_id, {}, purpose="threads.create_run"):
            raise ZeroDivisionError
    assert left == ["failed", graph_id]


@pytest.mark.parametrize("graph_id", ["compiled", "builder", "entry", "with_nothing", "managed"])
async def test_every_graph_gets_the_servers_saver_and_store(graph_id: str) -> None:
    saver, store = InMemorySaver(), InMemoryStore()
    graphs = load("kinds", checkpointer=saver, store=store)
    async with graphs.open(graph_id, {}, purpose="threads.create_run") as graph:
        assert graph.checkpointer is saver
        assert graph.store is store


async def test_the_servers_saver_takes_the_place_of_the_graphs_own_which_keeps_it() -> None:
    saver = InMemorySaver()
    graphs = load("kinds", checkpointer=saver)
    async with graphs.open("own_saver", {}, purpose="threads.create_run") as graph:
        assert graph.checkpointer is saver
    assert importlib.import_module("programs").own_saver.checkpointer is not saver


async def test_a_graph_object_is_opened_without_making_it_anew() -> None:
    graphs = load("kinds")
    async with (
        graphs.open("builder", {}, purpose="threads.create_run") as one,
        graphs.open("builder", {}, purpose="threads.read") as other,
    ):
        assert one is other is await graphs.static("builder")


async def test_a_factory_is_called_anew_for_each_opening_and_once_to_be_shown() -> None:
    graphs = load("kinds")
    async with (
        graphs.open("with_config", {}, purpose="threads.create_run") as one,
        graphs.open("with_config", {}, purpose="threads.create_run") as other,
    ):
        assert one is not other
    shown = await graphs.static("with_config")
    assert "for_None" in shown.nodes
    assert shown is await graphs.static("with_config")


def test_descriptions_and_ids_are_those_of_the_config() -> None:
    graphs = load("kinds")
    assert graphs.ids[:3] == ("compiled", "builder", "entry")
    assert graphs.description("compiled") == "Asks before it publishes."
    assert graphs.description("builder") is None


async def test_an_unknown_id_is_refused_with_the_ids_there_are() -> None:
    graphs = load("broken")
    with pytest.raises(UnknownGraphError, match=r"no graph 'nope'. The graphs are: good\."):
        async with graphs.open("nope", {}, purpose="threads.read"):
            raise AssertionError("it was opened")


async def test_what_a_factory_raises_is_the_runs_own_error() -> None:
    graphs = load("kinds")
    with pytest.raises(LookupError, match="no model is configured"):
        async with graphs.open("failing", {}, purpose="threads.create_run"):
            raise AssertionError("it was opened")


async def test_a_factory_that_fails_to_be_shown_is_told_with_its_line() -> None:
    with pytest.raises(BrokenFileError) as caught:
        await load("kinds").static("failing")
    file = PROJECTS / "kinds" / "factories.py"
    assert (caught.value.file, caught.value.reason) == (file, "LookupError: no model is configured")
    assert "raise LookupError" in file.read_text().splitlines()[(caught.value.line or 0) - 1]


async def test_a_factory_that_makes_no_graph_is_told() -> None:
    with pytest.raises(BrokenFileError, match="The factory made of type str"):
        await load("kinds").static("no_graph")


async def test_a_sync_factory_does_not_hold_up_the_event_loop(tmp_path: Path) -> None:
    text = (
        "import threading\n"
        "from caesura.graph import START, StateGraph\n"
        "def graph():\n"
        "    name = 'loop' if threading.current_thread() is threading.main_thread() else 'aside'\n"
        "    return StateGraph(dict).add_node(name, lambda s: s).add_edge(START, name)\n"
    )
    assert await node_of(load(project_of(tmp_path, agent=text)), "agent") == "aside"


def test_a_user_is_there_or_its_absence_is_an_error() -> None:
    assert ServerRuntime(access_context="threads.read", user="ann").ensure_user() == "ann"  # type: ignore[arg-type]
    with pytest.raises(PermissionError):
        ServerRuntime(access_context="threads.read").ensure_user()


# --- broken ones -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("graph_id", "file", "line", "reason"),
    [
        (
            "import_error",
            "needs_missing.py",
            5,
            "ModuleNotFoundError: No module named 'a_package_that_nobody_has'",
        ),
        ("missing_file", "nowhere.py", None, "There is no such file"),
        (
            "missing_variable",
            "good.py",
            None,
            "has no 'grpah'. It has: START, TOPICS, State, keep, graph.",
        ),
        ("missing_module", "", None, "ModuleNotFoundError: No module named 'nowhere'"),
        ("not_a_graph", "good.py", None, "'TOPICS' is of type list; a graph is a compiled graph"),
        ("a_class", "good.py", None, "'State' is the class State; a graph is"),
        ("javascript", "agent.ts", None, "is no Python file, and only those can be loaded"),
        ("exits", "exits.py", 5, "SystemExit: run me alone"),
        ("no_entry", "no_entry.py", None, "ValueError: Graph must have an entrypoint"),
        ("needs_more", "wrong_factories.py", 4, "needs a value for its parameter 'model'"),
        ("generator", "wrong_factories.py", 8, "decorate it with @contextlib.asynccontextmanager"),
    ],
    ids=lambda value: value if isinstance(value, str) and "." not in value else "",
)
def test_a_broken_graph_is_told_with_file_line_and_reason(
    graph_id: str, file: str, line: int | None, reason: str
) -> None:
    error = load("broken").broken[graph_id]
    assert error.file == (PROJECTS / "broken" / file if file else Path("nowhere.at_all"))
    assert error.line == line
    assert reason in error.reason
    assert "\n" not in str(error)


async def test_the_other_graphs_are_served() -> None:
    graphs = load("broken")
    assert graphs.ids == ("good",)
    assert await node_of(graphs, "good") == "keep"


async def test_opening_a_broken_graph_says_why_it_is() -> None:
    with pytest.raises(BrokenFileError, match="There is no such file"):
        await load("broken").static("missing_file")


def project_of(folder: Path, **files: str) -> Path:
    graphs = {name: f"./{name}.py:graph" for name in files}
    (folder / "caesura.json").write_text(json.dumps({"graphs": graphs}))
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    return folder


def test_a_syntax_error_is_told_with_its_line(tmp_path: Path) -> None:
    error = load(project_of(tmp_path, agent="x = 1\ndef graph(:\n    pass\n")).broken["agent"]
    assert (error.file, error.line) == (tmp_path / "agent.py", 2)
    assert error.reason == "SyntaxError: invalid syntax"


def test_a_file_that_failed_is_read_anew_when_it_is_mended(tmp_path: Path) -> None:
    assert load(project_of(tmp_path, agent="raise ValueError")).ids == ()
    shutil.copy(PROJECTS / "broken" / "good.py", tmp_path / "agent.py")
    importlib.invalidate_caches()
    assert load(tmp_path).ids == ("agent",)


def test_an_interrupt_from_the_keyboard_is_not_taken_for_a_broken_file(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        load(project_of(tmp_path, agent="raise KeyboardInterrupt"))


@pytest.mark.parametrize("spec", ["agent.py", "agent.py:", ":graph", "agent.py:a.b"])
def test_a_name_of_no_object_is_refused(tmp_path: Path, spec: str) -> None:
    with pytest.raises(BrokenFileError, match="is not of the form"):
        load_object(spec, tmp_path)


def test_checking_a_project_lists_every_problem() -> None:
    problems = check_project(PROJECTS / "broken" / "langgraph.json")
    assert len(problems) == 11
    assert all(p.severity == "error" for p in problems)
    told = str(problems[0])
    assert told.endswith("'a_package_that_nobody_has' (graph 'import_error')")
    assert "needs_missing.py: line 5" in told


def test_checking_a_sound_project_lists_nothing() -> None:
    assert check_project(PROJECTS / "kinds" / "caesura.json") == []


def test_checking_loads_what_else_the_config_names(tmp_path: Path) -> None:
    config = project_of(tmp_path) / "caesura.json"
    named = {"auth": {"path": "./auth.py:auth"}, "http": {"app": "./app.py:app"}, "env": ".env"}
    config.write_text(json.dumps({"dependencies": ["./lib"], **named}))
    problems = [(p.severity, p.message) for p in check_project(config)]
    assert problems == [
        ("warning", "names no graph, so none is served"),
        ("warning", f"there is no file {tmp_path / '.env'}; its variables are not set"),
        ("error", f"there is no directory {tmp_path / 'lib'}"),
        ("error", "There is no such file (auth.path)"),
        ("error", "There is no such file (http.app)"),
    ]


def test_checking_tells_mistakes_in_the_config(tmp_path: Path) -> None:
    (tmp_path / "caesura.json").write_text('{"engine": "langgraph"}')
    assert [p.where for p in check_project(tmp_path / "caesura.json")] == ["engine"]


# --- modules ---------------------------------------------------------------------------------


def test_files_of_one_name_in_several_folders_are_several_modules() -> None:
    graphs = load("folders")
    assert graphs.broken == {}
    found = {graph_id: Path(graphs._find(graph_id).file).parent.name for graph_id in graphs.ids}
    assert found == {"one": "one", "two": "two", "dashed": "with-dash", "shadowing": "folders"}


async def test_a_file_may_be_named_as_a_module_of_the_standard_library() -> None:
    graphs = load("folders")
    assert await node_of(graphs, "shadowing") == "json"
    assert importlib.import_module("json") is json


def test_a_file_in_a_package_is_the_module_that_others_import() -> None:
    aliases.install_aliases()
    graph = load_object("./src/agent/graph.py:graph", PROJECTS / "migrated")
    assert sys.modules["agent.graph"].graph is graph  # type: ignore[attr-defined]
    assert load_object("agent.graph:graph", PROJECTS / "migrated") is graph


async def test_the_environment_is_there_while_files_are_loaded() -> None:
    assert await node_of(load("variables"), "agent") == "from-the-file"


# --- what imports mean -----------------------------------------------------------------------


async def test_a_project_written_for_langgraph_runs_unchanged() -> None:
    graphs = load("migrated", checkpointer=InMemorySaver())
    assert graphs.broken == {}
    config = {"configurable": {"thread_id": "1"}}
    async with graphs.open("agent", config, purpose="threads.create_run") as graph:
        result = await graph.ainvoke({"topic": "go on?"}, config)
    assert [i.value for i in result["__interrupt__"]] == ["go on?"]


def test_langgraph_means_caesura_also_where_it_is_installed() -> None:
    load("migrated")
    assert importlib.import_module("langgraph.graph") is importlib.import_module("caesura.graph")


def test_graphs_that_reach_langgraph_are_lenient_and_the_others_strict() -> None:
    graphs = load("migrated")
    assert {graph_id: graphs.lenient(graph_id) for graph_id in graphs.ids} == {
        "agent": True,
        "strict": False,
        "through_a_module": True,
    }


def test_leniency_is_not_turned_on_for_the_process() -> None:
    load("migrated")
    assert not lenient()


def test_graphs_of_the_real_package_are_told_as_such() -> None:
    pytest.importorskip("langgraph_sdk")
    code = (
        "import sys, langgraph.graph\n"
        "from pathlib import Path\n"
        "from caesura.server.project.graphs import Graphs\n"
        "from caesura.server.project.settings import read_settings\n"
        "graphs = Graphs.load(read_settings(Path(sys.argv[1])))\n"
        "print(graphs.ids, graphs.broken['agent'])\n"
    )
    config = str(PROJECTS / "migrated" / "langgraph.json")
    command = [sys.executable, "-B", "-c", code, config]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "('strict', 'through_a_module')" in done.stdout
    assert "a graph of the langgraph package" in done.stdout


@pytest.fixture
def without_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process in which langgraph-sdk is not installed."""
    for name in [n for n in sys.modules if n.partition(".")[0] == "langgraph_sdk"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "langgraph_sdk", None)  # type: ignore[arg-type]
    aliases.install_aliases()
    del sys.modules["langgraph_sdk"]


@pytest.mark.usefixtures("without_sdk")
def test_the_sdks_runtime_is_ours_where_the_sdk_is_not_installed() -> None:
    assert importlib.import_module("langgraph_sdk.runtime").ServerRuntime is ServerRuntime


@pytest.mark.usefixtures("without_sdk")
def test_the_sdks_auth_is_ours_where_the_sdk_is_not_installed() -> None:
    ours = importlib.import_module("caesura.server.auth")
    assert importlib.import_module("langgraph_sdk").Auth is ours.Auth
    assert importlib.import_module("langgraph_sdk.auth") is ours


@pytest.mark.usefixtures("without_sdk")
def test_other_names_of_the_sdk_are_missing_with_what_to_do() -> None:
    with pytest.raises(ImportError, match="pip install langgraph-sdk"):
        importlib.import_module("langgraph_sdk.client")
    with pytest.raises(AttributeError, match="pip install langgraph-sdk"):
        _ = importlib.import_module("langgraph_sdk").get_client


def test_an_installed_sdk_stays_itself() -> None:
    pytest.importorskip("langgraph_sdk")
    load("kinds")
    assert importlib.import_module("langgraph_sdk.client").__file__


async def test_a_factory_annotated_with_the_sdks_runtime_gets_ours(tmp_path: Path) -> None:
    pytest.importorskip("langgraph_sdk.runtime")
    text = (
        "from langgraph_sdk.runtime import ServerRuntime\n"
        "from langgraph.graph import START, StateGraph\n"
        "def graph(rt: ServerRuntime[dict]):\n"
        "    name = rt.access_context.replace('.', '_')\n"
        "    return StateGraph(dict).add_node(name, lambda s: s).add_edge(START, name)\n"
    )
    graphs = load(project_of(tmp_path, agent=text))
    assert await node_of(graphs, "agent") == "threads_create_run"


# --- the command line --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "place", ["flow_a.py", "flows/flow_b.py", "packed/flow_c.py", "json.py"], ids=str
)
def test_the_command_line_and_the_server_know_a_file_as_one_module(
    tmp_path: Path, place: str
) -> None:
    (tmp_path / "caesura.json").write_text("{}")
    file = tmp_path / place
    file.parent.mkdir(exist_ok=True)
    if file.parent.name == "packed":
        (file.parent / "__init__.py").write_text("")
    (file.parent / "beside_it.py").write_text("class State(dict): pass\n")
    file.write_text(
        "from beside_it import State\nfrom caesura.graph import StateGraph\ngraph = StateGraph(State)\n"
        if file.parent.name != "packed"
        else "from caesura.graph import StateGraph\ngraph = StateGraph(dict)\n"
    )
    from caesura.cli.loading import Reference, programs_in
    from caesura.loading import import_file, project_of

    reference = Reference.parse(f"{file}:graph")
    module = import_file(reference.path, project_of(reference.path))
    assert programs_in(module)["graph"] is load_object(f"./{place}:graph", tmp_path)
    assert project_of(reference.path) == tmp_path
    assert json.loads("1") == 1, "a file of the project hides the standard library"
