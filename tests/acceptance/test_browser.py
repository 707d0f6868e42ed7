"""A web page with React's `useStream`, in Chromium: it starts a run, shows the question, answers.

The page comes from another origin than the server, which lets that origin in by its configuration.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from .node import run_node
from .server import Server


def browser() -> str:
    """Where Chromium or Chrome is; empty if it is not installed: the test brings one."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((path for name in names if (path := shutil.which(name))), "")


def test_a_person_starts_a_run_in_the_browser_sees_the_question_and_approves(
    server: Server, page_port: int, tmp_path: Path
) -> None:
    screenshot = tmp_path / "paused.png"
    [shown] = run_node("browser.mjs", server.url, str(page_port), browser(), str(screenshot))
    assert shown["paused"] == {
        "question": "approve?",
        "draft": "draft about cats",
        "log": "draft",
    }
    assert shown["done"] == {"log": "draft, approve, publish:yes", "error": "", "waiting": 0}
    assert shown["problems"] == []
    assert screenshot.stat().st_size > 0
