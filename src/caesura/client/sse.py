"""Server-sent events: bytes as they come → `StreamPart`s (source: the HTML standard, §9.2).

Our own, not a package: it is this short, takes bytes from the sync and the async transport alike, and
keeps ids as they were sent, which resuming depends on.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from caesura.client.errors import InvalidReplyError
from caesura.client.shapes import StreamPart


class Parser:
    """Give it bytes with `feed`; it yields the events that are complete."""

    def __init__(self) -> None:
        self._rest = b""
        self._begun = False
        self._event = ""
        self._data: list[str] = []
        self._id: str | None = None

    def feed(self, chunk: bytes) -> Iterator[StreamPart]:
        """The events that ``chunk`` completes. Raises `InvalidReplyError` if their data is no JSON."""
        for line in self._lines(chunk):
            if line:
                self._field(line)
            elif (part := self._take()) is not None:
                yield part

    def _lines(self, chunk: bytes) -> Iterator[str]:
        """Complete lines; they end with LF, CR LF or CR, and a CR may be half of the second."""
        self._rest += chunk
        if not self._begun and len(self._rest) >= 3:
            self._begun, self._rest = True, self._rest.removeprefix(b"\xef\xbb\xbf")
        held = b"\r" if self._rest.endswith(b"\r") else b""
        lines = (
            self._rest[: len(self._rest) - len(held)].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        )
        *complete, rest = lines.split(b"\n")
        self._rest = rest + held
        for line in complete:
            yield line.decode("utf-8", "replace")

    def _field(self, line: str) -> None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            self._event = value
        elif name == "data":
            self._data.append(value)
        elif name == "id" and "\0" not in value:
            self._id = value

    def _take(self) -> StreamPart | None:
        event, data, id = self._event, self._data, self._id
        self._event, self._data, self._id = "", [], None
        if not (event or data):
            return None
        text = "\n".join(data)
        try:
            return StreamPart(event or "message", json.loads(text) if text.strip() else None, id)
        except ValueError as error:
            raise InvalidReplyError(
                f"The data of event {event!r} is no JSON ({error}). Earlier events stand."
            ) from error
