"""A form for an answer, made from its JSON Schema; pure.

`fill` is a generator: it yields one `Field` at a time and is sent the text that was typed. A text
that does not fit yields the same field again, with the reason in ``problem``. In the end it returns
the whole answer. Whoever drives it prompts at a terminal, or reads a list in a test. What it shares
with forms that show all fields at once is in `caesura.schemas.fields`.

`parse` is the short way: one text for a whole answer, as in ``--answer ID=VALUE``.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from caesura.schemas.checking import check_json
from caesura.schemas.fields import (
    KINDS,
    NOTHING,
    Field,
    Refused,
    Schema,
    choice_of,
    errors_within,
    example,
    option_name,
    read_anything,
    read_json,
    resolved,
    value_of,
)

__all__ = ["NOTHING", "Field", "Refused", "example", "fill", "parse", "reasons", "value_of"]

Form = Generator[Field, str, Any]


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
        if not asked:  # nothing is left open, yet it does not fit: the schema contradicts itself
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
    schema = resolved(schema, root)
    field = replace(
        field,
        help=field.help or str(schema.get("description", "")),
        default=schema.get("default", field.default),
    )
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return (yield from _scalar(schema, choice_of(field, schema["enum"]), root))
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
    return (yield from _scalar(schema, replace(field, kind=KINDS.get(str(kind), "json")), root))


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
        errors = errors_within(schema, value, root) if schema else []
        if not errors:
            return value
        field = replace(field, problem="; ".join(error["message"] for error in errors))


def _alternatives(options: Sequence[Any], field: Field, root: Schema) -> Form:
    """One of several schemas: may be empty if one is null; a menu if more than one is left."""
    every = [resolved(option, root) for option in options if isinstance(option, Mapping)]
    real = [option for option in every if option.get("type") != "null"]
    if len(real) < len(every) and field.default is NOTHING:
        field = replace(field, default=None, required=False)
    if not real:
        return None
    if len(real) == 1:
        return (yield from _part(real[0], field, root))
    if all("const" in option for option in real):
        menu = choice_of(field, [option["const"] for option in real])
        return (yield from _scalar({}, menu, root))
    named = {option_name(option, root, place): option for place, option in enumerate(real, 1)}
    chosen = yield from _scalar({}, choice_of(field, list(named)), root)
    if chosen is NOTHING or chosen is field.default:
        return chosen
    inner = replace(field, default=NOTHING, required=True, help="")
    return (yield from _part(named[chosen], inner, root))


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
    items = resolved(schema["items"], root)
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
        return read_anything(text), []
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
        found.append(read_json(text))
    found.append(text)
    form = _part(schema, Field("", "json"), schema)
    try:
        next(form)
        form.send(text)
    except StopIteration as done:
        if done.value is not NOTHING:
            found.append(done.value)
    return found
