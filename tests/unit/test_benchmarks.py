"""The benchmarks run, and both packages compute the same in them. No time is looked at."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from benchmarks.__main__ import IMPORT, Case, cases, one_each, rows_of, unequal
from benchmarks.report import BEGIN, END, plot, shown, table, write_docs
from benchmarks.workloads import WORKLOADS

ROOT = Path(__file__).parents[2]
LOOP = Case("loop", "sqlite", "sync")


def outcome(ours: float, theirs: float, **results: Any) -> dict[str, Any]:
    """What one round of the loop gives: seconds on the clock, half of them of the processor."""
    return {
        package: {
            "measures": {"a step": [value, value / 2]},
            "result": results.get(package, "same"),
        }
        for package, value in (("caesura", ours), ("langgraph", theirs))
    }


@pytest.mark.slow
def test_every_workload_runs_on_both_packages_with_equal_results(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks", "--short", "--json", str(tmp_path / "found")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "found").read_text())
    assert found["unequal"] == []
    measured = {(row["workload"], row["measure"]) for row in found["rows"]}
    expected = {(name, what) for name, each in WORKLOADS.items() for what in each.measures}
    assert measured == expected | {("import", "a process")}
    assert all(row["caesura"] > 0 and row["langgraph"] > 0 for row in found["rows"])


def test_a_short_run_has_every_workload_once_and_every_saver() -> None:
    chosen = one_each(cases(["import", *WORKLOADS]))
    assert [case.workload for case in chosen] == ["import", *WORKLOADS]
    assert {case.saver for case in chosen} >= {"none", "memory", "sqlite", "postgres"}
    assert {case.colour for case in chosen} >= {"sync", "async"}


def test_a_large_run_has_ten_times_as_many_waiting_threads_and_is_else_as_a_full_one() -> None:
    more = {name: each.sized("large") / each.sized("full") for name, each in WORKLOADS.items()}
    assert {name: times for name, times in more.items() if times != 1} == {"waiting": 10}


def test_results_that_differ_in_any_round_are_told() -> None:
    rounds = [outcome(1, 2), outcome(1, 2, langgraph="other")]
    assert unequal({LOOP: rounds, IMPORT: [outcome(1, 2)]}) == ["loop sqlite sync"]


def test_a_row_has_the_medians_of_both_and_how_many_times_as_much_langgraph_takes() -> None:
    (row,) = rows_of(LOOP, [outcome(1, 9), outcome(3, 12), outcome(2, 20)], "full")
    assert (row["caesura"], row["langgraph"], row["ratio"], row["cpu_ratio"]) == (2, 12, 6, 6)
    assert "| one node, 300 steps | a step | SQLite | sync | 2.0 µs | 12.0 µs | 6.0 | 6.0 |" in (
        table([row])
    )


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (1.25, "µs", "1.2 µs"),
        (1499, "µs", "1,499 µs"),
        (2_500_000, "µs", "2.5 s"),
        (99, "bytes", "99 bytes"),
    ],
)
def test_numbers_have_a_unit_that_fits(value: float, unit: str, text: str) -> None:
    assert shown(value, unit) == text


def test_the_page_keeps_its_text_and_gets_a_new_table_and_a_plot(tmp_path: Path) -> None:
    page = tmp_path / "benchmarks.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    rows = rows_of(LOOP, [outcome(1, 9)], "full") + rows_of(IMPORT, [imported()], "full")
    write_docs({"machine": {"Python": "3"}, "rounds": 1, "rows": rows}, tmp_path)
    text = page.read_text()
    assert text.startswith(f"before\n{BEGIN}\n")
    assert text.endswith(f"{END}\nafter\n")
    assert table(rows) in text
    assert "old" not in text
    drawn = (tmp_path / "benchmarks.svg").read_text()
    assert drawn == plot(rows)
    assert (
        len(ElementTree.fromstring(drawn).findall(".//{*}rect")) == 1 + 2 + 2
    )  # page, names, bars


def imported() -> dict[str, Any]:
    """What one round of imports gives."""
    return {
        package: {"measures": {"a process": value}, "result": None}
        for package, value in (("caesura", 80.0), ("langgraph", 900.0))
    }


def test_a_page_without_a_place_for_the_table_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "benchmarks.md").write_text("text")
    with pytest.raises(SystemExit, match="has no lines"):
        write_docs({"machine": {}, "rounds": 1, "rows": []}, tmp_path)
    assert (tmp_path / "benchmarks.md").read_text() == "text"
