"""Pieces of a user interface that a program sends while it runs, and keeps in its state.

A piece names a component of the page that shows it and has that component's properties. It goes out on
the ``custom`` stream at once and is written to a state key, whose reducer, `ui_message_reducer`, puts
pieces of the same id together.
"""

from __future__ import annotations

from typing import Any, Literal, TypedDict, cast
from uuid import uuid4

from caesura.config import current_scope

__all__ = (
    "AnyUIMessage",
    "RemoveUIMessage",
    "UIMessage",
    "delete_ui_message",
    "push_ui_message",
    "ui_message_reducer",
)


class UIMessage(TypedDict):
    """A piece: the component ``name`` with ``props``. ``metadata.merge``: added to what it had."""

    type: Literal["ui"]
    id: str
    name: str
    props: dict[str, Any]
    metadata: dict[str, Any]


class RemoveUIMessage(TypedDict):
    """The piece with this id is taken away."""

    type: Literal["remove-ui"]
    id: str


AnyUIMessage = UIMessage | RemoveUIMessage


def push_ui_message(
    name: str,
    props: dict[str, Any],
    *,
    id: str | None = None,
    metadata: dict[str, Any] | None = None,
    message: Any = None,
    state_key: str | None = "ui",
    merge: bool = False,
) -> UIMessage:
    """Send a piece to the ``custom`` stream now, and write it to ``state_key`` (None: to none).

    ``id``: a fresh UUID if None; an id used before replaces that piece, or with ``merge`` adds to its
    properties. ``message``: the message it belongs to (an object, or a dict, with an ``id``). Returns
    the piece. Raises RuntimeError outside a run.
    """
    config = current_scope().config()
    notes: dict[str, Any] = {"merge": merge, "run_id": config.get("run_id")}
    notes |= {"tags": config.get("tags"), "name": config.get("run_name"), **(metadata or {})}
    belongs = message.get("id") if isinstance(message, dict) else getattr(message, "id", None)
    if belongs:
        notes["message_id"] = belongs
    piece: UIMessage = {
        "type": "ui",
        "id": id or str(uuid4()),
        "name": name,
        "props": props,
        "metadata": notes,
    }
    _send(piece, state_key)
    return piece


def delete_ui_message(id: str, *, state_key: str = "ui") -> RemoveUIMessage:
    """Take the piece with this id away, on the page and in the state. Returns what was sent.

    Raises RuntimeError outside a run. If the state has no such piece, the reducer raises ValueError.
    """
    current_scope()
    removal: RemoveUIMessage = {"type": "remove-ui", "id": id}
    _send(removal, state_key)
    return removal


def _send(piece: AnyUIMessage, state_key: str | None) -> None:
    scope = current_scope()
    scope.write_custom(piece)
    if state_key:
        scope.push(state_key, piece)


def ui_message_reducer(
    left: list[AnyUIMessage] | AnyUIMessage, right: list[AnyUIMessage] | AnyUIMessage
) -> list[AnyUIMessage]:
    """The pieces ``left`` after ``right`` was written; both a piece or a list of them.

    A piece of a known id replaces the old one where that stands; if its ``metadata.merge`` is true it
    keeps the old one's properties beside its own. A removal takes the piece of its id away.

    Raises ValueError for a removal of a piece that does not exist.
    """
    merged = list(left) if isinstance(left, list) else [left]
    written = right if isinstance(right, list) else [right]
    places = {piece.get("id"): place for place, piece in enumerate(merged)}
    removed: set[str] = set()
    for piece in written:
        id, place = piece["id"], places.get(piece["id"])
        if piece.get("type") == "remove-ui":
            if place is None:
                raise ValueError(
                    f"Attempting to delete an UI message with an ID that doesn't exist ('{id}')"
                )
            removed.add(id)
            continue
        removed.discard(id)
        if place is None:
            places[id] = len(merged)
            merged.append(piece)
        else:
            merged[place] = _after(merged[place], cast(UIMessage, piece))
    return [piece for piece in merged if piece.get("id") not in removed]


def _after(old: AnyUIMessage, new: UIMessage) -> UIMessage:
    if not (new.get("metadata") or {}).get("merge"):
        return new
    return {**new, "props": {**cast(dict[str, Any], old.get("props", {})), **new["props"]}}
