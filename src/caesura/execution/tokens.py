"""Names for runs, and whether a run of that name is still alive."""

from __future__ import annotations

import os
import threading
from functools import cache
from weakref import WeakValueDictionary

_naming = threading.Lock()


@cache
def _host() -> str:
    import platform  # a program that claims nothing needs none of it

    return platform.node()


class RunToken:
    """The name of one run: host, process, and a random part. Alive as long as the object is held.

    It is drawn when it is first asked for: most runs claim nothing.
    """

    __slots__ = ("__weakref__", "_text")

    def __init__(self) -> None:
        self._text: str | None = None

    @property
    def text(self) -> str:
        """The name. May be asked for in any thread."""
        with _naming:
            if self._text is None:
                self._text = f"{_host()}|{os.getpid()}|{os.urandom(16).hex()}"
                _alive[self._text] = self
            return self._text

    def end(self) -> None:
        """The run is over, however it ended: what it claimed is free."""
        if self._text is not None:
            _alive.pop(self._text, None)


_alive: WeakValueDictionary[str, RunToken] = WeakValueDictionary()


def runs_here(token: str) -> bool:
    """True if the run certainly goes on: on this host, in a process that lives."""
    return token.split("|")[0] == _host() and is_alive(token)


def is_alive(token: str) -> bool:
    """False if the run has certainly ended. A run on another host counts as alive."""
    host, pid, _ = token.split("|")
    if host != _host():
        return True
    if int(pid) == os.getpid():
        return token in _alive
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
