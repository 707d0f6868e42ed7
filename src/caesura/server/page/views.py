"""What the pages show, gathered from the services and the records that the caller may read."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from caesura.checkpoint.operations import InterruptRow
from caesura.interrupts.service import STATUSES
from caesura.records.operations import (
    CountThreads,
    FindAssistants,
    FindQuestions,
    FindRuns,
    FindThreads,
    Question,
)
from caesura.records.shapes import Run, Thread
from caesura.schemas.fields import example
from caesura.server.auth import Anonymous, AuthRefusal
from caesura.server.http.call import Call
from caesura.server.logs import log
from caesura.server.project.errors import BrokenFileError
from caesura.server.project.schemas import schemas_of
from caesura.server.threads import graph_of
from caesura.server.views import Json

OPEN_SHOWN: Final = 25
THREADS_SHOWN: Final = 25
STEPS_SHOWN: Final = 20
RUNS_SHOWN: Final = 50
_IN_FLIGHT: Final = ("pending", "running")


@dataclass(slots=True, frozen=True)
class ServedGraph:
    """A graph on the landing page. ``broken``: why it is not served."""

    graph_id: str
    description: str | None = None
    assistants: Sequence[tuple[str, str]] = ()
    """(id, name)."""
    input: str = "{}"
    """An input of the right shape, as JSON text."""
    broken: str | None = None

    def curl(self, base: str, keyed: bool) -> str:
        """A command line that starts a run and shows how it ends, or what it asks."""
        body = {
            "assistant_id": self.graph_id,
            "input": json.loads(self.input),
            "on_completion": "keep",
        }
        return curl(f"{base}/runs/wait", body, keyed)

    def python(self, base: str, keyed: bool) -> str:
        """The same in Python."""
        key = ', api_key="…"' if keyed else ""
        return (
            "from caesura.client import get_sync_client\n\n"
            f"client = get_sync_client(url={base!r}{key})\n"
            "thread = client.threads.create()\n"
            f'client.runs.wait(thread["thread_id"], {self.graph_id!r}, '
            f"input={json.loads(self.input)!r})"
        )


def curl(url: str, body: Any, keyed: bool) -> str:
    """A command line that posts JSON."""
    key = ' \\\n  -H "x-api-key: $CAESURA_API_KEY"' if keyed else ""
    data = shlex.quote(json.dumps(body, ensure_ascii=False))
    return (
        f"curl -s {shlex.quote(url)}{key} \\\n  -H 'content-type: application/json' \\\n  -d {data}"
    )


def is_keyed(call: Call[Any, Any]) -> bool:
    """True if callers must say who they are."""
    return not isinstance(call.server.authenticator, Anonymous)


# --- the landing page --------------------------------------------------------------------------


async def landing(call: Call[Any, Any]) -> Json:
    """All that the landing page shows."""
    filters = await _allowed(call, "threads")
    shown: Json = {"graphs": await _graphs(call), "readable_threads": filters is not None}
    return {**shown, **await _people(call, filters)}


async def _allowed(call: Call[Any, Any], resource: str) -> Mapping[str, Any] | None:
    """The filters on searching, or None if the caller may not search."""
    try:
        return await call.authorise(resource, "search", {"metadata": {}})
    except AuthRefusal as refusal:
        if refusal.status != 403:
            raise
        return None


async def _people(call: Call[Any, Any], filters: Mapping[str, Any] | None) -> Json:
    """What waits, and the threads, each with its last question."""
    if filters is None:
        return {"waiting": [], "waiting_total": 0, "threads": [], "threads_total": 0}
    interrupts = call.server.interrupts
    query = FindQuestions(limit=OPEN_SHOWN, filters=filters)
    threads = await call.server.do(FindThreads(limit=THREADS_SHOWN, filters=filters))
    last = await _last_questions(call, [thread.thread_id for thread in threads.rows])
    return {
        "waiting": (await interrupts.alist(query)).rows,
        "waiting_total": await interrupts.acount(query),
        "threads": [(thread, last.get(thread.thread_id)) for thread in threads.rows],
        "threads_total": await call.server.do(CountThreads(filters=filters)),
    }


async def _last_questions(
    call: Call[Any, Any], thread_ids: Sequence[str]
) -> dict[str, InterruptRow]:
    if not thread_ids:
        return {}
    query = FindQuestions(statuses=STATUSES, thread_ids=thread_ids, order="desc", limit=500)
    found: dict[str, InterruptRow] = {}
    for row, _ in (await call.server.interrupts.alist(query)).rows:
        found.setdefault(row.thread_id, row)
    return found


async def _graphs(call: Call[Any, Any]) -> list[ServedGraph]:
    graphs = call.server.graphs
    filters = await _allowed(call, "assistants")
    by_graph: dict[str, list[tuple[str, str]]] = {}
    if filters is not None:
        page = await call.server.do(FindAssistants(limit=200, order="asc", filters=filters))
        for each in page.rows:
            by_graph.setdefault(each.graph_id, []).append((each.assistant_id, each.name))
    served = [await _graph(call, id, by_graph.get(id, [])) for id in graphs.ids]
    return served + [ServedGraph(id, broken=str(why)) for id, why in graphs.broken.items()]


async def _graph(
    call: Call[Any, Any], graph_id: str, assistants: Sequence[tuple[str, str]]
) -> ServedGraph:
    graphs = call.server.graphs
    try:
        graph = await graphs.static(graph_id)
    except BrokenFileError as error:
        return ServedGraph(graph_id, broken=str(error))
    try:
        sample = sample_input(schemas_of(graph, graph_id).get("input_schema"))
    except Exception as error:  # Third-party types may raise anything when they are described.
        log.warning("the input of a graph cannot be described", graph_id=graph_id, exc_info=error)
        sample = {}
    text = json.dumps(sample, ensure_ascii=False, indent=2, default=str)
    return ServedGraph(graph_id, graphs.description(graph_id), assistants, text)


def sample_input(schema: Any) -> Any:
    """An input to begin with: every key of the schema, with a value of its type."""
    if not isinstance(schema, Mapping):
        return {}
    properties = schema.get("properties")
    if schema.get("type") != "object" or not isinstance(properties, Mapping):
        return example(schema)
    return {name: _sample(name, part, schema) for name, part in properties.items()}


def _sample(name: str, part: Any, root: Mapping[str, Any]) -> Any:
    if name == "messages":
        return [{"role": "user", "content": "Hello"}]
    if not isinstance(part, Mapping):
        return "..."
    given = {key: value for key, value in part.items() if key != "default" or value is not None}
    definitions = {key: root[key] for key in ("$defs", "definitions") if key in root}
    return example({**definitions, **given})


# --- a thread, an interrupt --------------------------------------------------------------------


async def thread_page(call: Call[Any, Any], thread_id: str) -> Json:
    """All that a thread's page shows. Raises 404."""
    server = call.server
    filters = await call.authorise("threads", "read", {"thread_id": thread_id})
    thread = await server.threads.find(thread_id, filters)
    runs = await server.do(FindRuns(thread_id, limit=RUNS_SHOWN))
    steps = server.threads.history(thread, {}, limit=STEPS_SHOWN, before=None, metadata=None)
    return {
        "thread": thread,
        "graph_id": graph_of(thread),
        "values": await values_of(call, thread),
        "questions": await _questions(call, thread_id),
        "steps": [step async for step in steps],
        "runs": runs,
        "busy": any(run.status in _IN_FLIGHT for run in runs),
    }


async def values_of(call: Call[Any, Any], thread: Thread) -> Any:
    """What a thread holds now, or None."""
    state = await call.server.threads.snapshot(thread.thread_id, graph_of(thread))
    return None if state is None else state.values


async def _questions(call: Call[Any, Any], thread_id: str) -> Sequence[Question]:
    query = FindQuestions(statuses=STATUSES, thread_ids=[thread_id], order="desc", limit=100)
    found: Sequence[Question] = (await call.server.interrupts.alist(query)).rows
    return found


async def question_page(call: Call[Any, Any], question: Question) -> Json:
    """What is shown around an interrupt: its thread's values, the run that carries its answer, and what
    the program asks next."""
    row, thread = question
    runs: Sequence[Run] = await call.server.do(FindRuns(row.thread_id, limit=RUNS_SHOWN))
    run = next((run for run in runs if row.id in run.accepted), None)
    others = await _questions(call, row.thread_id)
    return {
        "row": row,
        "thread": thread,
        "graph_id": graph_of(thread),
        "values": await values_of(call, thread),
        "run": run,
        "busy": run is not None and run.status in _IN_FLIGHT,
        "next_open": [each for each, _ in others if each.status == "open" and each.id != row.id],
        "keyed": is_keyed(call),
    }
