"""From a Python file to its module: one rule for all who load programs, the server and the command line.

A file is imported under the name that other files of the project would import it by, so that it is
loaded once and its classes are known by one name, today and after a restart: its dotted path from the
root of its package, or from the project's directory. Where that name belongs to something else (a
``json.py``), the file gets a name of its own. Folders that become importable for this go to the end of
the search path, where they hide nothing.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Final

NAMES: Final = ("caesura.json", "langgraph.json")
"""Names of config files; the first that exists counts."""


def find_config(directory: Path) -> Path | None:
    """The config file of a directory, or None."""
    return next((file for name in NAMES if (file := directory / name).is_file()), None)


def project_of(path: Path) -> Path:
    """The directory of the project that a file belongs to: the nearest with a config file, or its own."""
    path = path.resolve()
    return next((folder for folder in path.parents if find_config(folder)), path.parent)


def import_file(path: Path, base: Path) -> ModuleType:
    """Import a file as a module (again: the same one). Whatever it raises passes through."""
    path = path.resolve()
    root = _package_root(path)
    if root is None:
        root = base.resolve() if path.is_relative_to(base.resolve()) else path.parent
        make_importable(root, path.parent)
    else:
        make_importable(root)
    name = ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
    if _finds(name, path):
        return importlib.import_module(name)
    return _import_by_location(path)


def make_importable(*folders: Path) -> None:
    """Add folders to the end of the search path, where they are not on it."""
    for folder in map(str, folders):
        if folder not in sys.path:
            sys.path.append(folder)


def _package_root(path: Path) -> Path | None:
    """The folder that holds the outermost package around a file; None if it is in none."""
    folder = path.parent
    while (folder / "__init__.py").is_file() and folder.name.isidentifier():
        folder = folder.parent
    return None if folder == path.parent else folder


def _finds(name: str, path: Path) -> bool:
    """True if importing ``name`` gives this file."""
    if not all(part.isidentifier() for part in name.split(".")):
        return False
    loaded = sys.modules.get(name)
    if loaded is not None:
        return _is_file(getattr(loaded, "__file__", None), path)
    try:
        spec = importlib.util.find_spec(name)
    except ModuleNotFoundError as error:
        if error.name is not None and name.startswith(f"{error.name}."):
            return False  # The first part of the name is another module's, which is no package.
        raise
    return spec is not None and _is_file(spec.origin, path)


def _is_file(found: str | None, path: Path) -> bool:
    return found is not None and Path(found).resolve() == path


def _import_by_location(path: Path) -> ModuleType:
    name = f"{path.stem.replace('-', '_')}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path.name} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module
