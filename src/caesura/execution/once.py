"""The scope of a call that must not happen twice: one call to the outside, and nothing else in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

from caesura.asking import Question
from caesura.errors import EffectRefusedError
from caesura.execution.context import TaskScope


class EffectScope(TaskScope):
    """What code inside such a call sees. It may not pause: it is never begun twice."""

    __slots__ = ()

    def outcome(self, question: Question) -> Any:
        """What a person answered to "did it happen?"; raises the pause if nobody has."""
        return super().ask((question,))[0]

    def ask(self, questions: Sequence[Question]) -> list[Any]:
        self._refuse("ask a person")

    def next_call(self) -> int:
        self._refuse("call a task")

    def next_graph(self) -> int:
        self._refuse("run a graph")

    def _refuse(self, what: str) -> NoReturn:
        raise EffectRefusedError(
            f"Task {self.task.name!r} has effect=True and may not {what}: such a call is never "
            "begun twice. Do that ahead of the call, in the function that makes it."
        )
