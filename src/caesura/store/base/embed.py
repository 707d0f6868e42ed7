"""Texts to vectors: what a store with an index needs to know about a user's embeddings.

`ensure_embeddings` makes one interface of a sync function, an async function, an object with
`Embeddings`' methods and a ``"provider:model"`` name. `get_text_at_path` picks the texts of a value
that are embedded:

    $  the whole value     a.b  a field of a field     a[0]  a[-1]  an element     a[*]  each element
    *  every field or element     {a,b.c}  several paths, at the end of one
"""

from __future__ import annotations

import asyncio
import inspect
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

EmbeddingsFunc = Callable[[Sequence[str]], list[list[float]]]
"""Texts to one vector each, in the same order."""
AEmbeddingsFunc = Callable[[Sequence[str]], Awaitable[list[list[float]]]]
"""As `EmbeddingsFunc`, awaited."""


class Embeddings(ABC):
    """What embeds texts. Any class with the first two methods counts as one, LangChain's among them."""

    @abstractmethod
    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """One vector for each of ``texts``, in their order."""

    @abstractmethod
    def embed_query(self, text: str) -> list[float]:
        """The vector of a search's query."""

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        """As `embed_documents`; by default in a thread."""
        return await asyncio.to_thread(self.embed_documents, texts)

    async def aembed_query(self, text: str) -> list[float]:
        """As `embed_query`; by default in a thread."""
        return await asyncio.to_thread(self.embed_query, text)

    @classmethod
    def __subclasshook__(cls, other: type) -> bool:
        if cls is not Embeddings:
            return cast(bool, NotImplemented)
        names = ("embed_documents", "embed_query")
        fits = all(callable(getattr(other, name, None)) for name in names)
        return fits or cast(bool, NotImplemented)


class EmbeddingsLambda(Embeddings):
    """A function as `Embeddings`. An async one serves the async methods only."""

    def __init__(self, func: EmbeddingsFunc | AEmbeddingsFunc) -> None:
        self.func = func
        self.is_async = inspect.iscoroutinefunction(func) or inspect.iscoroutinefunction(
            getattr(func, "__call__", None)  # noqa: B004 - the method, not whether there is one
        )

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """One vector for each of ``texts``. Raises ValueError if the function is async."""
        if self.is_async:
            raise ValueError(
                "The embedding function is async, so it serves async methods only (aput, asearch, "
                "abatch). Use those, or give the store a sync function."
            )
        return cast(EmbeddingsFunc, self.func)(texts)

    def embed_query(self, text: str) -> list[float]:
        """The vector of ``text``. Raises ValueError if the function is async."""
        return self.embed_documents([text])[0]

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        """One vector for each of ``texts``; a sync function runs in a thread."""
        if not self.is_async:
            return await super().aembed_documents(texts)
        return await cast(AEmbeddingsFunc, self.func)(texts)

    async def aembed_query(self, text: str) -> list[float]:
        """The vector of ``text``."""
        return (await self.aembed_documents([text]))[0]


def ensure_embeddings(
    embed: Embeddings | EmbeddingsFunc | AEmbeddingsFunc | str | None,
) -> Embeddings:
    """``embed`` as `Embeddings`.

    A string such as ``"openai:text-embedding-3-small"`` is loaded by LangChain. Raises ValueError
    for None and for a string without LangChain, TypeError for what cannot embed.
    """
    if embed is None:
        raise ValueError("embed must be provided")
    if isinstance(embed, str):
        return _load_by_name(embed)
    if isinstance(embed, Embeddings):
        return embed
    if callable(embed):
        return EmbeddingsLambda(embed)
    raise TypeError(
        "embed takes a function from texts to vectors, an object with embed_documents and "
        f"embed_query, or a 'provider:model' name, not {type(embed).__name__}"
    )


def _load_by_name(name: str) -> Embeddings:
    try:
        from langchain.embeddings import init_embeddings
    except ImportError:
        raise ValueError(
            f"Could not load embeddings from string {name!r}. langchain is not installed: install "
            "'langchain>=0.3.9' and the provider's package, or pass a function as embed."
        ) from None
    return cast(Embeddings, init_embeddings(name))


# --- the texts of a value --------------------------------------------------------------------

_STEP = re.compile(r"\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}|\[[^\]]*\]?|\{.*|[^.\[{]+", re.DOTALL)


def tokenize_path(path: str) -> list[str]:
    """The steps of a path: ``a.b[*].{c,d}`` gives ``["a", "b", "[*]", "{c,d}"]``."""
    return _STEP.findall(path)


def get_text_at_path(obj: Any, path: str | list[str]) -> list[str]:
    """The texts at ``path`` (or its steps) in a value, in order; empty if there is nothing.

    Lists and dicts, and the whole value, become JSON with sorted keys.
    """
    if not path or path == "$":
        return [_as_json(obj)]
    return _texts(obj, tokenize_path(path) if isinstance(path, str) else path)


def _texts(obj: Any, steps: Sequence[str]) -> list[str]:
    if not steps:
        return _leaf(obj)
    step, rest = steps[0], steps[1:]
    if step.startswith("{"):
        paths = _alternatives(step)
        return [text for path in paths for text in _texts(obj, tokenize_path(path))]
    if step.startswith("["):
        return [text for item in _elements(obj, step[1:-1].strip()) for text in _texts(item, rest)]
    if step == "*":
        items = obj if isinstance(obj, list) else obj.values() if isinstance(obj, dict) else ()
        return [text for item in items for text in _texts(item, rest)]
    return _texts(obj[step], rest) if isinstance(obj, dict) and step in obj else []


def _alternatives(step: str) -> list[str]:
    if not step.endswith("}"):
        return []
    return [path for part in step[1:-1].split(",") if (path := part.strip())]


def _elements(obj: Any, index: str) -> list[Any]:
    if not isinstance(obj, list):
        return []
    if index == "*":
        return obj
    try:
        return [obj[int(index)]]
    except (ValueError, IndexError):
        return []


def _leaf(value: Any) -> list[str]:
    if isinstance(value, str | int | float | bool):
        return [str(value)]
    return [_as_json(value)] if isinstance(value, list | dict) else []


def _as_json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)
