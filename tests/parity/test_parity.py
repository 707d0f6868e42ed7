"""The same program observes the same on Caesura and on LangGraph.

One test for each program, colour and saver. ``PARITY_JUDGE_ONLY=1`` checks only that the programs
themselves are sound: each runs on LangGraph and records at least two observations.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from .harness import Case, Outcome, compare, deviations, discover, run_sides

pytestmark = pytest.mark.parity

CASES = discover()
JUDGE_ONLY = bool(os.environ.get("PARITY_JUDGE_ONLY"))
COMPATIBILITY = Path(__file__).resolve().parents[2] / "docs" / "compatibility.md"


@pytest.fixture(scope="session")
def outcomes(request: pytest.FixtureRequest) -> dict[str, dict[str, Outcome]]:
    """Both sides' outcomes of the cases selected in this session, run once."""
    specs = [getattr(item, "callspec", None) for item in request.session.items]
    params = [spec.params.get("case") for spec in specs if spec is not None]
    selected = [param for param in params if isinstance(param, Case)]
    return run_sides(selected, ("judge",) if JUDGE_ONLY else ("judge", "caesura"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.key)
def test_both_sides_observe_the_same(case: Case, outcomes: dict[str, dict[str, Outcome]]) -> None:
    judge = outcomes["judge"][case.key]
    if judge.crash and "No module named 'langgraph" in judge.crash:
        pytest.skip("langgraph is not installed")
    if JUDGE_ONLY:
        assert judge.crash is None, judge.crash
        assert len(judge.observations) >= 2
        return
    difference = compare(case, judge, outcomes["caesura"][case.key])
    if difference is not None:
        pytest.fail(difference, pytrace=False)


@pytest.mark.skipif(JUDGE_ONLY, reason="says nothing about the programs")
def test_every_deviation_is_listed_on_the_compatibility_page() -> None:
    page = COMPATIBILITY.read_text(encoding="utf-8") if COMPATIBILITY.exists() else ""
    assert [key for key in deviations(CASES) if f"`{key}`" not in page] == []


def test_there_are_at_least_seventy_programs() -> None:
    assert len({case.program for case in CASES}) >= 70
