"""`Caller`: who sent a request, in the server's words; `User`: the same, as handlers and programs see it.

A caller is stored with the runs and crons it makes (``Caller.stored``, a JSON object without what is not
JSON) and made again from there, with the same rights.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from typing import Any, Final, Literal, cast

Kind = Literal["anonymous", "handler", "key", "oidc"]
_KIND: Final = "auth_kind"
"""In a stored user: which built-in way knew it. Absent for users that a handler returned."""
_BUILT_IN: Final = ("key", "oidc")


class User(Mapping[str, Any]):
    """A user: fields by ``user["name"]`` and ``user.name``. Other attributes are those of the object that
    the handler returned."""

    def __init__(self, fields: Mapping[str, Any], origin: Any = None) -> None:
        self._fields, self._origin = dict(fields), origin

    @property
    def identity(self) -> str:
        """Stable id of the user."""
        return str(self._fields["identity"])

    @property
    def display_name(self) -> str:
        """What people call the user; the identity, where nothing else is known."""
        return str(self._fields["display_name"])

    @property
    def is_authenticated(self) -> bool:
        """False for guests that a handler let in."""
        return bool(self._fields["is_authenticated"])

    @property
    def permissions(self) -> Sequence[str]:
        """What the user may do, in the words of whoever authenticated it."""
        return list(self._fields.get("permissions") or ())

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name in self._fields:
            return self._fields[name]
        if self._origin is not None and hasattr(self._origin, name):
            return getattr(self._origin, name)
        raise AttributeError(f"The user {self.identity!r} has no {name!r}", name=name, obj=self)

    def __getitem__(self, key: str) -> Any:
        return self._fields[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __repr__(self) -> str:
        return f"User({self.identity!r})"

    def dict(self) -> dict[str, Any]:
        """The fields, as a dict of its own."""
        return dict(self._fields)

    model_dump = dict


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent a request.

    ``limited``: ``permissions`` are ``resource:action`` patterns and the caller may do nothing else.
    ``stored``: what `from_stored` makes the caller from again; None for nobody.
    """

    identity: str
    display_name: str
    permissions: tuple[str, ...]
    groups: tuple[str, ...]
    is_authenticated: bool
    kind: Kind
    user: User
    stored: dict[str, Any] | None
    limited: bool = False

    @classmethod
    def anonymous(cls) -> Caller:
        """Nobody, where callers are not asked who they are."""
        user = User({"identity": "", "display_name": "", "is_authenticated": False})
        return cls("", "", (), (), False, "anonymous", user, None)

    @classmethod
    def from_handler(cls, returned: Any) -> Caller:
        """The caller that an authentication handler returned: a text, a mapping or an object.

        Raises TypeError if it has no ``identity`` text.
        """
        permissions: Any = None
        if isinstance(returned, tuple) and len(returned) == 2:  # (permissions, user): an old form
            permissions, returned = returned
        fields = {k: v for k, v in _fields_of(returned).items() if k != _KIND}
        if permissions is not None:
            fields.setdefault("permissions", list(permissions))
        plain = isinstance(returned, str | Mapping)
        return cls._of(fields, "handler", None if plain else returned)

    @classmethod
    def built_in(
        cls,
        kind: Literal["key", "oidc"],
        identity: str,
        display_name: str,
        *,
        permissions: Sequence[str] | None,
        groups: Sequence[str],
    ) -> Caller:
        """The caller that a key or a token stands for. ``permissions`` None: not limited."""
        fields: dict[str, Any] = {
            "identity": identity,
            "is_authenticated": True,
            "display_name": display_name,
            "groups": list(groups),
        }
        if permissions is not None:
            fields["permissions"] = list(permissions)
        return cls._of(fields, kind, None)

    @classmethod
    def from_stored(cls, stored: Mapping[str, Any] | None) -> Caller:
        """The caller that was stored; nobody for None. Raises TypeError if it is not one."""
        if stored is None:
            return cls.anonymous()
        kind = stored.get(_KIND, "handler")
        if kind not in ("handler", *_BUILT_IN):
            raise TypeError(f"A stored user has the unknown {_KIND} {kind!r}")
        fields = {k: v for k, v in stored.items() if k != _KIND}
        return cls._of(_complete(fields), cast("Kind", kind), None)

    @classmethod
    def _of(cls, fields: Mapping[str, Any], kind: Kind, origin: Any) -> Caller:
        user = User(fields, origin)
        stored = _json_only(fields)
        if kind in _BUILT_IN:
            stored[_KIND] = kind
        return cls(
            user.identity,
            user.display_name,
            _texts(fields.get("permissions")),
            _texts(fields.get("groups")),
            user.is_authenticated,
            kind,
            user,
            stored,
            limited=kind in _BUILT_IN and "permissions" in fields,
        )


def _fields_of(returned: Any) -> dict[str, Any]:
    if isinstance(returned, str):
        return _complete({"identity": returned})
    if isinstance(returned, Mapping):
        return _complete(returned)
    fields: dict[str, Any] = {}
    if is_dataclass(returned) and not isinstance(returned, type):
        fields = asdict(returned)
    elif callable(getattr(returned, "model_dump", None)):
        fields = dict(returned.model_dump())
    for name in ("identity", "is_authenticated", "display_name", "permissions", "groups"):
        if hasattr(returned, name):
            fields[name] = getattr(returned, name)
    return _complete(fields)


def _complete(fields: Mapping[str, Any]) -> dict[str, Any]:
    identity = fields.get("identity")
    if not isinstance(identity, str) or not identity:
        raise TypeError("A user needs an `identity` (a text that is not empty)")
    known = {
        "identity": identity,
        "is_authenticated": bool(fields.get("is_authenticated", True)),
        "display_name": str(fields.get("display_name") or identity),
    }
    return known | {str(k): v for k, v in fields.items() if k not in known}


def _texts(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    return tuple(str(v) for v in value or ())


def _json_only(fields: Mapping[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for key, value in fields.items():
        try:
            kept[key] = json.loads(json.dumps(value, allow_nan=False))
        except (TypeError, ValueError, RecursionError):
            continue
    return kept
