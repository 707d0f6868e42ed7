"""Deterministic ids: the same place in the same history has the same id in every process."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any


def hash_hex(text: str) -> str:
    """32 hex characters that depend on ``text`` alone."""
    return _hash(text).hex()


@cache
def _unfed() -> Any:
    """Copied for each hash: that takes half the time of making one."""
    from hashlib import blake2b  # brings OpenSSL along, which takes a while to load

    return blake2b(digest_size=16)


def _hash(text: str) -> bytes:
    fed = _unfed().copy()
    fed.update(text.encode("utf-8", "surrogatepass"))
    digest: bytes = fed.digest()
    return digest


def _uuid_text(data: bytes) -> str:
    """16 bytes in the form of a UUID: groups of 4, 2, 2, 2 and 6 of them."""
    return f"{data[:4].hex()}-{data[4:10].hex('-', 2)}-{data[10:].hex()}"


def task_id(checkpoint_id: str, ns: str, step: int, name: str, place: str) -> str:
    """The id, in UUID form, of the task at ``place`` (its kind and triggers, index or call path)."""
    return _uuid_text(_hash(f"{checkpoint_id}\x1f{ns}\x1f{step}\x1f{name}\x1f{place}"))


def interrupt_id(ns: str, task: str, slot: int, key: str | None, digest: str) -> str:
    """The id of a question: who asks (``ns``, task), where (key or slot), and what (digest)."""
    place = f"k{key}" if key is not None else f"s{slot}"
    return hash_hex(f"interrupt\x1f{ns}\x1f{task}\x1f{place}\x1f{digest}")


@lru_cache(maxsize=4096)
def path_text(path: Any) -> str:
    """A task path as text that sorts as the path does: numbers padded, nesting marked."""
    if isinstance(path, (tuple, list)):
        return "~" + ", ".join(path_text(part) for part in path)
    if isinstance(path, int) and not isinstance(path, bool):
        return f"{path:010d}"
    return str(path)
