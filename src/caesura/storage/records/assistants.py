"""Assistants and their versions. The current one is in ``assistants``; all are in their versions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from caesura.checkpoint.rows import Codec
from caesura.records.errors import AlreadyExistsError
from caesura.records.operations import (
    CountAssistants,
    DeleteAssistant,
    Filters,
    FindAssistants,
    FindVersions,
    GetAssistant,
    Page,
    PutAssistant,
    SetLatestVersion,
    UpdateAssistant,
)
from caesura.records.shapes import Assistant
from caesura.storage.dialect import Dialect
from caesura.storage.records.filters import Conditions
from caesura.storage.records.pages import page_of
from caesura.storage.records.tables import ASSISTANTS
from caesura.storage.statements import Begin, Statements

GET: Final = f"{ASSISTANTS.select} WHERE assistant_id = ?"
KEEP_VERSION: Final = ASSISTANTS.insert.replace("INTO assistants", "INTO assistant_versions", 1)
VERSIONS: Final = ASSISTANTS.select.replace("FROM assistants", "FROM assistant_versions")
NEWEST: Final = "SELECT max(version) FROM assistant_versions WHERE assistant_id = ?"


def _read(dialect: Dialect, assistant_id: str, filters: Filters) -> Statements:
    conditions = Conditions(dialect)
    conditions.equal(assistant_id=assistant_id)
    conditions.may_see("metadata", filters)
    found = yield ASSISTANTS.select + conditions.where, conditions.values
    return ASSISTANTS.read(found[0]) if found else None


def _lock(assistant_id: str) -> Begin:
    return Begin(True, f"assistant {assistant_id}")


def put(dialect: Dialect, codec: Codec, op: PutAssistant) -> Statements:
    """`PutAssistant`."""
    assistant = op.assistant
    yield _lock(assistant.assistant_id)
    stored = yield (
        ASSISTANTS.insert + " ON CONFLICT (assistant_id) DO NOTHING",
        ASSISTANTS.row(assistant),
    )
    if stored == 1:
        yield KEEP_VERSION, ASSISTANTS.row(assistant)
        return assistant
    if op.if_exists == "replace":
        return (yield from _replaced(dialect, assistant))
    found = (
        (yield from _read(dialect, assistant.assistant_id, op.filters))
        if op.if_exists != "raise"
        else None
    )
    if found is None:
        raise AlreadyExistsError("assistant", assistant.assistant_id)
    return found


def _replaced(dialect: Dialect, assistant: Assistant) -> Statements:
    """The stored one, with graph id and name as given, if they differ."""
    found: Assistant = yield from _read(dialect, assistant.assistant_id, {})
    if found.graph_id == assistant.graph_id:
        return found
    after = replace(found, graph_id=assistant.graph_id, name=assistant.name)
    yield from _store(after)
    return after


def _store(assistant: Assistant) -> Statements:
    columns = {n: getattr(assistant, n) for n in ASSISTANTS.columns if n != "assistant_id"}
    text, values = ASSISTANTS.setting(columns)
    sql = f"UPDATE assistants SET {text} WHERE assistant_id = ?"
    yield sql, [*values, assistant.assistant_id]


def get(dialect: Dialect, codec: Codec, op: GetAssistant) -> Statements:
    """`GetAssistant`."""
    return (yield from _read(dialect, op.assistant_id, op.filters))


def update(dialect: Dialect, codec: Codec, op: UpdateAssistant) -> Statements:
    """`UpdateAssistant`."""
    yield _lock(op.assistant_id)
    found = yield from _read(dialect, op.assistant_id, op.filters)
    if found is None:
        return None
    newest = yield NEWEST, (op.assistant_id,)
    given = {
        name: value
        for name in ("graph_id", "config", "context", "name", "description")
        if (value := getattr(op, name)) is not None
    }
    after = replace(
        found,
        **given,
        metadata={**found.metadata, **(op.metadata or {})},
        version=newest[0][0] + 1,
        updated_at=op.at,
    )
    yield from _store(after)
    yield KEEP_VERSION, ASSISTANTS.row(replace(after, created_at=op.at))
    return after


def set_latest(dialect: Dialect, codec: Codec, op: SetLatestVersion) -> Statements:
    """`SetLatestVersion`."""
    yield _lock(op.assistant_id)
    current = yield from _read(dialect, op.assistant_id, op.filters)
    if current is None:
        return None
    found = yield (
        f"{VERSIONS} WHERE assistant_id = ? AND version = ?",
        (op.assistant_id, op.version),
    )
    if not found:
        return None
    old = ASSISTANTS.read(found[0])
    after = replace(old, created_at=current.created_at, updated_at=op.at)
    yield from _store(after)
    return after


def _conditions(dialect: Dialect, op: FindAssistants | CountAssistants) -> Conditions:
    conditions = Conditions(dialect)
    conditions.equal(graph_id=op.graph_id)
    conditions.holds("metadata", op.metadata)
    if op.name is not None:
        conditions.mentions(op.name, columns=["name"])
    conditions.may_see("metadata", op.filters)
    return conditions


def find(dialect: Dialect, codec: Codec, op: FindAssistants) -> Statements:
    """`FindAssistants`."""
    conditions = _conditions(dialect, op)
    order = ASSISTANTS.order(op.sort_by, op.order, "assistant_id")
    return (yield from page_of(ASSISTANTS, conditions, order, op.limit, op.offset))


def count(dialect: Dialect, codec: Codec, op: CountAssistants) -> Statements:
    """`CountAssistants`."""
    conditions = _conditions(dialect, op)
    found = yield f"SELECT count(*) FROM assistants{conditions.where}", conditions.values
    return found[0][0]


def versions(dialect: Dialect, codec: Codec, op: FindVersions) -> Statements:
    """`FindVersions`."""
    if (yield from _read(dialect, op.assistant_id, op.filters)) is None:
        return Page([], False)
    conditions = Conditions(dialect)
    conditions.equal(assistant_id=op.assistant_id)
    conditions.holds("metadata", op.metadata)
    order = " ORDER BY version DESC"
    return (yield from page_of(ASSISTANTS, conditions, order, op.limit, op.offset, select=VERSIONS))


def delete(dialect: Dialect, codec: Codec, op: DeleteAssistant) -> Statements:
    """`DeleteAssistant`."""
    yield _lock(op.assistant_id)
    if (yield from _read(dialect, op.assistant_id, op.filters)) is None:
        return False
    for table in ("assistants", "assistant_versions", "crons"):
        yield f"DELETE FROM {table} WHERE assistant_id = ?", (op.assistant_id,)
    return True


PERFORM: Final[dict[type, Any]] = {
    PutAssistant: put,
    GetAssistant: get,
    UpdateAssistant: update,
    SetLatestVersion: set_latest,
    FindAssistants: find,
    CountAssistants: count,
    FindVersions: versions,
    DeleteAssistant: delete,
}
