"""Answer schemas: a Python type as JSON Schema, an answer checked and typed, a payload's digest.

A stored interrupt holds only the JSON Schema of its answer. So an answer is judged by that alone,
in whatever process: `check_json` needs no program. `parse_answer` does the same check for a type,
and then converts what has passed. Types that involve pydantic are described and converted by
pydantic; all others by `_Describe` and `_Convert`, which treat the same kinds in the same order.

`digest_of` and `differing_paths` look at a payload as canonical JSON: dataclasses and models as
their fields, sets sorted, and nothing that changes from one process to the next.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import sys
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from enum import Enum
from functools import lru_cache
from typing import Annotated, Any, Final, Literal, TypeVar, Union, get_args, get_origin
from uuid import UUID

from caesura.errors import InvalidAnswerError, SerializationError

__all__ = [
    "check_json",
    "differing_paths",
    "digest_of",
    "json_schema_of",
    "parse_answer",
    "plain_json",
]

JsonSchema = dict[str, Any]
AnswerError = dict[str, str]
"""``{"pointer": JSON pointer into the answer, "message": text}``."""

# --- a type as JSON Schema -------------------------------------------------------------------


def json_schema_of(tp: Any) -> JsonSchema | None:
    """The JSON Schema (draft 2020-12) of values of ``tp``; None for None; a dict is one already.

    Takes pydantic models, dataclasses, TypedDicts, enums, ``Literal``, unions, ``Annotated``,
    lists, tuples, sets, dicts with string keys, numbers, strings, dates, UUID and Decimal.
    Raises TypeError for a type whose values have no form in JSON.
    """
    if tp is None or isinstance(tp, dict):
        return tp
    if _uses_pydantic(tp):
        return _pydantic_adapter(tp).json_schema()  # type: ignore[no-any-return]
    describe = _Describe()
    schema = describe.schema(tp)
    return _with_definitions(schema, describe.definitions)


def _with_definitions(schema: JsonSchema, definitions: dict[str, JsonSchema]) -> JsonSchema:
    """The root inlined, unless something refers back to it."""
    name = schema.get("$ref", "").removeprefix("#/$defs/")
    if name and json.dumps(definitions).count(json.dumps(schema["$ref"])) == 0:
        schema = definitions.pop(name)
    return {**schema, "$defs": definitions} if definitions else schema


_PRIMITIVES: Final[dict[Any, JsonSchema]] = {
    Any: {},
    object: {},
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    type(None): {"type": "null"},
    datetime: {"type": "string", "format": "date-time"},
    date: {"type": "string", "format": "date"},
    time: {"type": "string", "format": "time"},
    UUID: {"type": "string", "format": "uuid"},
    Decimal: {
        "anyOf": [
            {"type": "number"},
            {"type": "string", "pattern": r"^[+-]?\d*\.?\d+([eE][+-]?\d+)?$"},
        ]
    },
}
_CONSTRAINTS: Final = {
    "ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum",
    "multiple_of": "multipleOf", "pattern": "pattern",
}  # fmt: skip


class _Describe:
    """Types to schemas. Classes with fields become definitions, so that they may recur."""

    def __init__(self) -> None:
        self.definitions: dict[str, JsonSchema] = {}
        self._names: dict[Any, str] = {}

    def schema(self, tp: Any) -> JsonSchema:
        if _is_hashable(tp) and tp in _PRIMITIVES:
            return dict(_PRIMITIVES[tp])
        origin, args = get_origin(tp), get_args(tp)
        if tp is None:
            return {"type": "null"}
        if origin is Annotated:
            return self._annotated(args[0], args[1:])
        if origin is Literal:
            return {"enum": [_enum_json(a) if isinstance(a, Enum) else a for a in args]}
        if origin in (Union, types.UnionType):
            return {"anyOf": [self.schema(arm) for arm in args]}
        if isinstance(tp, type) and issubclass(tp, Enum):
            return {"title": tp.__name__, "enum": [_enum_json(member) for member in tp]}
        if _has_fields(origin or tp):
            return self._reference(origin or tp)
        plain = _unwrapped(tp)
        return self.schema(plain) if plain is not tp else self._container(origin or tp, args)

    def _annotated(self, tp: Any, notes: tuple[Any, ...]) -> JsonSchema:
        schema = self.schema(tp)
        sized = {"array": "Items", "object": "Properties"}.get(schema.get("type", ""), "Length")
        for note in notes:
            for name, keyword in _CONSTRAINTS.items():
                if (value := getattr(note, name, None)) is not None:
                    schema[keyword] = value
            for name, keyword in (("min_length", "min"), ("max_length", "max")):
                if (value := getattr(note, name, None)) is not None:
                    schema[keyword + sized] = value
            text = note if isinstance(note, str) else getattr(note, "documentation", None)
            if isinstance(text, str):
                schema["description"] = text
        return schema

    def _reference(self, cls: Any) -> JsonSchema:
        if cls not in self._names:
            name, n = cls.__name__, 1
            while name in self.definitions:
                n += 1
                name = f"{cls.__name__}_{n}"
            self._names[cls] = name
            self.definitions[name] = {}
            self.definitions[name].update(self._object(cls))
        return {"$ref": f"#/$defs/{self._names[cls]}"}

    def _object(self, cls: Any) -> JsonSchema:
        required = []
        properties = {}
        for field in _fields_of(cls):
            properties[field.name] = {**self.schema(field.type), **field.notes}
            if field.required:
                required.append(field.name)
        schema: JsonSchema = {"title": cls.__name__, "type": "object"}
        doc = cls.__doc__
        if doc and not doc.startswith(f"{cls.__name__}(") and cls.__doc__ is not dict.__doc__:
            schema["description"] = doc.strip()
        schema["properties"] = properties
        if required:
            schema["required"] = required
        return {**schema, "additionalProperties": False}

    def _container(self, kind: Any, args: tuple[Any, ...]) -> JsonSchema:
        if not isinstance(kind, type) or issubclass(kind, (str, bytes)):
            raise TypeError(_no_form(kind))
        if issubclass(kind, tuple):
            return self._tuple(args)
        if issubclass(kind, Mapping):
            if args and args[0] not in (str, Any):
                raise TypeError(f"{_no_form(kind)}: the keys of an object in JSON are strings")
            extra = {"additionalProperties": self.schema(args[1])} if args else {}
            return {"type": "object", **extra}
        if issubclass(kind, (list, set, frozenset)) or kind.__module__ == "collections.abc":
            items = {"items": self.schema(args[0])} if args else {}
            unique = {"uniqueItems": True} if issubclass(kind, Set) else {}
            return {"type": "array", **items, **unique}
        raise TypeError(_no_form(kind))

    def _tuple(self, args: tuple[Any, ...]) -> JsonSchema:
        if not args:
            return {"type": "array"}
        if args[-1] is Ellipsis:
            return {"type": "array", "items": self.schema(args[0])}
        items = [self.schema(arg) for arg in args]
        size = {"minItems": len(items), "maxItems": len(items)}
        return {"type": "array", "prefixItems": items, "items": False, **size}


def _no_form(tp: Any) -> str:
    return f"{getattr(tp, '__qualname__', tp)!s} cannot be described as JSON Schema"


def _is_hashable(tp: Any) -> bool:
    return getattr(type(tp), "__hash__", None) is not None and get_origin(tp) is None


def _unwrapped(tp: Any) -> Any:
    """What a ``NewType``, a type alias, ``Required`` or a type variable stands for."""
    if get_origin(tp) in (typing.Required, typing.NotRequired):
        return get_args(tp)[0]
    if isinstance(tp, TypeVar):
        return tp.__bound__ or Any
    for name in ("__supertype__", "__value__"):
        if not isinstance(tp, type) and hasattr(tp, name):
            return getattr(tp, name)
    return tp


def _has_fields(tp: Any) -> bool:
    return isinstance(tp, type) and (dataclasses.is_dataclass(tp) or _is_typed_dict(tp))


def _is_typed_dict(tp: Any) -> bool:
    return isinstance(tp, type) and issubclass(tp, dict) and hasattr(tp, "__required_keys__")


def _enum_json(member: Enum) -> Any:
    """The value, where JSON has it, else the name."""
    kind = type(member)
    simple = all(isinstance(m.value, (str, int, float, type(None))) for m in kind)
    return member.value if simple else member.name


class _Field(typing.NamedTuple):
    name: str
    type: Any
    required: bool
    notes: JsonSchema


def _fields_of(cls: Any) -> list[_Field]:
    try:
        hints = typing.get_type_hints(cls, localns={cls.__name__: cls}, include_extras=True)
    except NameError as error:
        raise TypeError(
            f"{_no_form(cls)}: {error}. Define the types it names at the top of the module."
        ) from None
    if _is_typed_dict(cls):
        return [
            _Field(name, _stripped(hint), _is_required(cls, name, hint), {})
            for name, hint in hints.items()
        ]
    return [
        _Field(f.name, hints[f.name], _lacks_default(f), _notes(f))
        for f in dataclasses.fields(cls)
        if f.init
    ]


def _is_required(cls: Any, name: str, hint: Any) -> bool:
    # Postponed annotations hide `NotRequired` from the class itself; the resolved hint shows it.
    if get_origin(hint) in (typing.Required, typing.NotRequired):
        return get_origin(hint) is typing.Required
    return name in cls.__required_keys__


def _stripped(hint: Any) -> Any:
    return get_args(hint)[0] if get_origin(hint) in (typing.Required, typing.NotRequired) else hint


def _lacks_default(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _notes(field: dataclasses.Field[Any]) -> JsonSchema:
    """Title and description from the field's metadata, and its default."""
    notes = {k: field.metadata[k] for k in ("title", "description") if k in field.metadata}
    if field.default is not dataclasses.MISSING:
        notes["default"] = plain_json(field.default)
    return notes


# --- pydantic, where a type uses it ----------------------------------------------------------


def _uses_pydantic(tp: Any, seen: frozenset[Any] = frozenset()) -> bool:
    pydantic = sys.modules.get("pydantic")
    if pydantic is None:
        return False
    if isinstance(tp, type) and issubclass(tp, pydantic.BaseModel):
        return True
    if hasattr(tp, "__pydantic_fields__") or hasattr(tp, "__get_pydantic_core_schema__"):
        return True
    if get_origin(tp) is Annotated and any(_is_pydantic_note(n) for n in tp.__metadata__):
        return True
    cls = get_origin(tp) or tp
    if _has_fields(cls) and cls not in seen:
        inner = [field.type for field in _fields_of(cls)]
        return any(_uses_pydantic(t, seen | {cls}) for t in inner)
    plain = _unwrapped(tp)
    if plain is not tp:
        return _uses_pydantic(plain, seen)
    return any(_uses_pydantic(arg, seen) for arg in get_args(tp) if not isinstance(arg, str))


def _is_pydantic_note(note: Any) -> bool:
    return type(note).__module__.startswith("pydantic")


def _pydantic_adapter(tp: Any) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(tp)


def _parse_by_pydantic(tp: Any, value: Any) -> Any:
    from pydantic import ValidationError

    try:
        return _pydantic_adapter(tp).validate_python(value)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        raise InvalidAnswerError(
            [{"pointer": _located(value, e["loc"]), "message": e["msg"]} for e in found]
        ) from None


def _located(value: Any, steps: Sequence[Any]) -> str:
    """A pointer from a pydantic location, whose steps also name union arms and validators."""
    path: list[Any] = []
    for step in steps:
        if (isinstance(value, dict) and step in value) or (
            isinstance(value, list) and isinstance(step, int) and step < len(value)
        ):
            value = value[step]
            path.append(step)
        elif step == steps[-1] and isinstance(value, dict):
            path.append(step)
    return _pointer(path)


# --- an answer -------------------------------------------------------------------------------


def parse_answer(schema: Any, value: Any) -> Any:
    """``value`` checked against ``schema`` (a type, a JSON Schema or None) and typed.

    Returns an instance where the schema is a type, plain data where it is a JSON Schema, and
    ``value`` itself where it is None. Raises InvalidAnswerError with all that does not fit.
    """
    if schema is None:
        return value
    described = json_schema_of(schema) or {}
    plain = plain_json(value)
    errors = check_json(described, plain)
    if errors:
        raise InvalidAnswerError(errors)
    if isinstance(schema, dict):
        return plain
    if _uses_pydantic(schema):
        return _parse_by_pydantic(schema, plain)
    convert = _Convert()
    typed = convert.value(schema, plain, ())
    if convert.errors:
        raise InvalidAnswerError(convert.errors)
    return typed


_Path = tuple[str | int, ...]


class _Convert:
    """Checked plain values to typed ones. What a class's own code objects to becomes an error."""

    def __init__(self) -> None:
        self.errors: list[AnswerError] = []

    def value(self, tp: Any, value: Any, path: _Path) -> Any:
        if _is_hashable(tp) and tp in _FROM_PLAIN:
            return self._call(path, _FROM_PLAIN[tp], value)
        origin, args = get_origin(tp), get_args(tp)
        if origin is Annotated:
            return self.value(args[0], value, path)
        if origin is Literal:
            return next(a for a in args if _same(plain_json(a), value) or _is_member(a, value))
        if origin in (Union, types.UnionType):
            return self.value(_fitting_arm(args, value), value, path)
        if isinstance(tp, type) and issubclass(tp, Enum):
            return next(member for member in tp if _same(_enum_json(member), value))
        if _has_fields(origin or tp):
            return self._object(origin or tp, value, path)
        plain = _unwrapped(tp)
        if plain is not tp:
            return self.value(plain, value, path)
        return self._container(origin or tp, args, value, path)

    def _call(self, path: _Path, build: Callable[..., Any], *args: Any, **fields: Any) -> Any:
        try:
            return build(*args, **fields)
        except (ValueError, TypeError, AssertionError, InvalidOperation) as error:
            self.errors.append({"pointer": _pointer(path), "message": str(error) or "is not valid"})
            return None

    def _object(self, cls: Any, value: dict[str, Any], path: _Path) -> Any:
        before = len(self.errors)
        fields = {
            f.name: self.value(f.type, value[f.name], (*path, f.name))
            for f in _fields_of(cls)
            if f.name in value
        }
        if _is_typed_dict(cls) or len(self.errors) > before:
            return fields
        return self._call(path, cls, **fields)

    def _container(self, kind: Any, args: tuple[Any, ...], value: Any, path: _Path) -> Any:
        if isinstance(value, dict):
            inner = args[1] if args else Any
            return {k: self.value(inner, v, (*path, k)) for k, v in value.items()}
        if issubclass(kind, tuple) and args and args[-1] is not Ellipsis:
            kinds: Iterable[Any] = args
        else:
            kinds = [args[0] if args else Any] * len(value)
        pairs = zip(kinds, value, strict=False)
        items = [self.value(t, v, (*path, i)) for i, (t, v) in enumerate(pairs)]
        build = next((b for b in (tuple, set, frozenset) if issubclass(kind, b)), None)
        if build is None and issubclass(kind, Set):
            build = frozenset
        return items if build is None else self._call(path, build, items)


def _as_is(value: Any) -> Any:
    return value


_FROM_PLAIN: Final[dict[Any, Callable[[Any], Any]]] = {
    Any: _as_is,
    object: _as_is,
    str: _as_is,
    bool: _as_is,
    type(None): _as_is,
    None: _as_is,
    int: int,
    float: float,
    datetime: datetime.fromisoformat,
    date: date.fromisoformat,
    time: time.fromisoformat,
    UUID: UUID,
    Decimal: lambda value: Decimal(str(value)),
}


def _fitting_arm(arms: Sequence[Any], value: Any) -> Any:
    """The first arm of a union that takes ``value``; one does, since the union was checked."""
    return next(arm for arm in arms if not check_json(json_schema_of_arm(arm), value))


def json_schema_of_arm(arm: Any) -> JsonSchema:
    """As `json_schema_of`; but None, within a union, is the type of null."""
    return {"type": "null"} if arm in (None, type(None)) else json_schema_of(arm) or {}


def _same(a: Any, b: Any) -> bool:
    """Equality in JSON: true is not 1."""
    return bool(a == b) and isinstance(a, bool) == isinstance(b, bool)


def _is_member(a: Any, value: Any) -> bool:
    return isinstance(a, Enum) and _same(_enum_json(a), value)


# --- checking plain values -------------------------------------------------------------------


def check_json(schema: JsonSchema, value: Any) -> list[AnswerError]:
    """What in ``value``, as plain JSON data, does not fit ``schema``; empty if all does.

    References outside the schema are not fetched: a schema that has one, or that is no valid
    schema, takes no value.
    """
    from jsonschema.exceptions import SchemaError
    from referencing.exceptions import Unresolvable

    try:
        validator = _validator(schema)
        found = [e for error in validator.iter_errors(plain_json(value)) for e in _explained(error)]
    except Unresolvable as error:
        return [{"pointer": "", "message": f"The schema refers to {error.ref!r}, which it lacks"}]
    except SchemaError as error:
        return [{"pointer": "", "message": f"The schema is not valid: {error.message[:200]}"}]
    except RecursionError:
        return [{"pointer": "", "message": "is nested too deeply"}]
    return _distinct(found)


def _validator(schema: JsonSchema) -> Any:
    from jsonschema import Draft202012Validator
    from jsonschema.validators import validator_for
    from referencing import Registry

    kind = validator_for(schema, default=Draft202012Validator)
    kind.check_schema(schema)
    registry: Any = Registry()
    return kind(schema, registry=registry, format_checker=_format_checker())


@lru_cache(maxsize=1)
def _format_checker() -> Any:
    """Formats that are checked everywhere alike, whatever optional packages are installed."""
    from jsonschema import FormatChecker

    checker = FormatChecker(formats=("email", "ipv4", "ipv6", "regex"))
    readers: dict[str, Callable[[str], Any]] = {
        "date-time": datetime.fromisoformat,
        "date": date.fromisoformat,
        "time": time.fromisoformat,
        "uuid": UUID,
    }
    for name, read in readers.items():
        checker.checks(name, raises=ValueError)(_reads(read))
    return checker


def _reads(read: Callable[[str], Any]) -> Callable[[object], bool]:
    def check(value: object) -> bool:
        if isinstance(value, str):
            read(value)
        return True

    return check


def _explained(error: Any) -> Iterator[AnswerError]:
    """One of jsonschema's errors in our words, at the field that is to blame."""
    path = tuple(error.absolute_path)
    if error.validator in ("anyOf", "oneOf") and error.context:
        arm = _intended_arm(error.context)
        if arm:
            for inner in arm:
                yield from _explained(inner)
            return
    for step, message in _messages(error):
        yield {"pointer": _pointer((*path, *step)), "message": message}


def _messages(error: Any) -> list[tuple[_Path, str]]:
    rule, allowed, value = error.validator, error.validator_value, error.instance
    if rule == "required":
        return [((name,), "is required") for name in allowed if name not in value]
    if rule == "additionalProperties" and allowed is False:
        known = error.schema.get("properties", {})
        extra = [name for name in value if name not in known]
        if "patternProperties" not in error.schema:
            return [((name,), "is not a known field") for name in extra]
    if rule == "type":
        names = [allowed] if isinstance(allowed, str) else allowed
        return [((), f"must be {' or '.join(names)}, not {_json_type(value)}")]
    if rule == "enum":
        return [((), f"must be one of {', '.join(map(json.dumps, allowed))}")]
    if rule == "format":
        return [((), f"is not a valid {allowed}")]
    if rule in ("anyOf", "oneOf"):
        return [((), "fits none of the allowed forms")]
    message = str(error.message)
    return [((), message if len(message) <= 200 else f"breaks the rule {rule!r}")]


def _intended_arm(context: Sequence[Any]) -> list[Any]:
    """The errors of the one arm of a union that the value was meant for, if that is clear."""
    arms: dict[Any, list[Any]] = {}
    for error in context:
        arms.setdefault(error.schema_path[0], []).append(error)
    meant = [errors for errors in arms.values() if not any(map(_rules_out, errors))]
    return meant[0] if len(meant) == 1 else []


def _rules_out(error: Any) -> bool:
    """True for what says "of another kind": a wrong type as a whole, or a wrong tag within."""
    depth = len(error.relative_path)
    return (depth == 0 and error.validator in ("type", "enum", "const")) or (
        depth == 1 and error.validator in ("const", "enum")
    )


def _json_type(value: Any) -> str:
    names = ((bool, "boolean"), (int, "integer"), (float, "number"), (str, "string"))
    others = ((dict, "object"), (list, "array"), (type(None), "null"))
    return next((name for kind, name in (*names, *others) if isinstance(value, kind)), "unknown")


def _distinct(errors: Iterable[AnswerError]) -> list[AnswerError]:
    return list({(e["pointer"], e["message"]): e for e in errors}.values())


def _pointer(path: Iterable[Any]) -> str:
    """RFC 6901."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


# --- payloads --------------------------------------------------------------------------------


def digest_of(value: Any, volatile: Iterable[str] = ()) -> str:
    """SHA-256 (64 hex characters) of the canonical JSON of ``value``.

    ``volatile`` names, as JSON pointers, parts that do not count. Equal payloads give equal digests
    in every process. Raises SerializationError if ``value`` contains itself.
    """
    pointers = tuple(volatile)
    try:
        text = _canonical(_without(plain_json(value), pointers) if pointers else value)
    except (TypeError, ValueError, RecursionError):
        text = _canonical(_without(plain_json(value), pointers))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def differing_paths(a: Any, b: Any, volatile: Iterable[str] = ()) -> list[str]:
    """JSON pointers, sorted, of the parts in which two payloads differ; ``""`` is the whole."""
    pointers = tuple(volatile)
    left, right = (_without(plain_json(value), pointers) for value in (a, b))
    return sorted(_pointer(path) for path in _differences(left, right, ()))


def plain_json(value: Any) -> Any:
    """``value`` as plain JSON data, a copy. Raises SerializationError if it contains itself."""
    try:
        return _tree(value)
    except RecursionError:
        raise SerializationError("The value contains itself or is nested too deeply") from None


def _tree(value: Any) -> Any:
    if isinstance(value, Enum):
        return _tree(value.value)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Mapping):
        return {_key(key): _tree(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_tree(item) for item in value]
    return _tree(_plain(value))


def _key(key: Any) -> str:
    """A dict key as the C encoder of `json` writes it; for other kinds, its canonical JSON."""
    if isinstance(key, str):
        return str(key.value) if isinstance(key, Enum) else key
    if isinstance(key, float):
        return float.__repr__(key)
    return _canonical(_tree(key))


def _plain(value: Any) -> Any:
    """One object as something nearer to JSON; its parts may still be objects."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, type):
        return value.__qualname__  # no module: it is `__main__` in one process and not in another
    dump = getattr(value, "model_dump", None)
    if dump is not None:
        return dump(mode="json", by_alias=True)
    if dataclasses.is_dataclass(value):
        return {f.name: getattr(value, f.name, None) for f in dataclasses.fields(value)}
    if isinstance(value, Set):
        return sorted((_tree(item) for item in value), key=_canonical)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(value).decode()
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, BaseException):
        return [type(value).__qualname__, *value.args]
    return _plain_of_unknown(value)


_TEXTUAL: Final = frozenset({"decimal", "uuid", "pathlib", "ipaddress", "datetime", "zoneinfo"})


def _plain_of_unknown(value: Any) -> Any:
    kind = type(value)
    if hasattr(value, "__qualname__"):
        return value.__qualname__
    if any(base.__module__.partition(".")[0] in _TEXTUAL for base in kind.__mro__):
        return str(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, Iterable) and hasattr(value, "__len__"):
        return list(value)
    slots = [n for base in kind.__mro__ for n in _slots(base)]
    names = sorted({*slots, *getattr(value, "__dict__", ())})
    fields = {n: getattr(value, n) for n in names if not n.startswith("_") and hasattr(value, n)}
    return {"$type": kind.__qualname__, **fields}


def _slots(cls: type) -> Iterable[str]:
    slots = getattr(cls, "__slots__", ())
    return (slots,) if isinstance(slots, str) else slots


_canonical: Final = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_plain
).encode


def _without(tree: Any, pointers: Iterable[str]) -> Any:
    """``tree`` less what the pointers name. The tree is ours, so it is cut in place."""
    for pointer in pointers:
        steps = [s.replace("~1", "/").replace("~0", "~") for s in pointer.split("/")[1:]]
        tree = _cut(tree, steps)
    return tree


def _cut(tree: Any, steps: Sequence[str]) -> Any:
    if not steps:
        return None
    inner = tree
    for step in steps[:-1]:
        inner = _child(inner, step)
    last = steps[-1]
    if isinstance(inner, dict):
        inner.pop(last, None)
    elif isinstance(inner, list) and last.isdigit() and int(last) < len(inner):
        inner[int(last)] = None  # positions of the others stay
    return tree


def _child(tree: Any, step: str) -> Any:
    if isinstance(tree, dict):
        return tree.get(step)
    if isinstance(tree, list) and step.isdigit() and int(step) < len(tree):
        return tree[int(step)]
    return None


def _differences(a: Any, b: Any, path: _Path) -> Iterator[_Path]:
    if isinstance(a, dict) and isinstance(b, dict):
        for key in a.keys() | b.keys():
            if key in a and key in b:
                yield from _differences(a[key], b[key], (*path, key))
            else:
                yield (*path, key)
    elif isinstance(a, list) and isinstance(b, list):
        for i in range(max(len(a), len(b))):
            if i < len(a) and i < len(b):
                yield from _differences(a[i], b[i], (*path, i))
            else:
                yield (*path, i)
    elif _canonical(a) != _canonical(b):
        yield path
