"""What a graph factory can ask about why it is called: `ServerRuntime`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, Literal

from caesura.runtime import BaseUser
from caesura.typing import ContextT

AccessContext = Literal["threads.create_run", "threads.update", "threads.read", "assistants.read"]
"""What a graph is opened for: to run; to edit a thread's state; to read one; to show the graph."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerRuntime(Generic[ContextT]):
    """Handed to a graph factory that has a parameter of this type.

    ``user``: who calls, where the server knows. ``context``: the run's, None unless one is running.
    """

    access_context: AccessContext
    user: BaseUser | None = None
    store: Any = None
    context: ContextT | None = None

    @property
    def execution_runtime(self) -> ServerRuntime[ContextT] | None:
        """Itself while the graph is opened to run, else None: open costly resources only then."""
        return self if self.access_context == "threads.create_run" else None

    def ensure_user(self) -> BaseUser:
        """The user. Raises PermissionError if the server knows none."""
        if self.user is None:
            raise PermissionError("No user is known: this server does not authenticate callers.")
        return self.user


__all__ = ("AccessContext", "BaseUser", "ServerRuntime")
