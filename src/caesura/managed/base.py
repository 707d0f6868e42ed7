"""Managed values: keys of a node's input that the engine computes and nobody writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeGuard, TypeVar

V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class StepPosition:
    """Where the run stands: the step about to run, and the last step it may run."""

    step: int
    stop: int


class ManagedValue(Generic[V]):
    """Base of managed values; subclass it and put the class into ``Annotated``."""

    @staticmethod
    def get(position: StepPosition) -> Any:
        """The value a task sees in the step at ``position``."""
        raise NotImplementedError


def is_managed_value(value: Any) -> TypeGuard[type[ManagedValue[Any]]]:
    """True if ``value`` is a managed value class."""
    return isinstance(value, type) and issubclass(value, ManagedValue)
