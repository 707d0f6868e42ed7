"""What every form for an answer needs, at a terminal or on a page: one field, and reading its text.

A terminal asks field by field; a page shows all at once. Both take their rules from here:
what a text means for a kind of field (`value_of`), what a schema says after its references are followed
(`resolved`), what an alternative is called, and what an answer may look like (`example`). Pure.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from caesura.schemas.checking import check_json

Kind = Literal["choice", "boolean", "integer", "number", "text", "json", "anything"]
Schema = Mapping[str, Any]

TRUE: Final = frozenset({"y", "yes", "true", "1", "on"})
FALSE: Final = frozenset({"n", "no", "false", "0", "off"})
NOTHING: Final = object()
"""The value of a part that was left out."""


@dataclass(frozen=True, slots=True)
class Field:
    """One thing to ask for: ``label`` names it, ``pointer`` is its place in the answer."""

    label: str
    kind: Kind
    pointer: str = ""
    choices: tuple[Any, ...] = ()
    """For a choice: the values, in the order of their numbers from 1."""
    labels: tuple[str, ...] = ()
    """What to show for each choice."""
    default: Any = NOTHING
    """The value of an empty text; `NOTHING` with ``required`` False: the part is left out."""
    required: bool = True
    help: str = ""
    problem: str | None = None
    """Why the last text was refused."""


class Refused(Exception):
    """A text that does not fit its field; the message says why."""


# --- reading a text -------------------------------------------------------------------------


def value_of(field: Field, text: str) -> Any:
    """The value that ``text`` means for ``field``. Raises `Refused` with the reason."""
    text = text.strip() if field.kind != "text" else text
    if not text:
        return _empty(field)
    return _READERS[field.kind](field, text)


def _empty(field: Field) -> Any:
    if field.default is not NOTHING:
        return field.default
    if not field.required:
        return NOTHING
    if field.kind == "text":
        return ""
    raise Refused("an answer is needed here")


def _read_choice(field: Field, text: str) -> Any:
    for value, label in zip(field.choices, field.labels, strict=True):
        if text in (label, shown(value)):
            return value
    if text.isdecimal() and 1 <= int(text) <= len(field.choices):
        return field.choices[int(text) - 1]
    matches = [
        value
        for value, label in zip(field.choices, field.labels, strict=True)
        if label.lower().startswith(text.lower())
    ]
    if len(matches) == 1:
        return matches[0]
    raise Refused(f"{text!r} is none of: {', '.join(field.labels)}")


def _read_boolean(field: Field, text: str) -> bool:
    word = text.lower()
    if word in TRUE:
        return True
    if word in FALSE:
        return False
    raise Refused(f"{text!r} is neither yes nor no")


def _read_integer(field: Field, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise Refused(f"{text!r} is no whole number") from None


def _read_number(field: Field, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise Refused(f"{text!r} is no number") from None
    if number != number or number in (float("inf"), float("-inf")):
        raise Refused(f"{text!r} is no number")
    return int(number) if number.is_integer() and "." not in text else number


def _read_json(field: Field, text: str) -> Any:
    try:
        return read_json(text)
    except ValueError as error:
        raise Refused(f"this is no JSON: {error}") from None
    except RecursionError:
        raise Refused("this is nested too deeply") from None


def read_anything(text: str) -> Any:
    """``text`` as JSON if it is that, else as it stands."""
    try:
        return read_json(text)
    except (ValueError, RecursionError):
        return text


def read_json(text: str) -> Any:
    """``text`` as strict JSON. Raises ValueError, also for NaN, infinities and halves of characters."""
    value = json.loads(text, parse_constant=_no_constant)
    if "\\u" in text:
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise ValueError("an escape stands for half of a character") from None
    return value


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON value")


_READERS: Final[dict[Kind, Callable[[Field, str], Any]]] = {
    "choice": _read_choice,
    "boolean": _read_boolean,
    "integer": _read_integer,
    "number": _read_number,
    "text": lambda field, text: text,
    "json": _read_json,
    "anything": lambda field, text: read_anything(text),
}


def shown(value: Any) -> str:
    """``value`` as a person reads it in a menu."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


# --- reading a schema -----------------------------------------------------------------------

KINDS: Final[dict[str, Kind]] = {
    "boolean": "boolean",
    "integer": "integer",
    "number": "number",
    "string": "text",
    "None": "anything",
}
"""A schema's ``type``, as text → the kind of field; what is not here is written as JSON."""


def resolved(schema: Schema, root: Schema) -> Schema:
    """``schema`` with references to the root's definitions followed, siblings kept."""
    seen: set[str] = set()
    while True:
        reference = schema.get("$ref")
        if reference is None and len(schema.get("allOf", ())) == 1:
            inner, key = schema["allOf"][0], "allOf"
        elif isinstance(reference, str) and reference not in seen:
            seen.add(reference)
            inner, key = _target(reference, root), "$ref"
        else:
            return schema
        schema = {**inner, **{name: value for name, value in schema.items() if name != key}}


def _target(reference: str, root: Schema) -> Schema:
    place: Any = root
    for step in reference.removeprefix("#").split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        place = place.get(name, {}) if isinstance(place, Mapping) else {}
    return place if isinstance(place, Mapping) else {}


def choice_of(field: Field, values: Sequence[Any]) -> Field:
    """``field`` as a menu of these values."""
    return replace(
        field, kind="choice", choices=tuple(values), labels=tuple(shown(value) for value in values)
    )


def errors_within(schema: Schema, value: Any, root: Schema) -> list[dict[str, str]]:
    """What in ``value`` does not fit ``schema``, which is a part of ``root``."""
    definitions = {key: root[key] for key in ("$defs", "definitions") if key in root}
    return check_json({**definitions, **schema}, value)


def option_name(option: Schema, root: Schema, place: int) -> str:
    """What tells this alternative from the others: its fixed value, its title, or its type."""
    for part in option.get("properties", {}).values():
        fixed = resolved(part, root) if isinstance(part, Mapping) else {}
        if "const" in fixed:
            return shown(fixed["const"])
    return str(option.get("title") or f"{option.get('type', 'other')} ({place})")


def example(schema: Schema | bool | None) -> Any:
    """An answer of the right shape, to show how one is written. It need not fit every limit."""
    if not isinstance(schema, Mapping):
        return "..."
    return _example(schema, schema, 0)


def _example(schema: Schema, root: Schema, depth: int) -> Any:
    schema = resolved(schema, root)
    for key in ("default", "const"):
        if key in schema:
            return schema[key]
    if schema.get("examples"):
        return schema["examples"][0]
    if schema.get("enum"):
        return schema["enum"][0]
    options = schema.get("anyOf") or schema.get("oneOf")
    if options and depth < 4:
        return _example(options[0], root, depth + 1)
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = kind[0]
    if kind == "object":
        required = schema.get("required", ())
        return {
            name: _example(part, root, depth + 1)
            for name, part in schema.get("properties", {}).items()
            if name in required and depth < 4 and isinstance(part, Mapping)
        }
    plain: dict[Any, Any] = {
        "boolean": True,
        "integer": 1,
        "number": 1.5,
        "array": [],
        "null": None,
    }
    return plain.get(kind, "...")
