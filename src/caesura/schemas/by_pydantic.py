"""Types that involve pydantic, where pydantic is loaded at all: without it none does."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated, Any, get_args, get_origin

from caesura.digests import pointer_to
from caesura.errors import InvalidAnswerError
from caesura.schemas.kinds import fields_of, has_fields, unwrapped


def uses_pydantic(tp: Any, seen: frozenset[Any] = frozenset()) -> bool:
    """True if ``tp`` or a type within it is described by pydantic. Imports nothing."""
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
    if has_fields(cls) and cls not in seen:
        inner = [field.type for field in fields_of(cls)]
        return any(uses_pydantic(t, seen | {cls}) for t in inner)
    plain = unwrapped(tp)
    if plain is not tp:
        return uses_pydantic(plain, seen)
    return any(uses_pydantic(arg, seen) for arg in get_args(tp) if not isinstance(arg, str))


def _is_pydantic_note(note: Any) -> bool:
    return type(note).__module__.startswith("pydantic")


def pydantic_adapter(tp: Any) -> Any:
    """Pydantic's ``TypeAdapter`` of a type."""
    from pydantic import TypeAdapter

    return TypeAdapter(tp)


def parse_by_pydantic(tp: Any, value: Any) -> Any:
    """``value`` as pydantic makes it. Raises InvalidAnswerError."""
    from pydantic import ValidationError

    try:
        return pydantic_adapter(tp).validate_python(value)
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
    return pointer_to(path)
