"""Static API keys: made once, shown once, stored as a hash.

A key is ``csk_`` and 256 random bits, so its SHA-256 cannot be turned back and needs no salt. A key that
was found is remembered for a few seconds: requests cost no query, and a revocation counts soon after.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import uuid4

from caesura.execution.clock import clock
from caesura.records.operations import FindKeys, NoteKeyUse
from caesura.records.shapes import ApiKey
from caesura.server.auth.callers import Caller
from caesura.server.auth.exceptions import not_authenticated
from caesura.server.auth.recall import Recall
from caesura.server.auth.requests import RequestFacts
from caesura.server.auth.rules import check_permission
from caesura.server.logs import log

PREFIX: Final = "csk_"
REMEMBERED: Final = 4.0
"""Seconds that a key stays known without asking the database; a revocation counts after that."""
NOTED_EVERY: Final = 60.0
_FORM: Final = re.compile(r"csk_[A-Za-z0-9_-]{32,128}")


def new_key(
    name: str,
    identity: str,
    permissions: Sequence[str] = (),
    groups: Sequence[str] = (),
    expires_in: timedelta | None = None,
) -> tuple[str, ApiKey]:
    """A new key → (its text, to be shown once; the record to store).

    ``permissions``: patterns like ``threads:read``, ``runs:*``, ``*``; none: everything is allowed.
    Raises ValueError for an empty name or identity, a bad pattern, or an expiry that is past.
    """
    if not name or not identity:
        raise ValueError("A key needs a name and an identity; both are empty or one is.")
    if expires_in is not None and expires_in <= timedelta(0):
        raise ValueError("A key must expire in the future.")
    for permission in permissions:
        check_permission(permission)
    text = PREFIX + secrets.token_urlsafe(32)
    now = clock().now()
    until = datetime.fromisoformat(now) + expires_in if expires_in is not None else None
    record = ApiKey(
        key_id=str(uuid4()),
        digest=digest_of(text),
        name=name,
        identity=identity,
        permissions=tuple(permissions),
        groups=tuple(groups),
        created_at=now,
        expires_at=None if until is None else until.isoformat(timespec="microseconds"),
    )
    return text, record


def digest_of(text: str) -> str:
    """What is stored of a key."""
    return hashlib.sha256(text.encode()).hexdigest()


class KeyAuth:
    """Callers by key, in ``x-api-key`` or ``Authorization: Bearer``."""

    def __init__(self, database: Any, *, now: Callable[[], float] = time.monotonic) -> None:
        """``database`` performs `caesura.records.operations`; ``now``: a clock that only goes on."""
        self._database = database
        self._known: Recall[ApiKey] = Recall(REMEMBERED, now=now)
        self._noted: Recall[bool] = Recall(NOTED_EVERY, now=now)

    def takes(self, facts: RequestFacts) -> bool:
        """True if the request carries something of a key's form."""
        return _key_in(facts) is not None

    async def authenticate(self, facts: RequestFacts) -> Caller:
        """Whom the key stands for. Raises a 401 if it is missing, unknown, expired or revoked."""
        text = _key_in(facts)
        if text is None:
            raise not_authenticated()
        key = await self._find(digest_of(text))
        if key is None or not _is_valid(key):
            raise not_authenticated()
        await self._note_use(key)
        return Caller.built_in(
            "key", key.identity, key.name, permissions=key.permissions or None, groups=key.groups
        )

    async def _find(self, digest: str) -> ApiKey | None:
        known = self._known.get(digest)
        if known is not None:
            return known
        for key in await self._database.aexecute(FindKeys(digest=digest)):
            if hmac.compare_digest(key.digest, digest):
                self._known.put(digest, key)
                return key  # type: ignore[no-any-return]
        return None

    async def _note_use(self, key: ApiKey) -> None:
        if self._noted.get(key.key_id):
            return
        self._noted.put(key.key_id, True)
        try:
            await self._database.aexecute(NoteKeyUse(key.key_id, clock().now()))
        except Exception as error:  # a note, not a reason to turn somebody away
            log.warning("the use of a key could not be noted", key_id=key.key_id, exc_info=error)


def _key_in(facts: RequestFacts) -> str | None:
    for text in (facts.header(b"x-api-key"), facts.bearer):
        if text is not None and _FORM.fullmatch(text):
            return text
    return None


def _is_valid(key: ApiKey) -> bool:
    if key.revoked_at is not None:
        return False
    if key.expires_at is None:
        return True
    now = datetime.fromtimestamp(clock().epoch(), UTC)
    return now < datetime.fromisoformat(key.expires_at)
