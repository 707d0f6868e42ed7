"""Check that `src/caesura/core` is pure: `python tools/check_purity.py [FOLDER]`.

The engine's rules must give the same result for the same arguments, at any time, on any machine.
So its files may import only modules from the lists below, and may not call the builtins that read
or change the world. The source is parsed, never imported. Imports for type checkers only are free.

Prints one line for each finding and exits with 1 if there is one.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

CORE = Path(__file__).resolve().parent.parent / "src" / "caesura" / "core"

PURE_MODULES = frozenset(
    {
        "__future__",
        "abc",
        "bisect",
        "collections",
        "collections.abc",
        "contextlib",
        "copy",
        "dataclasses",
        "enum",
        "functools",
        "hashlib",
        "heapq",
        "itertools",
        "json",
        "math",
        "operator",
        "re",
        "string",
        "types",
        "typing",
        "typing_extensions",
    }
)
"""Standard modules whose functions depend on nothing but their arguments."""

CAESURA_MODULES = (
    "caesura.asking",
    "caesura.callbacks",
    "caesura.channels",
    "caesura.checkpoint.operations",
    "caesura.config",
    "caesura.constants",
    "caesura.core",
    "caesura.digests",
    "caesura.errors",
    "caesura.interrupts.binding",
    "caesura.interrupts.lifecycle",
    "caesura.managed",
    "caesura.runtime",
    "caesura.schemas",
    "caesura.types",
    "caesura.typing",
    "caesura.warnings",
)
"""Rooms of our own that the core may use, with everything inside them."""

IMPURE_BUILTINS = frozenset(
    {
        "__import__",
        "breakpoint",
        "compile",
        "eval",
        "exec",
        "exit",
        "globals",
        "id",
        "input",
        "open",
        "print",
        "quit",
    }
)
"""`id` is among them because it differs from run to run."""


def findings(folder: Path) -> Iterator[str]:
    """One text ``file:line: what`` for each impurity in the Python files of ``folder``."""
    for path in sorted(folder.rglob("*.py")):
        package = _package_of(path, folder)
        for line, what in _check(ast.parse(path.read_text(encoding="utf-8")), package):
            yield f"{path}:{line}: {what}"


def _package_of(path: Path, folder: Path) -> str:
    inner = path.relative_to(folder).parent.parts
    return ".".join(("caesura", "core", *inner))


def _check(tree: ast.Module, package: str) -> Iterator[tuple[int, str]]:
    own = _bound(tree)
    for node in _runtime_nodes(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            for module in _imported(node, package):
                if not _is_allowed(module):
                    yield node.lineno, f"imports {module}"
        elif isinstance(node, ast.Name) and node.id in IMPURE_BUILTINS - own:
            yield node.lineno, f"uses {node.id}()"
        elif isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith):
            yield node.lineno, "is asynchronous"


def _bound(tree: ast.Module) -> set[str]:
    """Names that the file gives a meaning of its own, as a parameter, variable or field."""
    stored = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and not _loads(n)}
    return stored | {n.arg for n in ast.walk(tree) if isinstance(n, ast.arg)}


def _loads(name: ast.Name) -> bool:
    return isinstance(name.ctx, ast.Load)


def _runtime_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """Every node below ``node``, without the bodies of ``if TYPE_CHECKING:``."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and _is_type_checking(child.test):
            for other in child.orelse:
                yield other
                yield from _runtime_nodes(other)
            continue
        yield child
        yield from _runtime_nodes(child)


def _is_type_checking(test: ast.expr) -> bool:
    name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", None)
    return name == "TYPE_CHECKING"


def _imported(node: ast.Import | ast.ImportFrom, package: str) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    module = _absolute(node, package)
    # `from caesura import errors` imports the room errors; `from caesura.errors import X` does not
    # tell a module from a name, and both lie in an allowed room.
    if module in ("caesura", "caesura.checkpoint"):
        return [f"{module}.{alias.name}" for alias in node.names]
    return [module]


def _absolute(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    parts = package.split(".")
    parts = parts[: len(parts) - node.level + 1]
    return ".".join([*parts, node.module] if node.module else parts)


def _is_allowed(module: str) -> bool:
    if module in PURE_MODULES:
        return True
    return any(module == room or module.startswith(room + ".") for room in CAESURA_MODULES)


def main(arguments: list[str]) -> int:
    """Check the folder named by the arguments, or the core → exit code."""
    folder = Path(arguments[0]) if arguments else CORE
    found = list(findings(folder))
    for line in found:
        print(line)
    files = len(list(folder.rglob("*.py")))
    if not found:
        print(f"pure: {files} files")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
