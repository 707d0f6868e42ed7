"""The database of a server or a command, opened by its name: a SQLite file, or a PostgreSQL server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import urlsplit, urlunsplit

from caesura.checkpoint.saver import EngineSaver
from caesura.checkpoint.sqlite import SqliteSaver
from caesura.errors import StorageError
from caesura.storage.sqlite import connect

if TYPE_CHECKING:
    from caesura.checkpoint.serde.base import SerializerProtocol
    from caesura.server.encryption.opening import ProjectEncryption

_POSTGRES: Final = ("postgresql", "postgres")


def open_database(
    name: str,
    encryption: ProjectEncryption | None = None,
    serde: SerializerProtocol | None = None,
) -> EngineSaver:
    """The database that a path or URL names, with its tables made. Raises `StorageError`.

    ``path``, ``sqlite:///path``, or ``postgresql://user:password@host/database``, which may end in
    ``?schema=name`` (else the schema is ``caesura``).
    """
    scheme, separator, _ = name.partition("://")
    if separator and scheme in _POSTGRES:
        return _ready(_postgres_kind(), name, encryption, serde)
    if separator and scheme != "sqlite":
        raise StorageError(
            f"A database is a SQLite file or a PostgreSQL server, not {scheme}. Nothing was started. "
            "Name it as a path, or as postgresql://user:password@host/name."
        )
    path = Path(name.removeprefix("sqlite:///")).expanduser()
    path.parent.mkdir(parents=True, exist_ok=True)
    return _ready(SqliteSaver, connect(str(path)), encryption, serde)


def _postgres_kind() -> type[EngineSaver]:
    try:
        from caesura.checkpoint.postgres import PostgresSaver
    except ImportError as error:
        raise StorageError(f"{error} Nothing was started.") from error
    return PostgresSaver


def _ready(
    kind: Any,
    where: Any,
    encryption: ProjectEncryption | None,
    serde: SerializerProtocol | None,
) -> EngineSaver:
    sealed: Any = kind if encryption is None else encryption.sealing(kind)
    saver = sealed(where, serde=serde)
    try:
        saver.setup()
    except BaseException:
        saver.close()
        raise
    return cast(EngineSaver, saver)


def shown(name: str) -> str:
    """The name of a database as people may see it: without a password."""
    if "://" not in name:
        return name
    parts = urlsplit(name)
    if parts.password is None:
        return name
    place = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{parts.username or ''}:…@{place}"))
