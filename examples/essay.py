"""The functional API: an ordinary function that stops in the middle.

    caesura run examples/essay.py --input '"pauses"'

Each `@task` runs once; its result is stored, so the function may begin again from its first line
after the answer without writing the essay a second time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from caesura.func import entrypoint, task
from caesura.types import interrupt


@dataclass
class Verdict:
    """Is the essay good enough, and if not, what is missing?"""

    good: bool
    remark: str = ""


@task
def write(topic: str, remarks: list[str]) -> str:
    """Write about the topic, with the remarks in mind."""
    text = f"An essay about {topic}."
    return " ".join([text, *(f"It also considers {remark}." for remark in remarks)])


@entrypoint()
def essay(topic: str) -> dict[str, Any]:
    """Write, ask, and write again until a person is content."""
    remarks: list[str] = []
    while True:
        text = write(topic, remarks).result()
        verdict = interrupt({"essay": text}, response_schema=Verdict, title=f"Essay about {topic}")
        if verdict.good:
            return {"essay": text, "rounds": len(remarks) + 1}
        remarks = [*remarks, verdict.remark]
