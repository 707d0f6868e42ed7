"""A form for an answer, made from its JSON Schema; pure.

`fill` is a generator: it yields one `Field` at a time and is sent the text that was typed. A text
that does not fit yields the same field again, with the reason in ``problem``. In the end it returns
the whole answer. Whoever drives it prompts at a terminal, reads a list in a test, or renders a
page; no rule about schemas is anywhere else.

`parse` is the short way: one text for a whole answer, as in ``--answer ID=VALUE``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from caesura.schemas import check_json

Kind = Literal["choice", "boolean", "integer", "number", "text", "json", "anything"]
Schema = Mapping[str, Any]
Form = Generator["Field", str, Any]

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


# --- one field -------------------------------------------------------------------------------


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
        if text in (label, _shown(value)):
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
        return _json(text)
    except ValueError as error:
        raise Refused(f"this is no JSON: {error}") from None


def _read_anything(field: Field, text: str) -> Any:
    try:
        return _json(text)
    except ValueError:
        return text


def _json(text: str) -> Any:
    return json.loads(text, parse_constant=_no_constant)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON value")


_READERS: Final[dict[Kind, Callable[[Field, str], Any]]] = {
    "choice": _read_choice,
    "boolean": _read_boolean,
    "integer": _read_integer,
    "number": _read_number,
    "text": lambda field, text: text,
    "json": _read_json,
    "anything": _read_anything,
}


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


# --- a whole answer --------------------------------------------------------------------------


def fill(schema: Schema | bool | None, label: str = "Answer") -> Form:
    """Yield the fields of an answer one by one, be sent texts, return the answer.

    ``schema`` None: anything goes; a text that is JSON is read as JSON. An answer whose parts fit
    but which as a whole does not is asked for anew, with the reason on its first field.
    """
    if not isinstance(schema, Mapping):
        return (yield from _scalar({}, Field(label, "anything"), {}))
    problem: str | None = None
    while True:
        form = _part(schema, Field(label, "json"), schema)
        answer, asked = yield from _first_problem(form, problem)
        errors = check_json(dict(schema), answer)
        if not errors:
            return answer
        problem = reasons(errors)
        if (
            not asked
        ):  # nothing is left open, and yet it does not fit: the schema contradicts itself
            field = Field(label, "json", problem=problem)
            return (yield from _scalar(schema, field, schema))


def reasons(errors: Sequence[Mapping[str, str]]) -> str:
    """One line for a list of ``{"pointer", "message"}``."""
    return "; ".join(
        f"{error['pointer']}: {error['message']}" if error["pointer"] else error["message"]
        for error in errors
    )


def _first_problem(form: Form, problem: str | None) -> Generator[Field, str, tuple[Any, bool]]:
    """``form``, with ``problem`` shown on its first field; and whether it had a field at all."""
    asked = False
    try:
        field = next(form)
        asked = True
        if problem is not None:
            field = replace(field, problem=problem)
        while True:
            field = form.send((yield field))
    except StopIteration as done:
        return done.value, asked


def _part(schema: Schema, field: Field, root: Schema) -> Form:
    """The form of one part. ``field`` carries its label, place, and whether it may be left out."""
    schema = _resolved(schema, root)
    field = replace(
        field,
        help=field.help or str(schema.get("description", "")),
        default=schema.get("default", field.default),
    )
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return (yield from _scalar(schema, _choice(field, schema["enum"]), root))
    options = schema.get("anyOf") or schema.get("oneOf")
    if options:
        return (yield from _alternatives(options, field, root))
    kind = schema.get("type")
    if isinstance(kind, list):
        each = [{**schema, "type": one} for one in kind]
        return (yield from _alternatives(each, field, root))
    if kind == "object" and schema.get("properties"):
        return (yield from _object(schema, field, root))
    if kind == "array" and isinstance(schema.get("items"), Mapping):
        return (yield from _array(schema, field, root))
    return (yield from _scalar(schema, replace(field, kind=_KINDS.get(str(kind), "json")), root))


_KINDS: Final[dict[str, Kind]] = {
    "boolean": "boolean",
    "integer": "integer",
    "number": "number",
    "string": "text",
    "None": "anything",
}


def _resolved(schema: Schema, root: Schema) -> Schema:
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
        place = place.get(step.replace("~1", "/").replace("~0", "~"), {})
    return place if isinstance(place, Mapping) else {}


def _choice(field: Field, values: Sequence[Any]) -> Field:
    return replace(
        field, kind="choice", choices=tuple(values), labels=tuple(_shown(value) for value in values)
    )


def _scalar(schema: Schema, field: Field, root: Schema) -> Form:
    """Ask for one value until it fits its part of the schema."""
    while True:
        text = yield field
        try:
            value = value_of(field, text)
        except Refused as refusal:
            field = replace(field, problem=str(refusal))
            continue
        if value is NOTHING or (value is field.default and not text.strip()):
            return value  # left out, or null: that it may be is not said by this part
        errors = _errors(schema, value, root) if schema else []
        if not errors:
            return value
        field = replace(field, problem="; ".join(error["message"] for error in errors))


def _errors(schema: Schema, value: Any, root: Schema) -> list[dict[str, str]]:
    definitions = {key: root[key] for key in ("$defs", "definitions") if key in root}
    return check_json({**definitions, **schema}, value)


def _alternatives(options: Sequence[Any], field: Field, root: Schema) -> Form:
    """One of several schemas: may be empty if one is null; a menu if more than one is left."""
    resolved = [_resolved(option, root) for option in options if isinstance(option, Mapping)]
    real = [option for option in resolved if option.get("type") != "null"]
    if len(real) < len(resolved) and field.default is NOTHING:
        field = replace(field, default=None, required=False)
    if not real:
        return None
    if len(real) == 1:
        return (yield from _part(real[0], field, root))
    if all("const" in option for option in real):
        menu = _choice(field, [option["const"] for option in real])
        return (yield from _scalar({}, menu, root))
    named = {_option_name(option, root, place): option for place, option in enumerate(real, 1)}
    chosen = yield from _scalar({}, _choice(field, list(named)), root)
    if chosen is NOTHING or chosen is field.default:
        return chosen
    inner = replace(field, default=NOTHING, required=True, help="")
    return (yield from _part(named[chosen], inner, root))


def _option_name(option: Schema, root: Schema, place: int) -> str:
    """What tells this alternative from the others: its fixed value, its title, or its type."""
    for part in option.get("properties", {}).values():
        fixed = _resolved(part, root) if isinstance(part, Mapping) else {}
        if "const" in fixed:
            return _shown(fixed["const"])
    return str(option.get("title") or f"{option.get('type', 'other')} ({place})")


def _object(schema: Schema, field: Field, root: Schema) -> Form:
    """The properties in order. A part that may be left out as a whole is asked about first."""
    if not field.required and not (yield from _wanted(field)):
        return field.default
    required = set(schema.get("required", ()))
    answer: dict[str, Any] = {}
    for name, part in schema["properties"].items():
        below = Field(
            label=name if field.pointer == "" else f"{field.label} · {name}",
            kind="json",
            pointer=f"{field.pointer}/{name.replace('~', '~0').replace('/', '~1')}",
            required=name in required,
        )
        value = yield from _part(part if isinstance(part, Mapping) else {}, below, root)
        if value is not NOTHING:
            answer[name] = value
    return answer


def _wanted(field: Field, label: str | None = None) -> Generator[Field, str, bool]:
    question = Field(
        label=label or f"Give {field.label}?",
        kind="boolean",
        pointer=field.pointer,
        default=False,
        help=field.help,
    )
    return bool((yield from _scalar({}, question, {})))


def _array(schema: Schema, field: Field, root: Schema) -> Form:
    """Items one by one: plain ones end with an empty text, nested ones with a no."""
    if not field.required and not (yield from _wanted(field)):
        return field.default
    items = _resolved(schema["items"], root)
    least, most = schema.get("minItems", 0), schema.get("maxItems")
    nested = items.get("type") in ("object", "array") or "anyOf" in items or "oneOf" in items
    answer: list[Any] = []
    while most is None or len(answer) < most:
        number = len(answer) + 1
        more = number <= least
        below = Field(
            label=f"{field.label} · {number}",
            kind="json",
            pointer=f"{field.pointer}/{number - 1}",
            required=True,
            help=field.help if number == 1 else "",
        )
        if nested and not more and not (yield from _wanted(below, f"Add {below.label}?")):
            break
        if not nested and not more:
            below = replace(below, required=False, help=below.help or "empty: no more")
        value = yield from _item(items, below, root, nested or more)
        if value is NOTHING:
            break
        answer.append(value)
    return answer


def _item(items: Schema, below: Field, root: Schema, needed: bool) -> Form:
    """One item. For plain texts an empty line is the end of the list, never an empty item."""
    if not needed and "default" in items:
        items = {key: value for key, value in items.items() if key != "default"}
    return (yield from _part(items, below, root))


# --- one text for all ------------------------------------------------------------------------


def parse(schema: Schema | bool | None, text: str) -> tuple[Any, list[dict[str, str]]]:
    """The answer that ``text`` means, and what is wrong with it (empty: it fits).

    Tried in turn, the first that fits counts: the text as JSON, as it stands, and as it would be
    read in a form of one field (a choice's number, yes or no).
    """
    if not isinstance(schema, Mapping):
        return _read_anything(Field("", "anything"), text), []
    tried: list[tuple[Any, list[dict[str, str]]]] = []
    for candidate in _candidates(schema, text):
        errors = check_json(dict(schema), candidate)
        if not errors:
            return candidate, []
        tried.append((candidate, errors))
    return tried[0]


def _candidates(schema: Schema, text: str) -> list[Any]:
    found: list[Any] = []
    with suppress(ValueError):
        found.append(_json(text))
    found.append(text)
    form = _part(schema, Field("", "json"), schema)
    try:
        next(form)
        form.send(text)
    except StopIteration as done:
        if done.value is not NOTHING:
            found.append(done.value)
    return found


def example(schema: Schema | bool | None) -> Any:
    """An answer of the right shape, to show how one is written. It need not fit every limit."""
    if not isinstance(schema, Mapping):
        return "..."
    return _example(schema, schema, 0)


def _example(schema: Schema, root: Schema, depth: int) -> Any:
    schema = _resolved(schema, root)
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
