"""Which messages the ``messages`` stream has to tell: whole ones, each id once.

What a task wrote is looked through shallowly: a message, or a list or tuple with messages in it; of
what a function returned as a whole, also the entries of a dict.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from caesura.constants import END, PREVIOUS, RETURN
from caesura.messages.kinds import new_message_id
from caesura.messages.reading import is_message

_RESULTS: Final = frozenset({RETURN, END, PREVIOUS})
"""Where functions write what they return."""


def new_messages(
    writes: Iterable[tuple[str, Any]],
    seen_ids: set[str],
    *,
    mint: Callable[[], str] = new_message_id,
) -> list[Any]:
    """The messages among ``writes`` (channel, value) that were not told yet, in order.

    Their ids join ``seen_ids``. A message without an id gets one from ``mint``, in place: what is
    stored must have the id that was told, so call this before the writes are stored.
    """
    fresh = []
    for channel, value in writes:
        for message in _messages_in(value, into_dict=channel in _RESULTS):
            if message.id is None:
                message.id = mint()
            if message.id not in seen_ids:
                seen_ids.add(message.id)
                fresh.append(message)
    return fresh


def message_ids(value: Any) -> set[str]:
    """The ids of the messages in a state that a task was given (a dict or an object)."""
    if is_message(value):
        return set()  # A bare message is no state: an echo of it is told, as in LangGraph.
    entries = value if isinstance(value, Mapping) else getattr(value, "__dict__", {})
    return {m.id for m in _messages_in(entries, into_dict=True) if m.id is not None}


def _messages_in(value: Any, *, into_dict: bool) -> Iterator[Any]:
    if isinstance(value, (list, tuple)):
        yield from filter(is_message, value)
    elif into_dict and isinstance(value, Mapping):
        for entry in value.values():
            yield from _messages_in(entry, into_dict=False)
    elif is_message(value):
        yield value
