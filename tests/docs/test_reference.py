"""The reference pages say what there is: every route, key, variable and option, and no others."""

from __future__ import annotations

import dataclasses
import inspect
import re
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

import click
import pytest
import typer
from tests.acceptance.deviations import DEVIATIONS
from tools import reference

from caesura.cli.app import app
from caesura.cli.serving import add_commands
from caesura.server.project.environment import Environment
from caesura.server.project.sections import IGNORED, Config
from caesura.server.resources import all_endpoints

REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference"
INTERNAL = {"graphs.*.variable"}
"""Parts of a text that people write as a whole: ``file.py:variable``."""


def page(name: str) -> str:
    return (REFERENCE / f"{name}.md").read_text(encoding="utf-8")


def rows(text: str) -> list[list[str]]:
    """The cells of all rows of all tables, their heads left out."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return [row for row in cells if "---" not in row[0]]


def quoted(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


# --- routes ------------------------------------------------------------------------------------

ROUTES = "# All routes\n"


def route_tables() -> str:
    """The tables of all routes: a heading a tag, a line a route."""
    tables: dict[str, list[str]] = {}
    for each in all_endpoints():
        row = f"| `{each.method} {each.path}` | {each.summary} |"
        tables.setdefault(each.tag, ["| route | |", "|---|---|"]).append(row)
    return "".join(f"\n## {tag}\n\n" + "\n".join(rows) + "\n" for tag, rows in tables.items())


def test_the_page_of_the_api_lists_every_route_with_its_summary_under_its_heading() -> None:
    listed = page("http-api").split(ROUTES)[1]
    assert listed == route_tables(), "write it anew: python -m tests.docs.test_reference"


# --- configuration -----------------------------------------------------------------------------


def keys_of(section: type, above: str = "") -> Iterator[tuple[str, Any]]:
    """Each key with its dots, and its default."""
    hints = get_type_hints(section, include_extras=True)
    for field in dataclasses.fields(section):
        path = f"{above}{field.name}"
        inner, many = _section(hints[field.name])
        if inner is not None:
            if many:
                yield path, {}
            yield from keys_of(inner, f"{path}.*." if many else f"{path}.")
        else:
            made = field.default_factory
            default = field.default if made is dataclasses.MISSING else made()
            yield path, default


def _section(tp: Any) -> tuple[type | None, bool]:
    arms = get_args(tp) if get_origin(tp) in (Union, types.UnionType) else (tp,)
    for arm in arms:
        if isinstance(arm, type) and dataclasses.is_dataclass(arm):
            return arm, False
        args = get_args(arm)
        if len(args) == 2 and isinstance(args[1], type) and dataclasses.is_dataclass(args[1]):
            return args[1], True
    return None, False


def configuration() -> dict[str, str]:
    """Key → what the page says is its default."""
    text = page("server-configuration").split("## Environment")[0]
    return {quoted(row[0])[0]: row[1] for row in rows(text) if quoted(row[0])}


def test_the_page_of_the_configuration_lists_every_key_and_no_other() -> None:
    assert set(configuration()) == {key for key, _ in keys_of(Config)} - INTERNAL


def test_the_page_of_the_configuration_tells_the_defaults() -> None:
    shown = configuration()
    wrong = {}
    for key, default in keys_of(Config):
        if isinstance(default, bool | int) and f"`{str(default).lower()}`" != shown[key]:
            wrong[key] = default
        if isinstance(default, str) and f'`"{default}"`' != shown[key]:
            wrong[key] = default
    assert wrong == {}


def test_the_page_of_the_configuration_lists_the_keys_that_mean_nothing_here() -> None:
    text = page("server-configuration").split("## Keys of other servers")[1]
    assert set(quoted(text)) == IGNORED


def test_the_page_of_the_configuration_lists_every_variable_with_its_default() -> None:
    text = page("server-configuration").split("## Environment")[1].split("\n## ")[0]
    shown = {quoted(row[0])[0]: row[1] for row in rows(text) if quoted(row[0])}
    source = inspect.getsource(Environment)
    described = re.findall(r"    (\w+): [^\n]*\n    \"\"\"``([A-Z_]+)``", source)
    assert {name for _, name in described} <= set(shown)
    for attribute, name in described:
        default = getattr(Environment(), attribute)
        if isinstance(default, int | float):
            assert shown[name] == f"`{default:g}`", name


# --- command line ------------------------------------------------------------------------------


def commands() -> dict[str, click.Command]:
    """Every command that does something, by the words that call it."""
    root = typer.Typer()
    root.registered_commands = [*app.registered_commands]
    root.registered_groups = [*app.registered_groups]
    if not any(command.callback is not None and command.callback.__name__ == "serve"
               for command in root.registered_commands):  # fmt: skip
        add_commands(root)
    return dict(_leaves(typer.main.get_command(root), "caesura"))


def _leaves(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    inner = getattr(command, "commands", None)
    if not inner:
        yield name, command
    for word, each in (inner or {}).items():
        yield from _leaves(each, f"{name} {word}")


COMMANDS = commands()


def sections() -> dict[str, str]:
    """Command → its part of the page."""
    parts = re.split(r"^## (caesura .*)$", page("command-line"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_the_page_of_the_command_line_has_a_part_for_every_command_and_no_other() -> None:
    assert set(sections()) == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_commands_part_of_the_page_lists_its_options_and_their_defaults(name: str) -> None:
    text = sections()[name].split("\n# ")[0]
    shown = {tuple(quoted(row[0])): row[1] for row in rows(text) if quoted(row[0])}
    options = [p for p in COMMANDS[name].params if getattr(p, "param_type_name", "") == "option"]
    assert set(shown) == {tuple(p.opts) for p in options}
    for option in options:
        if isinstance(option.default, str | int | Path) and not isinstance(option.default, bool):
            assert shown[tuple(option.opts)] == f"`{option.default}`", option.opts


# --- the library -------------------------------------------------------------------------------


def test_the_page_of_the_library_says_what_the_docstrings_say() -> None:
    assert page("library") == reference.page(), "write it anew: python -m tools.reference"


def test_every_public_name_of_the_library_says_what_it_is() -> None:
    assert reference.undocumented() == []


# --- deviations --------------------------------------------------------------------------------


def test_the_page_on_compatibility_lists_the_reasons_of_all_deviations_and_no_others() -> None:
    text = (REFERENCE.parent / "compatibility.md").read_text(encoding="utf-8")
    part = text.split("### What the recorded conversations show")[1].split("\n### ")[0]
    listed = re.findall(r"^- (.+(?:\n  .+)*)$", part, re.MULTILINE)
    assert {" ".join(item.split()) for item in listed} == set(DEVIATIONS.values())


if __name__ == "__main__":
    kept = page("http-api").split(ROUTES)[0]
    (REFERENCE / "http-api.md").write_text(kept + ROUTES + route_tables(), encoding="utf-8")
