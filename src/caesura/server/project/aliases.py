"""What the imports of a project's files mean while it is served.

``langgraph`` is Caesura, also where the real package is installed. ``langgraph_sdk`` is the real package
where it is installed; elsewhere the few names that server-side code takes from it are ours.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any, Final

from caesura.compat import langgraph
from caesura.server.logs import log

_SDK: Final = "langgraph_sdk"
_MODULES: Final = {
    "auth": "caesura.server.auth",
    "encryption": "caesura.server.encryption",
    "runtime": "caesura.server.project.runtime",
}
_NAMES: Final = {"Auth": "auth", "Encryption": "encryption", "EncryptionContext": "encryption"}


def install_aliases() -> None:
    """Make `import langgraph` and, if it is not installed, `import langgraph_sdk` mean ours.

    Leniency is left to each run: `Graphs.lenient` says it. Where the real ``langgraph`` is loaded
    already, its name stays its own and a warning is logged: graphs made with it cannot be served.
    """
    try:
        langgraph.install(lenient=False)
    except langgraph.LangGraphConflictError as error:
        log.warning("langgraph is not Caesura in this process", reason=str(error))
    if _finder not in sys.meta_path and importlib.util.find_spec(_SDK) is None:
        sys.meta_path.insert(0, _finder)


def uninstall_aliases() -> None:
    """Undo `install_aliases`."""
    langgraph.uninstall()
    if _finder in sys.meta_path:
        sys.meta_path.remove(_finder)
        for name in [n for n in sys.modules if n == _SDK or n.startswith(f"{_SDK}.")]:
            del sys.modules[name]


class _SdkAlias(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds ``langgraph_sdk`` and the modules of `_MODULES` in it."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        package, _, rest = fullname.partition(".")
        if package != _SDK:
            return None
        if rest and not _exists(_ours(rest)):
            raise ModuleNotFoundError(_missing(fullname), name=fullname)
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def exec_module(self, module: ModuleType) -> None:
        """Put our module in the place of the fresh one; the package itself looks names up when asked."""
        package, _, rest = module.__name__.partition(".")
        if rest:
            sys.modules[module.__name__] = importlib.import_module(_ours(rest))
        else:
            module.__doc__ = f"The names that server-side code takes from {package}, by Caesura."
            module.__dict__["__getattr__"] = _attribute


_finder = _SdkAlias()


def _ours(rest: str) -> str:
    first, dot, more = rest.partition(".")
    return f"{_MODULES.get(first, '')}{dot}{more}" if first in _MODULES else ""


def _exists(name: str) -> bool:
    try:
        return bool(name) and importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def _attribute(name: str) -> Any:
    module = _MODULES.get(_NAMES.get(name, ""), "")
    if not _exists(module):
        raise AttributeError(_missing(f"{_SDK}.{name}"), name=name)
    return getattr(importlib.import_module(module), name)


def _missing(name: str) -> str:
    return (
        f"{name} is not available: the package langgraph-sdk is not installed, and Caesura has only "
        f"{', '.join(_NAMES)} and ServerRuntime of it. `pip install langgraph-sdk` gives the rest."
    )
