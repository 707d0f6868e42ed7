"""Unmodified LangGraph programs: ``import langgraph...`` gives Caesura's own modules.

    from caesura.compat import langgraph
    langgraph.install()

After `install`, ``langgraph.graph`` *is* ``caesura.graph``: the same module object, so ``isinstance``
holds across both names. It also turns on LangGraph's lenient outcomes for resumes (`caesura.config`),
because such programs were written against them. A module that does not exist here raises an
``ImportError`` that names it.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from caesura.config import Leniency

OURS = "caesura"
THEIRS = "langgraph"


class LangGraphConflictError(ImportError):
    """The real ``langgraph`` package is imported already, so its names cannot be ours."""


_PRIVATE = f"{THEIRS}._internal"


def _ours_of(name: str) -> str:
    """Our name of LangGraph's module ``name``."""
    if name == _PRIVATE or name.startswith(f"{_PRIVATE}."):
        return f"{OURS}.compat.internal{name[len(_PRIVATE) :]}"
    return OURS + name[len(THEIRS) :]


class _Alias(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds ``langgraph.x`` by importing ``caesura.x``."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != THEIRS and not fullname.startswith(f"{THEIRS}."):
            return None
        ours = _ours_of(fullname)
        try:
            found = importlib.util.find_spec(ours)
        except ModuleNotFoundError:
            found = None
        if found is None:
            raise ModuleNotFoundError(
                f"{fullname!r} is not part of this version of Caesura (there is no {ours!r}). "
                "See docs/compatibility.md for what is.",
                name=fullname,
            )
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        module = importlib.import_module(_ours_of(spec.name))
        _specs[spec.name] = (module.__spec__, getattr(module, "__loader__", None))
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Nothing: it ran under its own name. Gives back the spec that the import took away."""
        theirs = module.__spec__.name if module.__spec__ is not None else ""
        spec, loader = _specs.pop(theirs, (module.__spec__, None))
        module.__spec__ = spec
        if loader is not None:
            module.__loader__ = loader


_specs: dict[str, tuple[importlib.machinery.ModuleSpec | None, Any]] = {}
_finder = _Alias()


def install(*, lenient: bool = True) -> None:
    """Make ``langgraph`` another name of ``caesura`` in this process.

    Raises `LangGraphConflictError` if the real package was imported before.
    """
    loaded = sys.modules.get(THEIRS)
    if loaded is not None and not _is_ours(loaded):
        raise LangGraphConflictError(
            "langgraph is imported already, from elsewhere. Call install() before anything "
            "imports it, or uninstall the langgraph package."
        )
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)
    Leniency.enabled = lenient


def uninstall() -> None:
    """Undo `install`; modules imported meanwhile under both names stay ours."""
    if _finder in sys.meta_path:
        sys.meta_path.remove(_finder)
    for name in [n for n in sys.modules if n == THEIRS or n.startswith(f"{THEIRS}.")]:
        if _is_ours(sys.modules[name]):
            del sys.modules[name]
    Leniency.enabled = False


def _is_ours(module: ModuleType) -> bool:
    return module.__name__ == OURS or module.__name__.startswith(f"{OURS}.")
