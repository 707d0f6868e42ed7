"""What runs again when a question is answered: calls ahead of a pause that are no tasks.

A node that asks is run again from its first line when it is answered. What it calls ahead of the
question happens again then, unless it is a task (its result is stored) or pure. `check_program` reads
the source of a program's nodes and lists such calls. It calls nothing: names are looked up in the
functions' globals and closures, so that a task, a class or a helper is known for what it is. Helpers of
the same project are read too: they count if they call something that counts.

It is a warning, not a proof: a call through a variable is judged by the name of its method, and code
without source, such as a lambda, is not looked at.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import logging
import re
import sysconfig
import textwrap
import types
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import partial
from numbers import Number
from typing import Any, Final

from caesura.asking import interrupt, interrupts
from caesura.func import TaskFunction
from caesura.pregel.compiled import Pregel

Function = ast.FunctionDef | ast.AsyncFunctionDef

_PURE_MODULES: Final = {
    "_bisect", "_collections", "_functools", "_heapq", "_json", "_operator", "_struct", "abc",
    "array", "ast", "base64", "binascii", "bisect", "builtins", "cmath", "collections",
    "colorsys", "contextlib", "copy", "dataclasses", "datetime", "decimal", "difflib", "enum",
    "fractions", "functools", "hashlib", "heapq", "hmac", "html", "inspect", "ipaddress",
    "itertools", "json", "math", "numbers", "operator", "pathlib", "posixpath", "pprint", "re",
    "shlex", "statistics", "string", "struct", "textwrap", "traceback", "types", "typing",
    "typing_extensions", "unicodedata", "urllib", "warnings", "weakref", "zlib", "zoneinfo",
}  # fmt: skip
_IMPURE_NAMES: Final = {
    "__import__", "breakpoint", "eval", "exec", "input", "mkdir", "now", "open", "rename",
    "rmdir", "today", "touch", "unlink", "urlopen", "urlretrieve", "utcnow", "write_bytes",
    "write_text",
}  # fmt: skip
_PLAIN_KINDS: Final = (
    str,
    bytes,
    bytearray,
    Number,
    Mapping,
    Sequence,
    Set,
    date,
    timedelta,
    re.Pattern,
)
_PLAIN_METHODS: Final = frozenset(
    name
    for kind in (str, bytes, int, float, list, tuple, dict, set, date, timedelta, re.Match)
    for name in dir(kind)
) | {"result", "model_dump", "model_copy", "model_dump_json", "_asdict", "_replace"}
_GIVEN: Final = re.compile(r"(writer|store|runtime\.(?!context))\b")
"""What a run lends its nodes: harmless to use again."""
_LIBRARIES: Final = tuple(
    {sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")}
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One call that happens again. ``pause_line``: where the question is asked."""

    file: str
    line: int
    node: str
    call: str
    pause_line: int
    because: str | None = None
    """What the call does in turn, if it is a helper of the project."""

    def __str__(self) -> str:
        through = f" (it calls {self.because})" if self.because else ""
        return (
            f"{self.file}:{self.line}: {self.call}(){through} in {self.node!r} happens again when the "
            f"question on line {self.pause_line} is answered"
        )


def check_program(program: Pregel) -> list[Finding]:
    """The calls ahead of a pause in the nodes of a program, its tasks and its nested graphs."""
    reader, found = _Reader(), dict[tuple[str, int, str], Finding]()
    for name, function in _functions_of(program, set()):
        for finding in reader.check(name, function):
            found.setdefault((finding.file, finding.line, finding.call), finding)
    return sorted(found.values(), key=lambda each: (each.file, each.line))


def _functions_of(program: Pregel, seen: set[int]) -> Iterator[tuple[str, Any]]:
    if id(program) in seen:
        return
    seen.add(id(program))
    for name, node in program.program.nodes.items():
        for action in (node.action, *(branch.action for branch in node.branches)):
            if not isinstance(action.original, Pregel):
                yield name, action.original
        for graph in node.subgraphs:
            yield from _functions_of(graph, seen)


# --- functions, read ---------------------------------------------------------------------------


class _Local:
    """A value that is known only when the program runs."""


_LOCAL: Final = _Local()


@dataclass(slots=True, eq=False)
class _Body:
    """The source of one function, and what its names mean."""

    tree: Function
    file: str
    names: Mapping[str, Any]
    inner: dict[str, Function] = field(default_factory=dict)
    """Functions defined in it."""
    local: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        for node in ast.walk(self.tree):
            if isinstance(node, Function) and node is not self.tree:
                self.inner[node.name] = node
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                self.local.add(node.id)
            elif isinstance(node, ast.arg):
                self.local.add(node.arg)

    def value(self, node: ast.expr) -> Any:
        """What an expression means; `_LOCAL` if that is known only at run time."""
        if isinstance(node, ast.Name):
            if node.id in self.names and node.id not in self.local:
                return self.names[node.id]
            return _LOCAL if node.id in self.local else vars(builtins).get(node.id, _LOCAL)
        if isinstance(node, ast.Attribute):
            base = self.value(node.value)
            if base is _LOCAL:
                return _LOCAL
            return inspect.getattr_static(base, node.attr, _LOCAL)
        return _LOCAL


def _body_of(function: Any) -> _Body | None:
    """The source of a function of the project; None for anything else."""
    bound = None
    while isinstance(function, partial):
        function = function.func
    if not inspect.isroutine(function) and callable(function):
        function = function.__call__
    if inspect.ismethod(function):
        bound, function = function.__self__, function.__func__
    function = inspect.unwrap(function) if callable(function) else function
    if not inspect.isfunction(function) or not _is_of_project(function):
        return None
    try:
        lines, first = inspect.getsourcelines(function)
        tree = ast.parse(textwrap.dedent("".join(lines))).body[0]
    except (OSError, SyntaxError, IndexError):
        return None
    if not isinstance(tree, Function):
        return None
    ast.increment_lineno(tree, first - 1)
    body = _Body(tree, function.__code__.co_filename, _names_of(function))
    if bound is not None and tree.args.args:
        itself = tree.args.args[0].arg
        body.local.discard(itself)
        body.names = {**body.names, itself: bound}
    return body


def _names_of(function: types.FunctionType) -> dict[str, Any]:
    names = dict(function.__globals__)
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            names[name] = cell.cell_contents
        except ValueError:
            names[name] = _LOCAL
    return names


def _is_of_project(function: types.FunctionType) -> bool:
    module = function.__module__ or ""
    file = function.__code__.co_filename
    return module.partition(".")[0] != "caesura" and not file.startswith((*_LIBRARIES, "<"))


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    """The calls that running ``tree`` makes itself: not those of functions defined in it."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.Lambda | Function | ast.ClassDef):
            continue
        if isinstance(child, ast.Call):
            yield child
        yield from _calls(child)


def _in_body(tree: Function) -> ast.Module:
    return ast.Module(tree.body, [])


def _end(node: ast.expr) -> tuple[int, int]:
    return node.end_lineno or 0, node.end_col_offset or 0


# --- calls, judged -----------------------------------------------------------------------------


class _Reader:
    """Judges calls; remembers what it has read."""

    def __init__(self) -> None:
        self._bodies: dict[int, tuple[Any, _Body | None]] = {}
        self._impure: dict[int, str | None] = {}
        self._pausing: dict[int, bool] = {}
        self._checked: set[int] = set()

    def check(self, name: str, function: Any) -> Iterator[Finding]:
        """The calls ahead of a pause in ``function``, and in the tasks and helpers that it calls."""
        body = self._body(function)
        if body is None or id(body) in self._checked:
            return
        self._checked.add(id(body))
        calls = list(_calls(_in_body(body.tree)))
        pauses = [call for call in calls if self._pauses(body, call)]
        for call in calls:
            callee = body.value(call.func)
            if isinstance(callee, TaskFunction):
                yield from self.check(callee.__name__, callee.func)
            elif inspect.isfunction(callee) and call in pauses:
                yield from self.check(name, callee)
            if call in pauses or (pause := _ahead_of(body.tree, call, pauses)) is None:
                continue
            impure, because = self._judge(body, call)
            if impure:
                what = ast.unparse(call.func)
                yield Finding(body.file, call.lineno, name, what, pause.lineno, because)

    def _body(self, function: Any) -> _Body | None:
        known = self._bodies.get(id(function))
        if known is None:
            known = self._bodies[id(function)] = function, _body_of(function)
        return known[1]

    def _pauses(self, body: _Body, call: ast.Call) -> bool:
        callee = body.value(call.func)
        if callee is interrupt or callee is interrupts:
            return True
        function = callee.func if isinstance(callee, TaskFunction) else callee
        if not inspect.isfunction(function) and not inspect.ismethod(function):
            return False
        inner = self._body(function)
        if inner is None:
            return False
        if id(inner) not in self._pausing:
            self._pausing[id(inner)] = False  # a function that calls itself adds nothing
            every = _calls(_in_body(inner.tree))
            self._pausing[id(inner)] = any(self._pauses(inner, each) for each in every)
        return self._pausing[id(inner)]

    def _judge(self, body: _Body, call: ast.Call) -> tuple[bool, str | None]:
        """Whether a call does more than compute; and what it calls in turn that does."""
        target, callee = call.func, body.value(call.func)
        if isinstance(target, ast.Name) and target.id in body.inner:
            because = self._first_impure(body, body.inner[target.id])
            return because is not None, because
        if callee is _LOCAL:
            return _is_impure_by_name(body, target), None
        if isinstance(callee, staticmethod | classmethod):
            callee = callee.__func__
        inner = self._body(callee) if inspect.isfunction(callee) else None
        if inner is not None:
            because = self._first_impure(inner, inner.tree)
            return because is not None, because
        return _is_impure(callee, body, target), None

    def _first_impure(self, body: _Body, tree: Function) -> str | None:
        if id(tree) not in self._impure:
            self._impure[id(tree)] = None
            for call in _calls(_in_body(tree)):
                if not self._pauses(body, call) and self._judge(body, call)[0]:
                    self._impure[id(tree)] = ast.unparse(call.func)
                    break
        return self._impure[id(tree)]


def _ahead_of(tree: Function, call: ast.Call, pauses: Sequence[ast.Call]) -> ast.Call | None:
    """The first pause after ``call``, or in a loop around it."""
    for pause in pauses:
        if _end(call) < _end(pause):
            return pause
    for loop in ast.walk(tree):
        if isinstance(loop, ast.For | ast.AsyncFor | ast.While):
            within = {id(each) for each in _calls(loop)}
            if id(call) in within:
                inside = (pause for pause in pauses if id(pause) in within)
                if (found := next(inside, None)) is not None:
                    return found
    return None


def _is_impure_by_name(body: _Body, target: ast.expr) -> bool:
    """A call through a variable."""
    if _GIVEN.match(ast.unparse(target)):
        return False
    if not isinstance(target, ast.Attribute):
        return True
    base = body.value(target.value)
    if base is not _LOCAL and not isinstance(base, _PLAIN_KINDS):
        return True
    return target.attr in _IMPURE_NAMES or target.attr not in _PLAIN_METHODS


def _is_impure(callee: Any, body: _Body, target: ast.expr) -> bool:
    """A call of something known that has no source in the project."""
    if isinstance(callee, TaskFunction | Pregel):
        return False
    name = getattr(callee, "__name__", "")
    if name in _IMPURE_NAMES or (
        isinstance(target, ast.Attribute) and target.attr in _IMPURE_NAMES
    ):
        return True
    if isinstance(target, ast.Attribute):
        base = body.value(target.value)
        if isinstance(base, (*_PLAIN_KINDS, logging.Logger, Pregel, TaskFunction)):
            return False
    module = (getattr(callee, "__module__", None) or _module_of_method(callee)).partition(".")[0]
    return not isinstance(callee, type) and module not in (*_PURE_MODULES, "caesura", "logging")


def _module_of_method(callee: Any) -> str:
    return str(getattr(getattr(callee, "__objclass__", None), "__module__", ""))
