"""A form for an answer, all fields at once, made from its JSON Schema; pure.

`read` builds the controls of a form and, in the same pass, the answer that was posted with it: what was
typed stays in the controls, what does not fit is said beside the control it belongs to. What a text
means is decided where the terminal's form decides it (`caesura.schemas.fields`). Names of inputs are
places in the tree of controls, not JSON pointers: two alternatives may have a field of one name.

Nothing needs a script: lists grow by posting the form with ``add``, and alternatives are shown or hidden
by the style sheet.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from caesura.schemas.checking import AnswerError, check_json
from caesura.schemas.fields import (
    KINDS,
    NOTHING,
    Field,
    Kind,
    Refused,
    Schema,
    choice_of,
    example,
    option_name,
    read_json,
    resolved,
    value_of,
)

Posted = Mapping[str, str]
Shape = Literal["line", "text", "number", "choice", "json", "object", "list", "options", "fixed"]
ROOT: Final = "answer"
NEEDED: Final = "an answer is needed here"
_MOST_CONTROLS: Final = 300
_DEEPEST: Final = 8
_MOST_ITEMS: Final = 200
_LINE_FORMATS: Final = {"date": "date", "time": "time", "email": "email", "uri": "url"}
_SHORT: Final = 80
"""Texts of at most so many characters get one line."""


@dataclass(slots=True)
class Control:
    """One thing on the form. ``name`` is its input's, ``pointer`` its place in the answer."""

    shape: Shape
    name: str
    label: str
    pointer: str = ""
    help: str = ""
    text: str = ""
    """What stands in it."""
    required: bool = True
    choices: Sequence[tuple[str, str]] = ()
    """(value, label) of a menu."""
    input_type: str = "text"
    hint: str = ""
    asks_whether: bool = False
    """An object that may be left out: ``given`` says whether it is not."""
    given: bool = True
    parts: list[Control] = field(default_factory=list)
    """Properties of an object, items of a list, alternatives."""
    can_grow: bool = False
    problems: list[str] = field(default_factory=list)
    value: Any = NOTHING

    def active(self) -> Iterator[Control]:
        """This control and those below it that count: of alternatives, the chosen one."""
        yield self
        parts: Sequence[Control] = self.parts if self.given else ()
        if self.shape == "options":
            parts = [self.parts[int(self.text)]] if self.text.isdecimal() else ()
        for part in parts:
            yield from part.active()


@dataclass(slots=True)
class AnswerForm:
    """A form as it stands. ``answer`` counts only if `fits`."""

    control: Control
    answer: Any = NOTHING
    problems: list[str] = field(default_factory=list)
    """What is wrong as a whole."""
    raw: str | None = None
    """The answer as JSON text, where that was posted instead."""

    @property
    def fits(self) -> bool:
        """True if the answer may be handed in."""
        return not self.problems and not any(c.problems for c in self.control.active())

    def refuse(self, errors: Sequence[AnswerError]) -> None:
        """Say each error beside the control that it belongs to."""
        for error in errors:
            _place(self, error)


def read(schema: Any, posted: Posted | None = None) -> AnswerForm:
    """The form for ``schema``: fresh, or with what was posted, checked against the schema."""
    given = _resized(posted) if posted is not None else None
    known = schema if isinstance(schema, Mapping) and not _is_broken(schema) else None
    reader = _Reader(known or {}, given)
    spot = _Spot(ROOT, "", "Answer")
    control = reader.part(known, spot) if known is not None else reader.anything(spot)
    form = AnswerForm(control)
    if given is None:
        return form
    if given.get("as") == "json":
        _read_raw(form, given.get("json", ""))
    else:
        form.answer = control.value
    if form.answer is NOTHING:
        if not any(c.problems for c in control.active()) and not form.problems:
            control.problems.append(NEEDED)
    elif isinstance(schema, Mapping):
        form.refuse(check_json(dict(schema), form.answer))
    return form


def is_resizing(posted: Posted) -> bool:
    """True if the form was posted only to have a list grow or shrink."""
    return bool(posted.get("add") or posted.get("remove"))


def without_problems(form: AnswerForm) -> AnswerForm:
    """The form with what was typed, before anybody judges it."""
    form.problems.clear()
    for control in _all(form.control):
        control.problems.clear()
    return form


def sample(schema: Any) -> str:
    """An answer of the right shape, as JSON text."""
    return json.dumps(example(schema), ensure_ascii=False, indent=2, default=str)


# --- building --------------------------------------------------------------------------------


@dataclass(slots=True, frozen=True)
class _Spot:
    """Where in the form and in the answer a part stands."""

    name: str
    pointer: str
    label: str
    required: bool = True
    help: str = ""
    default: Any = NOTHING
    nullable: bool = False
    depth: int = 0

    def below(self, step: str, key: str | int, label: str, *, required: bool) -> _Spot:
        escaped = str(key).replace("~", "~0").replace("/", "~1")
        pointer = f"{self.pointer}/{escaped}"
        return _Spot(f"{self.name}.{step}", pointer, label, required, depth=self.depth + 1)


class _Reader:
    """Schemas to controls, and posted texts to values, in one pass."""

    def __init__(self, root: Schema, posted: Posted | None) -> None:
        self._root, self._posted = root, posted
        self._left = _MOST_CONTROLS

    def part(self, schema: Any, spot: _Spot) -> Control:
        """The control of one part."""
        self._left -= 1
        if not isinstance(schema, Mapping):
            return self.anything(spot)
        schema = resolved(schema, self._root)
        spot = replace(
            spot,
            label=str(schema.get("title") or spot.label) if spot.name == ROOT else spot.label,
            help=spot.help or str(schema.get("description", "")),
            default=schema.get("default", spot.default),
        )
        if "const" in schema:
            return Control("fixed", spot.name, spot.label, spot.pointer, value=schema["const"])
        if _is_settled(schema.get("enum"), spot):
            return Control("fixed", spot.name, spot.label, spot.pointer, value=schema["enum"][0])
        if self._left < 0 or spot.depth > _DEEPEST:
            return self._scalar(schema, spot, "json")
        if isinstance(schema.get("enum"), list):
            return self._choice(spot, schema["enum"])
        options = schema.get("anyOf") or schema.get("oneOf")
        kind = schema.get("type")
        if isinstance(kind, list):
            options = [{**schema, "type": one} for one in kind]
        if isinstance(options, list):
            return self._alternatives(options, spot)
        if kind == "null":
            return Control("fixed", spot.name, spot.label, spot.pointer, value=None)
        if kind == "object" and isinstance(schema.get("properties"), Mapping):
            return self._object(schema, spot)
        if kind == "array" and isinstance(schema.get("items"), Mapping):
            return self._list(schema, spot)
        return self._scalar(schema, spot, KINDS.get(str(kind), "json"))

    def anything(self, spot: _Spot) -> Control:
        """The control where nothing is known: JSON, or any text."""
        control = self._scalar({}, replace(spot, help=spot.help or _ANYTHING), "anything")
        control.hint = ""
        return control

    # --- one value ---

    def _scalar(self, schema: Schema, spot: _Spot, kind: Kind) -> Control:
        if kind == "boolean":
            return self._choice(spot, (True, False), ("Yes", "No"))
        control = Control(
            _SHAPES[kind], spot.name, spot.label, spot.pointer, spot.help, required=spot.required
        )
        if kind == "text":
            _dress(control, schema)
        if kind == "json":
            control.hint = sample(schema if schema else None)
        if self._posted is None:
            control.text = _prefilled(kind, spot.default)
            return control
        control.text = self._posted.get(spot.name, "").replace("\r\n", "\n")
        self._read(control, Field(spot.label, kind, required=spot.required), spot, control.text)
        return control

    def _read(self, control: Control, asked: Field, spot: _Spot, text: str) -> None:
        if spot.nullable:
            asked = replace(asked, default=None, required=False)
        try:
            control.value = value_of(asked, text)
        except Refused as refusal:
            control.problems.append(str(refusal))

    def _choice(
        self, spot: _Spot, values: Sequence[Any], labels: Sequence[str] | None = None
    ) -> Control:
        shown = labels or choice_of(Field("", "choice"), values).labels
        control = Control(
            "choice", spot.name, spot.label, spot.pointer, spot.help, required=spot.required,
            choices=[(str(n), label) for n, label in enumerate(shown)],
        )  # fmt: skip
        if spot.nullable or not spot.required:
            control.choices = [*control.choices, ("", "No answer")]
        if self._posted is None:
            control.text = next(
                (str(n) for n, value in enumerate(values) if _same(value, spot.default)), ""
            )
            return control
        control.text = self._posted.get(spot.name, "")
        if control.text.isdecimal() and int(control.text) < len(values):
            control.value = values[int(control.text)]
        else:
            self._read(control, Field(spot.label, "choice", required=spot.required), spot, "")
        return control

    # --- several ---

    def _object(self, schema: Schema, spot: _Spot) -> Control:
        control = Control(
            "object", spot.name, spot.label, spot.pointer, spot.help, required=spot.required
        )
        control.asks_whether = not spot.required or spot.nullable
        control.given = not control.asks_whether or self._is_on(spot.name + "?", spot.default)
        required = schema.get("required", ())
        value: dict[str, Any] = {}
        for number, (name, inner) in enumerate(schema["properties"].items()):
            below = spot.below(str(number), name, _titled(inner, name), required=name in required)
            part = self.part(inner, replace(below, default=_item(spot.default, name)))
            control.parts.append(part)
            if part.value is not NOTHING:
                value[name] = part.value
        control.value = value if control.given else None if spot.nullable else NOTHING
        return control

    def _is_on(self, name: str, default: Any) -> bool:
        if self._posted is None:
            return default is not NOTHING and default is not None
        return bool(self._posted.get(name))

    def _list(self, schema: Schema, spot: _Spot) -> Control:
        items = resolved(schema["items"], self._root)
        nested = items.get("type") in ("object", "array") or "anyOf" in items or "oneOf" in items
        most = schema.get("maxItems", _MOST_ITEMS)
        control = Control(
            "list", spot.name, spot.label, spot.pointer, spot.help, required=spot.required
        )
        value: list[Any] = []
        for number in range(self._count(schema, spot, nested)):
            below = spot.below(str(number), len(value), f"{number + 1}", required=nested)
            part = self.part(items, replace(below, default=_item(spot.default, number)))
            control.parts.append(part)
            if part.value is not NOTHING:
                value.append(part.value)
        control.can_grow = len(control.parts) < min(most, _MOST_ITEMS)
        control.value = value
        if not value and (spot.nullable or not spot.required):
            control.value = None if spot.nullable else NOTHING
        return control

    def _count(self, schema: Schema, spot: _Spot, nested: bool) -> int:
        if self._posted is not None:
            text = self._posted.get(spot.name + "#", "")
            return min(int(text), _MOST_ITEMS) if text.isdecimal() and len(text) < 6 else 0
        least = schema.get("minItems", 0)
        given = len(spot.default) if isinstance(spot.default, list) else 0
        return min(
            max(least if isinstance(least, int) else 0, given, 0 if nested else 1), _MOST_ITEMS
        )

    def _alternatives(self, options: Sequence[Any], spot: _Spot) -> Control:
        every = [resolved(o, self._root) for o in options if isinstance(o, Mapping)]
        real = [option for option in every if option.get("type") != "null"]
        spot = replace(spot, nullable=spot.nullable or len(real) < len(every))
        if len(real) == 1:
            return self.part(real[0], spot)
        if all("const" in option for option in real):
            labels = [str(o.get("title") or o["const"]) for o in real]
            return self._choice(spot, [option["const"] for option in real], labels)
        names = [option_name(o, self._root, n) for n, o in enumerate(real, 1)]
        menu = self._choice(replace(spot, name=spot.name + "?"), range(len(real)), names)
        control = replace(menu, shape="options", name=spot.name, value=NOTHING)
        for number, option in enumerate(real):
            below = replace(
                spot, name=f"{spot.name}.{number}", label=names[number], required=True,
                nullable=False, help="", default=NOTHING, depth=spot.depth + 1,
            )  # fmt: skip
            control.parts.append(self.part(option, below))
        if control.text.isdecimal() and int(control.text) < len(real):
            control.value = control.parts[int(control.text)].value
        elif menu.value is not NOTHING:
            control.value = menu.value
        return control


_ANYTHING: Final = "Any text, or JSON."
_SHAPES: Final[dict[Kind, Shape]] = {
    "integer": "number",
    "number": "number",
    "text": "text",
    "json": "json",
    "anything": "json",
}


def _dress(control: Control, schema: Schema) -> None:
    """One line for texts that are short, or of a form that browsers know."""
    form, longest = schema.get("format"), schema.get("maxLength")
    if form or "pattern" in schema or (isinstance(longest, int) and longest <= _SHORT):
        control.shape = "line"
        control.input_type = _LINE_FORMATS.get(str(form), "text")


def _prefilled(kind: Kind, default: Any) -> str:
    if default is NOTHING or default is None:
        return ""
    if isinstance(default, str) and kind in ("text", "anything"):
        return default
    return json.dumps(default, ensure_ascii=False, indent=2, default=str)


def _titled(schema: Any, name: str) -> str:
    title = schema.get("title") if isinstance(schema, Mapping) else None
    return str(title) if title else name.replace("_", " ").strip().capitalize() or name


def _item(value: Any, key: Any) -> Any:
    if isinstance(value, Mapping):
        return value.get(key, NOTHING)
    if isinstance(value, list) and isinstance(key, int) and key < len(value):
        return value[key]
    return NOTHING


def _same(a: Any, b: Any) -> bool:
    return type(a) is type(b) and bool(a == b)


def _is_settled(values: Any, spot: _Spot) -> bool:
    """True for a part of one possible value, such as the tag of an alternative."""
    return isinstance(values, list) and len(values) == 1 and spot.required and spot.name != ROOT


def _is_broken(schema: Schema) -> bool:
    """True for what is no valid JSON Schema; then the answer is written as JSON."""
    found = check_json(dict(schema), None)
    return any(error["message"].startswith("The schema is not valid") for error in found)


# --- what was posted -------------------------------------------------------------------------


def _resized(posted: Posted) -> Posted:
    """What was posted, with the one list longer or shorter that was asked to be."""
    changed = dict(posted)
    name = changed.pop("add", "")
    if name:
        changed[name + "#"] = str(_number(changed.get(name + "#")) + 1)
    doomed = changed.pop("remove", "")
    if doomed:
        name, _, place = doomed.rpartition(".")
        return _without_item(changed, name, _number(place))
    return changed


def _without_item(posted: dict[str, str], name: str, place: int) -> Posted:
    prefix = name + "."
    changed: dict[str, str] = {}
    for key, text in posted.items():
        number, rest = (
            _split_number(key.removeprefix(prefix)) if key.startswith(prefix) else (-1, "")
        )
        if number < place:
            changed[key] = text
        elif number > place:
            changed[f"{prefix}{number - 1}{rest}"] = text
    changed[name + "#"] = str(max(_number(posted.get(name + "#")) - 1, 0))
    return changed


def _split_number(text: str) -> tuple[int, str]:
    digits = len(text) - len(text.lstrip("0123456789"))
    return _number(text[:digits]), text[digits:]


def _number(text: str | None) -> int:
    return int(text) if text and text.isdecimal() and len(text) < 6 else 0


def _read_raw(form: AnswerForm, text: str) -> None:
    form.raw = text
    without_problems(form)
    try:
        form.answer = read_json(text)
    except ValueError as error:
        form.problems.append(f"This is no JSON: {error}")
    except RecursionError:
        form.problems.append("This is nested too deeply")


def _place(form: AnswerForm, error: AnswerError) -> None:
    if form.raw is not None:
        place = error["pointer"]
        form.problems.append(f"{place}: {error['message']}" if place else error["message"])
        return
    found = form.control
    for control in form.control.active():
        is_within = (error["pointer"] + "/").startswith(control.pointer + "/")
        if is_within and len(control.pointer) >= len(found.pointer):
            found = control
    if any(control.problems for control in found.active() if control is not found):
        return  # what is wrong inside explains it, or has to be put right first
    if not found.problems or found.parts:
        rest = error["pointer"].removeprefix(found.pointer).lstrip("/")
        found.problems.append(f"{rest}: {error['message']}" if rest else error["message"])


def _all(control: Control) -> Iterator[Control]:
    yield control
    for part in control.parts:
        yield from _all(part)
