"""Asking a person: `interrupt` for one question, `interrupts` for several in one pause."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, overload

from caesura.config import current_scope

if TYPE_CHECKING:
    from typing_extensions import TypeForm

A = TypeVar("A")


@dataclass(frozen=True, slots=True)
class Question:
    """What a program asks at one place.

    ``value`` is the payload a person sees: any value that can be stored. ``response_schema``: the
    type of the answer (class, TypedDict, Literal, Enum, Union, or a JSON Schema dict). ``key``: the
    question's identity within its task; without it, its position and payload. ``title``: one line for
    lists. ``volatile``: JSON pointers of payload fields that may differ when the program runs again;
    ``digest_of``: what of the payload counts, computed. ``id``: the interrupt's id, where it has one
    already because it was asked elsewhere; otherwise it is derived.
    """

    value: Any
    response_schema: Any = None
    key: str | None = None
    title: str | None = None
    volatile: Sequence[str] = ()
    digest_of: Callable[[Any], Any] | None = None
    id: str | None = None


@overload
def interrupt(
    value: Any,
    *,
    response_schema: type[A],
    key: str | None = None,
    title: str | None = None,
    volatile: Sequence[str] = (),
    digest_of: Callable[[Any], Any] | None = None,
) -> A: ...
@overload
def interrupt(
    value: Any,
    *,
    response_schema: Mapping[str, Any] | None = None,
    key: str | None = None,
    title: str | None = None,
    volatile: Sequence[str] = (),
    digest_of: Callable[[Any], Any] | None = None,
) -> Any: ...
@overload
def interrupt(
    value: Any,
    *,
    response_schema: TypeForm[A],
    key: str | None = None,
    title: str | None = None,
    volatile: Sequence[str] = (),
    digest_of: Callable[[Any], Any] | None = None,
) -> A: ...
def interrupt(
    value: Any,
    *,
    response_schema: Any = None,
    key: str | None = None,
    title: str | None = None,
    volatile: Sequence[str] = (),
    digest_of: Callable[[Any], Any] | None = None,
) -> Any:
    """Ask a person and return the answer.

    The first time, the program stops here: everything is stored and the question is shown. When it
    is answered, the task runs again from its first line and this call returns the answer (an
    instance of ``response_schema`` where it is a class). Finished tasks are not run again.

    Raises `GraphInterrupt`, a control signal that must leave the task; ``RuntimeError`` outside a
    run; `DuplicateInterruptKeyError` if another open interrupt of the task has the same ``key``.
    """
    question = Question(value, response_schema, key, title, tuple(volatile), digest_of)
    return current_scope().ask((question,))[0]


def interrupts(questions: Iterable[Question | Any]) -> list[Any]:
    """Ask several questions in one pause; returns the answers in order, once all are given.

    Each item is a `Question` or a bare payload. Each becomes an interrupt of its own, answerable in
    any order. Raises as `interrupt`.
    """
    asked = tuple(q if isinstance(q, Question) else Question(q) for q in questions)
    return current_scope().ask(asked) if asked else []
