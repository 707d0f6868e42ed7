"""How many steps a run has left (source: semantics §2.7)."""

from __future__ import annotations

from typing import Annotated

from caesura.managed.base import ManagedValue, StepPosition


class IsLastStepManager(ManagedValue[bool]):
    """True in the last step before the recursion limit."""

    @staticmethod
    def get(position: StepPosition) -> bool:
        return position.step == position.stop - 1


class RemainingStepsManager(ManagedValue[int]):
    """Steps left before the recursion limit."""

    @staticmethod
    def get(position: StepPosition) -> int:
        return position.stop - position.step


IsLastStep = Annotated[bool, IsLastStepManager]
RemainingSteps = Annotated[int, RemainingStepsManager]
