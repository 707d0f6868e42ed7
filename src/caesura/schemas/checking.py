"""Plain values against a JSON Schema, with errors in words a person can act on.

Needs no program: a stored interrupt holds the schema of its answer, and that is enough to judge one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime, time
from functools import lru_cache
from typing import Any
from uuid import UUID

from caesura.digests import Path, plain_json, pointer_to
from caesura.schemas.kinds import JsonSchema

AnswerError = dict[str, str]
"""``{"pointer": JSON pointer into the answer, "message": text}``."""


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
        yield {"pointer": pointer_to((*path, *step)), "message": message}


def _messages(error: Any) -> list[tuple[Path, str]]:
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
