"""What a client said it can do, kept in its session id: the server remembers nothing. Pure.

The id is not a secret and not signed: it only says in which form the client likes to be asked, as the
client told us when it began. A client that makes one up harms itself alone.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

import msgspec

HEADER: Final = "Mcp-Session-Id"


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a client can do beyond calling tools. ``elicits``: it can put a form before a person."""

    elicits: bool = False


class _Written(msgspec.Struct):
    elicits: bool = False
    id: str = ""


def abilities_of(capabilities: Any) -> Abilities:
    """The abilities that a client declares when it begins."""
    given = capabilities.get("elicitation") if isinstance(capabilities, Mapping) else None
    return Abilities(isinstance(given, Mapping) and (not given or "form" in given))


def write_session(abilities: Abilities) -> str:
    """A new session id that carries ``abilities``."""
    data = msgspec.json.encode(_Written(abilities.elicits, uuid4().hex))
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def read_session(id: str | None) -> Abilities:
    """What a session id carries; an id that is none of ours carries nothing."""
    if not id or len(id) > 400:
        return Abilities()
    try:
        data = base64.urlsafe_b64decode(id + "=" * (-len(id) % 4))
        return Abilities(msgspec.json.decode(data, type=_Written).elicits)
    except (binascii.Error, msgspec.DecodeError, UnicodeError, ValueError):
        return Abilities()
