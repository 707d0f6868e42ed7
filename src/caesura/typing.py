"""Type variables of the public API.

Those after the state have defaults, so that ``StateGraph(State)`` needs no annotation: without a
context schema the context is None, and input and output are the state.
"""

from __future__ import annotations

from typing import Any

from typing_extensions import TypeVar

StateT = TypeVar("StateT", bound=Any)
StateT_co = TypeVar("StateT_co", bound=Any, covariant=True)
StateT_contra = TypeVar("StateT_contra", bound=Any, contravariant=True)
ContextT = TypeVar("ContextT", bound=Any, default=None)
InputT = TypeVar("InputT", bound=Any, default=StateT)
OutputT = TypeVar("OutputT", bound=Any, default=StateT)
NodeInputT = TypeVar("NodeInputT", bound=Any, default=StateT)
NodeInputT_contra = TypeVar("NodeInputT_contra", bound=Any, contravariant=True)

# Of what is compiled: ``Pregel`` without brackets is a program of any state, not of none.
RunStateT = TypeVar("RunStateT", bound=Any, default=Any)
RunContextT = TypeVar("RunContextT", bound=Any, default=Any)
RunInputT = TypeVar("RunInputT", bound=Any, default=Any)
RunOutputT = TypeVar("RunOutputT", bound=Any, default=Any)
