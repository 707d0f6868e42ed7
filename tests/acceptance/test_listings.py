"""The client listings of LangGraph's page on human-in-the-loop, run as they stand on that page.

Replaced are only the placeholders <DEPLOYMENT_URL> and <THREAD_ID>. The graph is the page's too.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from .node import JS, installed_packages
from .server import Server, free_port

GRAPH = """\
from typing import TypedDict
import uuid

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.constants import START
from langgraph.graph import StateGraph
# highlight-next-line
from langgraph.types import interrupt, Command

class State(TypedDict):
    some_text: str

def human_node(state: State):
    # highlight-next-line
    value = interrupt( # (1)!
        {
            "text_to_revise": state["some_text"] # (2)!
        }
    )
    return {
        "some_text": value # (3)!
    }


# Build the graph
graph_builder = StateGraph(State)
graph_builder.add_node("human_node", human_node)
graph_builder.add_edge(START, "human_node")

graph = graph_builder.compile()
"""

PYTHON = """\
from langgraph_sdk import get_client
# highlight-next-line
from langgraph_sdk.schema import Command
client = get_client(url=<DEPLOYMENT_URL>)

# Using the graph deployed with the name "agent"
assistant_id = "agent"

# create a thread
thread = await client.threads.create()
thread_id = thread["thread_id"]

# Run the graph until the interrupt is hit.
result = await client.runs.wait(
    thread_id,
    assistant_id,
    input={"some_text": "original text"}   # (1)!
)

print(result['__interrupt__']) # (2)!
# > [
# >     {
# >         'value': {'text_to_revise': 'original text'},
# >         'resumable': True,
# >         'ns': ['human_node:fc722478-2f21-0578-c572-d9fc4dd07c3b'],
# >         'when': 'during'
# >     }
# > ]


# Resume the graph
print(await client.runs.wait(
    thread_id,
    assistant_id,
    # highlight-next-line
    command=Command(resume="Edited text")   # (3)!
))
# > {'some_text': 'Edited text'}
"""

JAVASCRIPT = """\
import { Client } from "@langchain/langgraph-sdk";
const client = new Client({ apiUrl: <DEPLOYMENT_URL> });

// Using the graph deployed with the name "agent"
const assistantID = "agent";

// create a thread
const thread = await client.threads.create();
const threadID = thread["thread_id"];

// Run the graph until the interrupt is hit.
const result = await client.runs.wait(
  threadID,
  assistantID,
  { input: { "some_text": "original text" } }   // (1)!
);

console.log(result['__interrupt__']); // (2)!
// > [
// >     {
// >         'value': {'text_to_revise': 'original text'},
// >         'resumable': True,
// >         'ns': ['human_node:fc722478-2f21-0578-c572-d9fc4dd07c3b'],
// >         'when': 'during'
// >     }
// > ]

// Resume the graph
console.log(await client.runs.wait(
    threadID,
    assistantID,
    // highlight-next-line
    { command: { resume: "Edited text" }}   // (3)!
));
// > {'some_text': 'Edited text'}
"""

CURL = [
    r"""
curl --request POST \
--url <DEPLOYMENT_URL>/threads \
--header 'Content-Type: application/json' \
--data '{}'
""",
    r"""
curl --request POST \
--url <DEPLOYMENT_URL>/threads/<THREAD_ID>/runs/wait \
--header 'Content-Type: application/json' \
--data "{
  \"assistant_id\": \"agent\",
  \"input\": {\"some_text\": \"original text\"}
}"
""",
    r"""
curl --request POST \
--url <DEPLOYMENT_URL>/threads/<THREAD_ID>/runs/wait \
--header 'Content-Type: application/json' \
--data "{
  \"assistant_id\": \"agent\",
  \"command\": {
    \"resume\": \"Edited text\"
  }
}"
""",
]

QUESTION = {"text_to_revise": "original text"}
ANSWERED = {"some_text": "Edited text"}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server whose `agent` is the graph of the page."""
    directory = tmp_path_factory.mktemp("listings") / "project"
    directory.mkdir()
    (directory / "page.py").write_text(GRAPH)
    config = {"dependencies": ["."], "graphs": {"agent": "./page.py:graph"}}
    (directory / "langgraph.json").write_text(json.dumps(config))
    server = Server(directory, free_port())
    try:
        server.start()
        yield server.url
    finally:
        server.stop()


def run_python(listing: str) -> None:
    """Runs code that awaits at its top level, as a notebook does."""
    code = compile(listing, "listing", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    scope: dict[str, Any] = {}

    async def run() -> None:
        result = eval(code, scope)
        if inspect.isawaitable(result):
            await result
        await scope["client"].aclose()

    asyncio.run(run())


def test_the_python_listing_pauses_and_goes_on(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run_python(PYTHON.replace("<DEPLOYMENT_URL>", repr(url)))
    interrupts, result = (ast.literal_eval(line) for line in capsys.readouterr().out.splitlines())
    assert [one["value"] for one in interrupts] == [QUESTION]
    assert result == ANSWERED


def test_the_javascript_listing_pauses_and_goes_on(url: str) -> None:
    installed_packages()
    done = subprocess.run(
        ["node", "--input-type=module"],
        input=JAVASCRIPT.replace("<DEPLOYMENT_URL>", json.dumps(url)),
        cwd=JS,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "{ text_to_revise: 'original text' }" in done.stdout
    assert done.stdout.endswith("{ some_text: 'Edited text' }\n")


def run_curl(listing: str, url: str, thread: str) -> Any:
    command = listing.replace("<DEPLOYMENT_URL>", url).replace("<THREAD_ID>", thread)
    done = subprocess.run(
        ["bash", "-ec", command], capture_output=True, text=True, timeout=60, check=True
    )
    return json.loads(done.stdout)


def test_the_curl_listings_pause_and_go_on(url: str) -> None:
    create, run, resume = CURL
    thread = run_curl(create, url, "")["thread_id"]
    paused = run_curl(run, url, thread)
    assert paused["some_text"] == "original text"
    assert [one["value"] for one in paused["__interrupt__"]] == [QUESTION]
    assert run_curl(resume, url, thread) == ANSWERED
