"""Writes `docs/reference/library.md` from the docstrings: ``python -m tools.reference``.

A name is told of once, in the first module of `MODULES` that offers it; the others point there.
"""

from __future__ import annotations

import enum
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Final, is_typeddict

PAGE: Final = Path(__file__).resolve().parents[1] / "docs" / "reference" / "library.md"

MODULES: Final = (
    "caesura.graph",
    "caesura.func",
    "caesura.types",
    "caesura.config",
    "caesura.runtime",
    "caesura.errors",
    "caesura.warnings",
    "caesura.callbacks",
    "caesura.stream",
    "caesura.channels",
    "caesura.pregel",
    "caesura.checkpoint.memory",
    "caesura.checkpoint.sqlite",
    "caesura.checkpoint.sqlite.aio",
    "caesura.checkpoint.postgres",
    "caesura.checkpoint.postgres.aio",
    "caesura.checkpoint.base",
    "caesura.checkpoint.serde.jsonplus",
    "caesura.checkpoint.serde.encrypted",
    "caesura.store.memory",
    "caesura.store.sqlite",
    "caesura.store.sqlite.aio",
    "caesura.store.postgres",
    "caesura.store.postgres.aio",
    "caesura.store.base",
    "caesura.cache.memory",
    "caesura.cache.sqlite",
    "caesura.cache.redis",
    "caesura.cache.base",
)

HEAD: Final = """\
# The library

Every public name, by module. Made from the docstrings by `python -m tools.reference`; change them there.
The how-to guides say what to use when. Whatever `langgraph.x` has under the same name is here for the same use;
[compatibility](../compatibility.md) says what differs.
"""

_SECTION: Final = re.compile(r"^(Args|Raises|Returns|Yields|Attributes|Example):$")
_ITEM: Final = re.compile(r"^(\*{0,2}[\w.]+(?:, \*{0,2}[\w.]+)*): +(.*)$")
_ADDRESS: Final = re.compile(r"<[^<>]* at 0x[0-9a-f]+>|<factory>|<object object[^>]*>")


def page() -> str:
    """The text of the page."""
    told: dict[int, str] = {}
    return HEAD + "".join(_module(name, told) for name in MODULES)


def undocumented() -> list[str]:
    """Public classes and functions that say nothing of themselves."""
    return [
        f"{module}.{name}"
        for module in MODULES
        for name, value in public(importlib.import_module(module))
        if _is_described(value) and not _own_doc(value)
    ]


def public(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """The names that a module offers: its ``__all__``, or else what it defines."""
    names = getattr(module, "__all__", None)
    if names is not None:
        yield from ((name, getattr(module, name)) for name in names)
        return
    for name, value in vars(module).items():
        if not name.startswith("_") and getattr(value, "__module__", "") == module.__name__:
            yield name, value


def _module(name: str, told: dict[int, str]) -> str:
    module = importlib.import_module(name)
    lines = [f"\n## {name}\n\n{_prose((module.__doc__ or '').split(chr(10) * 2)[0])}\n"]
    elsewhere, plain = [], []
    for title, value in public(module):
        if not _is_described(value):
            plain.append(f"`{title}`")
        elif id(value) in told:
            elsewhere.append(f"`{title}` ({told[id(value)]})")
        else:
            told[id(value)] = name
            lines.append(_entry(title, value))
    if plain:
        lines.append(f"\nTypes and values: {', '.join(plain)}.\n")
    if elsewhere:
        lines.append(f"\nAlso here: {', '.join(elsewhere)}.\n")
    return "".join(lines)


def _is_described(value: Any) -> bool:
    return inspect.isclass(value) or inspect.isroutine(value)


def _own_doc(value: Any) -> str:
    doc = vars(value).get("__doc__") if inspect.isclass(value) else value.__doc__
    return inspect.cleandoc(doc) if isinstance(doc, str) else ""


def _entry(name: str, value: Any) -> str:
    shown = f"\n### {name}\n\n```py\n{name}{_signature(value)}\n```\n"
    shown += "".join(f"\n{part}\n" for part in _parts(_own_doc(value)))
    if inspect.isclass(value):
        inside = [*_keys(value), *_methods(value)]
        shown += "\n" + "".join(f"- {line}\n" for line in inside) if inside else ""
    return shown


# --- docstrings --------------------------------------------------------------------------------


def _parts(doc: str) -> Iterator[str]:
    """Paragraphs and lists, as Markdown."""
    for paragraph in re.split(r"\n\n+", doc):
        first, _, rest = paragraph.partition("\n")
        section = _SECTION.match(first)
        if section:
            yield f"**{section[1]}**\n\n" + "\n".join(_items(inspect.cleandoc("\n" + rest)))
        elif paragraph.startswith("    "):
            yield f"```py\n{inspect.cleandoc(chr(10) + paragraph)}\n```"
        elif paragraph:
            yield _prose(paragraph, lists=True)


def _items(text: str) -> Iterator[str]:
    """The entries of a section such as ``Args:``."""
    entries: list[str] = []
    for line in text.splitlines():
        if line.startswith(" ") and entries:
            entries[-1] += " " + line.strip()
        else:
            entries.append(line)
    for entry in entries:
        item = _ITEM.match(entry)
        yield f"- `{item[1]}`: {_prose(item[2])}" if item else f"- {_prose(entry)}"


def _prose(text: str, *, lists: bool = False) -> str:
    text = re.sub(r"``(.+?)``", r"`\1`", text, flags=re.DOTALL)
    text = re.sub(r"::(?=\s|$)", ":", text)
    return text if lists else " ".join(text.split())


# --- signatures --------------------------------------------------------------------------------


def _signature(value: Any) -> str:
    if inspect.isclass(value) and (
        is_typeddict(value)
        or issubclass(value, enum.Enum)
        or getattr(value, "_is_protocol", False)
        or (issubclass(value, BaseException) and "__init__" not in vars(value))
    ):
        return ""
    try:
        found = inspect.signature(value)
    except (TypeError, ValueError):
        return ""
    short = f"({', '.join(_parameters(found))}){_returned(found, value)}"
    if len(short) <= 90:
        return short
    lines = "".join(f"    {each},\n" for each in _parameters(found))
    return f"(\n{lines}){_returned(found, value)}"


def _parameters(found: inspect.Signature) -> Iterator[str]:
    kinds = inspect.Parameter
    starred = False
    for name, each in found.parameters.items():
        if name == "self":
            continue
        if each.kind is kinds.KEYWORD_ONLY and not starred:
            starred = True
            yield "*"
        starred = starred or each.kind is kinds.VAR_POSITIONAL
        mark = {"VAR_POSITIONAL": "*", "VAR_KEYWORD": "**"}.get(each.kind.name, "")
        note = "" if each.annotation is each.empty else f": {_annotation(each.annotation)}"
        default = "" if each.default is each.empty else f" = {_default(each.default)}"
        yield f"{mark}{name}{note}{default if note else default.replace(' ', '')}"


def _returned(found: inspect.Signature, value: Any) -> str:
    if inspect.isclass(value) or found.return_annotation is found.empty:
        return ""
    return f" -> {_annotation(found.return_annotation)}"


def _annotation(given: Any) -> str:
    given = getattr(given, "__forward_arg__", given)
    if isinstance(given, str):
        return given.strip("'\"")
    return given.__name__ if inspect.isclass(given) else str(given).replace("typing.", "")


def _default(value: Any) -> str:
    if inspect.isclass(value) or inspect.isroutine(value):
        return str(value.__name__)
    return _ADDRESS.sub("…", repr(value))


def _keys(value: Any) -> Iterator[str]:
    if is_typeddict(value):
        for key, hint in value.__annotations__.items():
            yield f"`{key}: {_annotation(hint)}`"
    elif issubclass(value, enum.Enum):
        yield from (f"`{member.name}`: `{member.value!r}`" for member in value)


def _methods(value: Any) -> Iterator[str]:
    """What users call: methods and properties of the class itself."""
    for name, member in _members(value).items():
        inner = getattr(member, "__func__", member)
        doc = inspect.getdoc(getattr(value, name, None)) if not name.startswith("_") else None
        if not doc or not (inspect.isfunction(inner) or isinstance(inner, property)):
            continue
        first, *more = _parts(doc)
        text = f"`{name}{'' if isinstance(inner, property) else _call(inner)}`: {first}"
        yield "\n\n".join([text, *more]).replace("\n", "\n  ").replace("\n  \n", "\n\n")


def _members(value: Any) -> dict[str, Any]:
    """What is defined in the class, and in those that are only parts of it (their docstrings say so)."""
    parts = [base for base in value.__mro__ if f"Part of `{value.__name__}`." == base.__doc__]
    found = dict(vars(value))
    for part in parts:
        found |= {name: member for name, member in vars(part).items() if name not in found}
    return found


def _call(function: Any) -> str:
    """The parameters of a method by name, with what they are if not given."""
    found = inspect.signature(function)
    bare = found.replace(
        parameters=[
            each.replace(annotation=each.empty)
            for name, each in found.parameters.items()
            if name not in ("self", "cls")
        ]
    )
    return f"({', '.join(_parameters(bare))})"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
