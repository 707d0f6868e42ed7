"""Which items and namespaces an operation means: filters and namespace conditions, without storage.

A filter is read once, into a predicate, so that a mistake in it is found before any item is looked
at. An absent key and a null are alike, as in SQL: ``$ne`` and the orderings do not hold for them.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from caesura.errors import InvalidFilterError
from caesura.store.base import MatchCondition

Test = Callable[[Any], bool]


def item_test(filter: Mapping[str, Any] | None) -> Test:
    """What tells whether a value passes ``filter``. Raises InvalidFilterError."""
    if not filter:
        return lambda value: True
    tests = [_field_test(path, condition) for path, condition in filter.items()]
    return lambda value: all(test(value) for test in tests)


def _field_test(path: str, condition: Any) -> Test:
    if str(path).startswith("$"):
        raise InvalidFilterError(f"Unsupported operator: {path}")
    test = _value_test(condition)
    return lambda value: test(_at(value, path))


def _at(value: Any, path: str) -> Any:
    """What stands at a key, or at the dotted path of keys that it may be; None if nothing does."""
    if not isinstance(value, Mapping):
        return None
    if path in value:
        return value[path]
    for key in str(path).split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value


def _value_test(condition: Any) -> Test:
    """Operators, a partial mapping, a list of conditions, or a value to equal."""
    if isinstance(condition, Mapping):
        if any(str(key).startswith("$") for key in condition):
            tests = [_operator_test(name, operand) for name, operand in condition.items()]
            return lambda value: all(test(value) for test in tests)
        fields = item_test(condition)
        return lambda value: isinstance(value, Mapping) and fields(value)
    if isinstance(condition, list | tuple):
        return _list_test([_value_test(part) for part in condition])
    return lambda value: bool(value == condition)


def _list_test(tests: Sequence[Test]) -> Test:
    def test(value: Any) -> bool:
        return (
            isinstance(value, list | tuple)
            and len(value) == len(tests)
            and all(test(part) for test, part in zip(tests, value, strict=True))
        )

    return test


_ORDERINGS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "$gt": operator.gt,
    "$gte": operator.ge,
    "$lt": operator.lt,
    "$lte": operator.le,
}


def _operator_test(name: str, operand: Any) -> Test:
    if name == "$eq":
        return lambda value: bool(value == operand)
    if name == "$ne":
        return lambda value: value is not None and bool(value != operand)
    compare = _ORDERINGS.get(name)
    if compare is None:
        raise InvalidFilterError(f"Unsupported operator: {name}")
    return lambda value: _ordered(compare, value, operand)


def _ordered(compare: Callable[[Any, Any], bool], value: Any, operand: Any) -> bool:
    """Like with like; a number also with a text that is one; whatever else cannot be ordered: no."""
    if isinstance(value, int | float) and isinstance(operand, str):
        operand = _number(operand)
    elif isinstance(value, str) and isinstance(operand, int | float):
        value = _number(value)
    if value is None or operand is None:
        return False
    try:
        return bool(compare(value, operand))
    except TypeError:
        return False


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def namespace_test(conditions: Iterable[MatchCondition] | None) -> Callable[[Sequence[str]], bool]:
    """What tells whether a namespace meets all conditions. Raises ValueError for an unknown one."""
    known = list(conditions or ())
    for condition in known:
        if condition.match_type not in ("prefix", "suffix"):
            raise ValueError(f"Unsupported match type: {condition.match_type}")
    return lambda namespace: all(_meets(namespace, condition) for condition in known)


def _meets(namespace: Sequence[str], condition: MatchCondition) -> bool:
    path = condition.path
    if len(path) > len(namespace):
        return False
    start = len(namespace) - len(path) if condition.match_type == "suffix" else 0
    labels = namespace[start : start + len(path)]
    return all(part in ("*", label) for part, label in zip(path, labels, strict=True))
