"""What was measured, as a Markdown table and as a plot in SVG; and both into `docs/`."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
SAVERS = {
    "none": "none",
    "memory": "memory",
    "sqlite": "SQLite",
    "sqlite-full": "SQLite, full",
    "sqlite-default": "SQLite, as it comes",
    "postgres": "Postgres",
    "": "",
}
_LARGER = {"µs": ("ms", 1000), "ms": ("s", 1000), "bytes": ("kB", 1024), "kB": ("MB", 1024)}


def shown(value: float | None, unit: str) -> str:
    """A number for people: three digits and a unit that fits."""
    if value is None:
        return "-"
    while unit in _LARGER and value >= 1.5 * _LARGER[unit][1]:
        unit, value = _LARGER[unit][0], value / _LARGER[unit][1]
    digits = 0 if value >= 100 or unit == "bytes" else 1
    return f"{value:,.{digits}f} {unit}"


def times(ratio: float | None) -> str:
    """A ratio; nothing for none."""
    return "" if ratio is None else f"{ratio:.{0 if ratio >= 100 else 1 if ratio >= 1 else 2}f}"


def table(rows: Sequence[dict[str, Any]]) -> str:
    """The rows as a Markdown table."""
    lines = [
        "| workload | measured | saver | form | Caesura | LangGraph | ratio | CPU ratio |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        values = (shown(row[package], row["unit"]) for package in ("caesura", "langgraph"))
        ratios = (times(row[name]) for name in ("ratio", "cpu_ratio"))
        where = (row["title"], row["measure"], SAVERS[row["saver"]], row["colour"])
        lines.append(f"| {' | '.join((*where, *values, *ratios))} |")
    return "\n".join(lines)


def caption(found: dict[str, Any]) -> str:
    """When, where and how often."""
    machine = ", ".join(f"{name} {value}" for name, value in found["machine"].items())
    rounds = "One round" if found["rounds"] == 1 else f"Medians of {found['rounds']} rounds"
    return f"{rounds}. {machine}."


# --- the plot --------------------------------------------------------------------------------

_LEFT, _WIDE, _LINE, _TOP = 330, 580, 17, 66
_COLOURS = {
    "none": "#9aa5b1",
    "memory": "#4c9f70",
    "sqlite": "#2f6db5",
    "sqlite-full": "#7fa8d6",
    "sqlite-default": "#2f6db5",
    "postgres": "#8a5bb0",
    "": "#c98a2b",
}


def plot(rows: Sequence[dict[str, Any]]) -> str:
    """How many times as much LangGraph takes: one bar a row, on a logarithmic scale.

    Of times, the processor's: other programs on the machine change it least.
    """
    bars = [row | {"bar": row["cpu_ratio"] or row["ratio"]} for row in _first_forms(rows)]
    bars = [row for row in bars if row["bar"] is not None]
    ratios = [row["bar"] for row in bars]
    least = 10 ** math.floor(math.log10(min([1.0, *ratios])))
    most = 10 ** math.ceil(math.log10(max([10.0, *ratios])))
    high, wide = _TOP + _LINE * len(bars) + 12, _LEFT + _WIDE + 70

    def across(ratio: float) -> float:
        return _LEFT + _WIDE * math.log(ratio / least) / math.log(most / least)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" '
        'font-family="sans-serif" font-size="11" role="img">',
        f'<rect width="{wide}" height="{high}" fill="#ffffff"/>',
        '<text x="8" y="18" font-size="14">LangGraph ÷ Caesura: CPU time, bytes, memory</text>',
        *_legend(bars),
        *_grid(across, least, most, high),
    ]
    for number, row in enumerate(bars):
        parts.extend(_bar(row, _TOP + number * _LINE, across))
    return "\n".join([*parts, "</svg>", ""])


def _first_forms(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """What there is sync and async, sync only."""
    first: dict[tuple[str, ...], dict[str, Any]] = {}
    for row in rows:
        first.setdefault((row["title"], row["measure"], row["saver"]), row)
    return list(first.values())


def _legend(bars: Sequence[dict[str, Any]]) -> list[str]:
    parts = []
    for number, saver in enumerate(dict.fromkeys(row["saver"] for row in bars)):
        x = 8 + number * 95
        parts.append(f'<rect x="{x}" y="29" width="10" height="10" fill="{_COLOURS[saver]}"/>')
        name = {"": "package", "none": "no saver"}.get(saver, SAVERS[saver])
        parts.append(f'<text x="{x + 14}" y="38">{name}</text>')
    return parts


def _grid(across: Any, least: float, most: float, high: int) -> list[str]:
    parts, mark = [], least
    while mark <= most * 1.01:
        x, colour = across(mark), "#555555" if abs(mark - 1) < 0.01 else "#dddddd"
        parts.append(f'<path d="M{x:.1f} {_TOP - 6}V{high - 8}" stroke="{colour}"/>')
        parts.append(
            f'<text x="{x:.1f}" y="{_TOP - 9}" text-anchor="middle" fill="#555555">{mark:g}×</text>'
        )
        mark *= 10
    return parts


def _bar(row: dict[str, Any], y: int, across: Any) -> list[str]:
    start, end = sorted((across(1.0), across(row["bar"])))
    label = escape(f"{row['title']}: {row['measure']}".replace("`", ""))
    return [
        f'<text x="{_LEFT - 8}" y="{y + 11}" text-anchor="end">{label}</text>',
        f'<rect x="{start:.1f}" y="{y + 2}" width="{max(end - start, 1):.1f}" height="{_LINE - 5}" '
        f'fill="{_COLOURS[row["saver"]]}"/>',
        f'<text x="{end + 5:.1f}" y="{y + 11}">{times(row["bar"])}</text>',
    ]


# --- the page --------------------------------------------------------------------------------


def write_docs(found: dict[str, Any], folder: Path) -> None:
    """Put the table into `benchmarks.md`, between its two marks, and the plot beside it."""
    page = folder / "benchmarks.md"
    text = page.read_text(encoding="utf-8")
    measured = f"{BEGIN}\n{caption(found)}\n\n{table(found['rows'])}\n{END}"
    pattern = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
    if not pattern.search(text):
        raise SystemExit(f"{page} has no lines {BEGIN} and {END} to write between.")
    page.write_text(pattern.sub(lambda _: measured, text), encoding="utf-8")
    (folder / "benchmarks.svg").write_text(plot(found["rows"]), encoding="utf-8")
