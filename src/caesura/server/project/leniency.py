"""Whether a program was written for LangGraph: whether its files import it.

Such programs get LangGraph's lenient outcomes (`caesura.config`), the others Caesura's strict ones. The
answer is read from the sources of the graph's module and of the project's modules that it imports, not
from what happened to be loaded, so that it is the same whatever was loaded before.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from importlib.util import resolve_name
from pathlib import Path
from types import ModuleType

from caesura.server.project.loading import is_own_file


def written_for_langgraph(module: ModuleType, *roots: Path) -> bool:
    """True if ``module``, or a module below ``roots`` that it leads to, imports ``langgraph``.

    The module is loaded, and so is what it imports.
    """
    waiting, seen = [module], {module.__name__}
    while waiting:
        for name in _imported_by(waiting.pop()):
            if name.partition(".")[0] == "langgraph":
                return True
            found = sys.modules.get(name)
            file = getattr(found, "__file__", None)
            if found is not None and name not in seen and file and is_own_file(file, *roots):
                seen.add(name)
                waiting.append(found)
    return False


def _imported_by(module: ModuleType) -> Iterator[str]:
    """Full names that the module's source imports; of ``from a import b`` both a and a.b."""
    file = getattr(module, "__file__", None)
    if file is None or not file.endswith(".py"):
        return
    for node in ast.walk(ast.parse(Path(file).read_bytes())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _with_parents(alias.name)
        elif isinstance(node, ast.ImportFrom):
            relative = "." * node.level + (node.module or "")
            source = resolve_name(relative, module.__package__) if node.level else relative
            yield from _with_parents(source)
            for alias in node.names:
                yield f"{source}.{alias.name}"


def _with_parents(name: str) -> Iterator[str]:
    parts = name.split(".")
    for end in range(1, len(parts) + 1):
        yield ".".join(parts[:end])
