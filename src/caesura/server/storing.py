"""The long-term memory of a server: the project's index and times to live, in the server's database."""

from __future__ import annotations

from typing import Any

from caesura.checkpoint.saver import EngineSaver
from caesura.server.project.loading import load_object
from caesura.server.project.settings import Settings
from caesura.store.sql import SqlStore


def open_store(settings: Settings, database: EngineSaver, searcher: EngineSaver) -> SqlStore:
    """The store that graphs and the store routes share. Raises `BrokenFileError` for ``embed``.

    ``searcher``: another saver on the same database, for what may take long.
    """
    given = settings.store
    index: Any = None
    if given.index is not None:
        embed: Any = given.index.embed
        if isinstance(embed, str) and (".py:" in embed or embed.startswith(".")):
            embed = load_object(embed, settings.directory)
        index = {"dims": given.index.dims, "embed": embed}
        if given.index.fields:
            index["fields"] = list(given.index.fields)
    ttl: Any = None
    if given.ttl is not None:
        ttl = {
            "default_ttl": given.ttl.default_ttl,
            "refresh_on_read": given.ttl.refresh_on_read,
            "sweep_interval_minutes": given.ttl.sweep_interval_minutes,
        }
    return SqlStore(database, owns=False, index=index, ttl=ttl, searcher=searcher)
