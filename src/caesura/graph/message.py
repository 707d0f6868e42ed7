"""A state that holds a conversation: `MessagesState`, its reducer, and messages sent at once.

`add_messages` merges by id. Messages that are not written again stay the same objects, which is how
storage knows that they did not change (`caesura.core.patch`). A message that a node changed in place
and wrote again would look unchanged too; it is replaced by a copy, so that the change is stored.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from typing import Annotated, Any, Literal, TypedDict, cast, overload
from warnings import warn

from caesura.config import current_scope
from caesura.graph.state import StateGraph
from caesura.messages.kinds import REMOVE_ALL_MESSAGES, AnyMessage, Message, new_message_id
from caesura.messages.openai import with_openai_blocks
from caesura.messages.reading import (
    as_list,
    is_message,
    is_removal,
    langchain,
    read_message,
    reader,
)
from caesura.warnings import LangGraphDeprecatedSinceV10

__all__ = ("REMOVE_ALL_MESSAGES", "MessageGraph", "MessagesState", "add_messages", "push_message")

Format = Literal["langchain-openai"]


@overload
def add_messages(
    left: None = None, right: None = None, *, format: Format | None = None
) -> Callable[[Any, Any], list[AnyMessage]]: ...


@overload
def add_messages(left: Any, right: Any, *, format: Format | None = None) -> list[AnyMessage]: ...


def add_messages(left: Any = None, right: Any = None, *, format: Format | None = None) -> Any:
    """The messages ``left`` after ``right`` was written; both a message or a list of them.

    A message whose id is known replaces the old one where that stands; others are appended. A
    `RemoveMessage` removes the message with its id; with the id `REMOVE_ALL_MESSAGES`, everything
    before it. Messages without an id get one, in place. Strings, (role, content) pairs and dicts
    stand for messages (`caesura.messages.reading`). ``format="langchain-openai"`` turns contents
    into OpenAI's blocks. Without ``left`` and ``right``: a reducer with that
    ``format``.

    Raises ValueError if only one side is given, or a message is to be removed that does not exist;
    and what `caesura.messages.read_messages` raises.
    """
    if left is None and right is None:
        return functools.partial(add_messages, **({} if format is None else {"format": format}))
    if left is None or right is None:
        raise ValueError(
            "Must specify non-null arguments for both 'left' and 'right'. Only received: "
            f"'{'right' if left is None else 'left'}'."
        )
    before, after = as_list(left), as_list(right)
    read = reader(before, after)
    old, new = _identified(map(read, before)), _identified(map(read, after))
    kept = _after_removal_of_all(new)
    if kept is not None:  # LangGraph leaves these as they are written, the format too.
        return kept
    merged = _merge(old, new)
    return merged if format is None else _formatted(merged, format)


def _identified(messages: Any) -> list[Any]:
    found = list(messages)
    for message in found:
        if message.id is None:
            message.id = new_message_id()
    return found


def _after_removal_of_all(right: list[Any]) -> list[Any] | None:
    """What stands behind the last removal of everything; None if nothing asks for that."""
    for position in range(len(right) - 1, -1, -1):
        if right[position].id == REMOVE_ALL_MESSAGES and is_removal(right[position]):
            return right[position + 1 :]
    return None


def _merge(left: list[Any], right: list[Any]) -> list[Any]:
    merged = left.copy()
    places = {message.id: place for place, message in enumerate(merged)}
    removed: set[str] = set()
    whole = 1 < len(left) <= len(right) and right[0] is left[0]
    for message in right:
        place = places.get(message.id)
        if is_removal(message):
            if place is None:
                raise ValueError(
                    f"Attempting to delete a message with an ID that doesn't exist ('{message.id}')"
                )
            removed.add(message.id)
        elif place is None:
            places[message.id] = len(merged)
            merged.append(message)
        else:
            removed.discard(message.id)
            # Written again by itself, it may have been changed in place; a copy shows that. Who hands
            # the whole list back has most likely only added to it.
            same = merged[place] is message and not whole
            merged[place] = copy.copy(message) if same else message
    return [m for m in merged if m.id not in removed] if removed else merged


def _formatted(messages: list[Any], format: str) -> list[Any]:
    if format != "langchain-openai":
        raise ValueError(
            f"Unrecognized format={format!r}. Expected one of 'langchain-openai', None."
        )
    theirs = langchain()
    if theirs is None or all(isinstance(message, Message) for message in messages):
        return list(with_openai_blocks(messages))
    found: list[Any] = theirs.convert_to_messages(theirs.convert_to_openai_messages(messages))
    return found


class MessagesState(TypedDict):
    """A state with a conversation; extend it with keys of your own."""

    messages: Annotated[list[AnyMessage], add_messages]


def _messages_delta_reducer(state: list[Any], writes: list[Any]) -> list[Any]:
    """The reducer of messages for a `DeltaChannel`: ``state`` after all ``writes`` of a step.

    As `add_messages`, but bound to give the same for writes taken one by one: it makes no ids, a
    message that is removed and written again goes to the end, and removing what is not there, also
    `REMOVE_ALL_MESSAGES`, does nothing.
    """
    written = [item for write in writes for item in as_list(write)]
    read = reader(state, written)
    merged: dict[Any, Any] = {}
    for item in (*state, *written):
        message = item if is_message(item) else read(item)
        key = object() if message.id is None else message.id
        if is_removal(message):
            merged.pop(key, None)
        else:
            # Written again by itself, it may have been changed in place; a copy shows that.
            merged[key] = copy.copy(message) if merged.get(key) is message else message
    return list(merged.values())


class MessageGraph(StateGraph[Any, Any, Any, Any]):
    """A graph whose whole state is a conversation. Deprecated: use `MessagesState`."""

    def __init__(self) -> None:
        warn(
            "MessageGraph is deprecated in LangGraph v1.0.0, to be removed in v2.0.0. "
            "Please use StateGraph with a `messages` key instead.",
            LangGraphDeprecatedSinceV10,
            stacklevel=2,
        )
        super().__init__(cast(Any, Annotated[list[AnyMessage], add_messages]))


def push_message(message: Any, *, state_key: str | None = "messages") -> AnyMessage:
    """Send a message to the ``messages`` stream now, and write it to ``state_key`` (None: to none).

    It is written when the node ends, before what the node returns. Returns the message.

    Raises ValueError for a message without an id, RuntimeError outside a run.
    """
    scope = current_scope()
    found = read_message(message)
    if not found.id:
        raise ValueError("Message ID is required")
    scope.push_message(found, state_key)
    return found
