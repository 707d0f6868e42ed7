"""The comparison itself: what counts as the same, and that a difference is never missed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from . import harness
from .harness import Case, Outcome, compare, discover, run_side
from .normalise import Placeholders, encode, render

CASE = Case("program", "sync", "memory")
ONE, TWO = "0f8fad5b-d9cb-469f-a165-70867728950e", "7c9e6679-7425-40de-944b-e07fc1f90ae7"


def outcome(**observations: Any) -> Outcome:
    return Outcome([(name, encode(value)) for name, value in observations.items()])


def difference(judge: Outcome, caesura: Outcome, **deviations: str) -> str | None:
    return compare(Case("program", "sync", "memory", deviations), judge, caesura)


def test_other_ids_are_the_same_if_they_are_equal_in_the_same_places() -> None:
    assert difference(outcome(a=[ONE, TWO, ONE]), outcome(a=[TWO, ONE, TWO])) is None


def test_ids_that_are_equal_in_other_places_differ() -> None:
    assert difference(outcome(a=[ONE, TWO, ONE]), outcome(a=[ONE, TWO, TWO])) is not None


def test_an_id_is_followed_from_one_observation_to_the_next() -> None:
    assert difference(outcome(a=ONE, b=ONE), outcome(a=ONE, b=TWO)) is not None


def test_the_order_of_a_dict_does_not_count_even_if_its_keys_are_ids() -> None:
    judge = outcome(a={"x": ONE, "y": TWO}, b=ONE)
    assert difference(judge, outcome(a={"y": ONE, "x": TWO}, b=TWO)) is None


def test_a_tuple_is_no_list_and_true_is_not_one() -> None:
    assert difference(outcome(a=(1,)), outcome(a=[1])) is not None
    assert difference(outcome(a=True), outcome(a=1)) is not None


def test_times_addresses_and_versions_do_not_count() -> None:
    judge = outcome(
        a=["2024-01-02T03:04:05.678+00:00", "<f at 0x7f00deadbeef>", "0" * 31 + "1.0.5"]
    )
    caesura = outcome(a=["2025-11-12T13:14:15Z", "<f at 0x7f11deadbee0>", "0" * 31 + "2.0.7"])
    assert difference(judge, caesura) is None


def test_exceptions_are_compared_by_the_name_of_their_class_and_their_message() -> None:
    assert difference(outcome(a=ValueError("x")), outcome(a=ValueError("x"))) is None
    assert difference(outcome(a=ValueError("x")), outcome(a=TypeError("x"))) is not None
    assert difference(outcome(a=ValueError("x")), outcome(a=ValueError("y"))) is not None


def test_objects_are_compared_by_class_name_and_public_fields() -> None:
    @dataclass
    class Point:
        x: int

    @dataclass
    class Other:
        x: int

    assert difference(outcome(a=Point(1)), outcome(a=Point(1))) is None
    assert difference(outcome(a=Point(1)), outcome(a=Point(2))) is not None
    assert difference(outcome(a=Point(1)), outcome(a=Other(1))) is not None


def test_an_observation_that_one_side_lacks_is_a_difference() -> None:
    assert difference(outcome(a=1, b=2), outcome(a=1)) is not None
    assert difference(outcome(a=1), outcome(a=1, b=2)) is not None


def test_a_crash_on_one_side_is_a_difference() -> None:
    crashed = Outcome([("a", 1)], "Traceback: boom")
    assert "boom" in (difference(outcome(a=1), crashed) or "")
    assert "boom" in (difference(crashed, outcome(a=1)) or "")


def test_the_report_names_the_first_observation_and_shows_both_sides() -> None:
    report = difference(outcome(a=1, b={"k": "left"}, c=1), outcome(a=1, b={"k": "right"}, c=2))
    assert report is not None
    assert "'b' differs" in report
    assert "-{'k': 'left'}" in report
    assert "+{'k': 'right'}" in report
    assert "1 more differ: c" in report


def test_a_deviation_must_differ() -> None:
    assert difference(outcome(a=1, b=2), outcome(a=9, b=2), a="meant") is None
    agreeing = difference(outcome(a=1, b=2), outcome(a=1, b=2), a="meant")
    assert "both sides agree: ['a']" in (agreeing or "")


def test_a_deviation_must_name_an_observation() -> None:
    assert "no observation" in (difference(outcome(a=1), outcome(a=1), zz="meant") or "")


def test_a_deviation_does_not_hide_another_difference() -> None:
    report = difference(outcome(a=1, b=2), outcome(a=9, b=3), a="meant")
    assert "'b' differs" in (report or "")


def test_a_deviation_does_not_shift_the_numbers_of_ids() -> None:
    assert difference(outcome(a=ONE, b=TWO), outcome(a="none", b=ONE), a="meant") is None


def test_a_deviation_can_be_limited_to_a_colour_or_a_saver() -> None:
    limited = Case(
        "program", "async", "sqlite", {"a@async": "", "b@memory": "", "c@async@sqlite": ""}
    )
    assert limited.deviation_names() == {"a", "c"}


def test_long_values_are_shown_one_item_a_line() -> None:
    text = render(Placeholders().apply(encode({"key": ["x" * 50, "y" * 50], "other": (1,)})))
    assert text.splitlines()[0] == "{"
    assert "  'key': [" in text.splitlines()
    assert "  'other': (1,)," in text.splitlines()


def test_programs_are_found_with_their_colours_and_savers(tmp_path: Path) -> None:
    (tmp_path / "both.py").write_text("def run(make_saver, record, drive): ...\n")
    (tmp_path / "one.py").write_text(
        "SAVERS = ('memory',)\nDEVIATIONS = {'a': 'why'}\nasync def run(make_saver, record): ...\n"
    )
    found = discover(tmp_path)
    assert [case.key for case in found] == [
        "both-sync-memory",
        "both-sync-sqlite",
        "both-sync-postgres",
        "both-async-memory",
        "both-async-sqlite",
        "both-async-postgres",
        "one-async-memory",
    ]
    assert found[-1].deviations == {"a": "why"}


def test_a_file_without_run_is_refused(tmp_path: Path) -> None:
    (tmp_path / "none.py").write_text("x = 1\n")
    with pytest.raises(ValueError, match="defines no run"):
        discover(tmp_path)


@pytest.mark.slow
def test_a_program_that_kills_its_worker_is_reported_and_the_rest_still_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.py").write_text("def run(make_saver, record): record('x', 1)\n")
    (tmp_path / "b.py").write_text("import os\ndef run(make_saver, record): os._exit(3)\n")
    (tmp_path / "c.py").write_text("def run(make_saver, record): 1 / 0\n")
    (tmp_path / "d.py").write_text("def run(make_saver, record): record('x', print('noise'))\n")
    monkeypatch.setattr(harness, "PROGRAMS", tmp_path)
    outcomes = run_side("judge", [Case(name, "sync", "memory") for name in "abcd"])
    assert outcomes["a-sync-memory"] == Outcome([("x", 1)], None)
    assert "worker died" in (outcomes["b-sync-memory"].crash or "")
    assert "ZeroDivisionError" in (outcomes["c-sync-memory"].crash or "")
    assert outcomes["d-sync-memory"] == Outcome([("x", None)], None)
