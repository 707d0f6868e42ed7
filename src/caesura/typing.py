"""Type variables of the public API."""

from __future__ import annotations

from typing import Any, TypeVar

StateT = TypeVar("StateT", bound=Any)
StateT_co = TypeVar("StateT_co", bound=Any, covariant=True)
StateT_contra = TypeVar("StateT_contra", bound=Any, contravariant=True)
InputT = TypeVar("InputT", bound=Any)
OutputT = TypeVar("OutputT", bound=Any)
ContextT = TypeVar("ContextT", bound=Any)
NodeInputT = TypeVar("NodeInputT", bound=Any)
NodeInputT_contra = TypeVar("NodeInputT_contra", bound=Any, contravariant=True)
