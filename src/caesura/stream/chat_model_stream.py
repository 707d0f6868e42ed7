"""One message of a run while it comes in: its text, its tool calls, and the message it becomes.

`Telling` is what both colours share: it takes the message's events and knows what came of them. The
properties of `ChatModelStream` are read by making the run go on; those of `AsyncChatModelStream` are
awaited.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator, Mapping
from typing import Any, Final

from caesura.messages import kinds
from caesura.messages.reading import langchain

Json = dict[str, Any]
_PARTS: Final[Mapping[str, str]] = {"text-delta": "text", "reasoning-delta": "reasoning"}


class Telling:
    """What is known of a message: its events, what came in pieces, and its blocks."""

    def __init__(
        self, *, namespace: list[str], node: str | None, message_id: str | None, kind: str = "ai"
    ) -> None:
        self.namespace, self.node, self.message_id = namespace, node, message_id
        self.done = False
        self.error: BaseException | None = None
        self.events: list[Json] = []
        self.pieces: dict[str, list[Any]] = {"text": [], "reasoning": [], "tool_calls": []}
        self._kind = kind
        self._begun: dict[int, Json] = {}
        self._blocks: dict[int, Json] = {}
        self._end: Json = {}

    def dispatch(self, event: Json) -> None:
        """Take the next event."""
        self.events.append(event)
        kind = event["event"]
        if kind == "message-start":
            self.message_id = event.get("id") or self.message_id
        elif kind == "content-block-start":
            self._begun[event["index"]] = event["content"]
        elif kind == "content-block-delta":
            self._delta(event["index"], event["delta"])
        elif kind == "content-block-finish":
            self._blocks[event["index"]] = event["content"]
        elif kind == "message-finish":
            self._end, self.done = event, True

    def _delta(self, index: int, delta: Json) -> None:
        name = _PARTS.get(delta["type"])
        if name is not None:
            self.pieces[name].append(delta[name])
        elif delta["type"] == "tool-call-delta":
            begun = self._begun.get(index, {})
            self.pieces["tool_calls"].append({**begun, "args": delta["args"]})

    def fail(self, error: BaseException) -> None:
        """No more comes."""
        if not self.done:
            self.done, self.error = True, error

    @property
    def calls(self) -> list[Json]:
        """The tool calls that are complete."""
        return [block for block in self._blocks.values() if block["type"] == "tool_call"]

    def value(self, name: str) -> Any:
        """All of the text, of the reasoning, or of the tool calls."""
        return self.calls if name == "tool_calls" else "".join(self.pieces[name])

    def message(self) -> Any:
        """The message: LangChain's if the program uses it, else ours; its content is its blocks."""
        if self.error is not None:
            raise self.error
        content: Any = [_numbered(index, block) for index, block in sorted(self._blocks.items())]
        given: Json = {
            "content": content or "",
            "id": self.message_id,
            "response_metadata": {**self._end.get("metadata", {}), "output_version": "v1"},
        }
        if self._kind == "ai":
            names = ("name", "args", "id", "type")
            given["tool_calls"] = [{name: call[name] for name in names} for call in self.calls]
            given["usage_metadata"] = self._end.get("usage")
        names_of = {"ai": "AIMessage", "human": "HumanMessage", "system": "SystemMessage"}
        source: Any = langchain() or kinds
        return getattr(source, names_of.get(self._kind, "AIMessage"))(**given)


def _numbered(index: int, block: Json) -> Json:
    return {**block, "index": index} if block["type"] in ("text", "reasoning") else block


class _Stream:
    """What the streams of both colours have at once."""

    def __init__(self, telling: Telling) -> None:
        self._telling = telling

    @property
    def namespace(self) -> list[str]:
        """Where the message is told, below the graph that it is read from."""
        return self._telling.namespace

    @property
    def node(self) -> str | None:
        """The node that tells it."""
        return self._telling.node

    @property
    def message_id(self) -> str | None:
        """The id of the message."""
        return self._telling.message_id

    @property
    def done(self) -> bool:
        """Nothing more comes."""
        return self._telling.done

    def dispatch(self, event: Json) -> None:
        """Take the next event."""
        self._telling.dispatch(event)

    def fail(self, error: BaseException) -> None:
        """No more comes; readers get ``error``."""
        self._telling.fail(error)


# --- sync ---------------------------------------------------------------------------------------


class ChatModelStream(_Stream):
    """A message in a sync run; iterating it yields its events."""

    def __init__(self, telling: Telling, more: Callable[[], bool] | None = None) -> None:
        super().__init__(telling)
        self._more = more
        self.text = TextProjection(self, "text")
        self.reasoning = TextProjection(self, "reasoning")
        self.tool_calls = Projection(self, "tool_calls")

    def __iter__(self) -> Iterator[Json]:
        return self._follow(self._telling.events)

    @property
    def output(self) -> Any:
        """The whole message. Raises what the run raises."""
        self._drive()
        return self._telling.message()

    output_message = output

    def _go_on(self) -> bool:
        """Make the run go on; false if nothing more comes for this message."""
        if self._telling.done or self._more is None:
            return False
        return self._more() or self._telling.done

    def _drive(self) -> None:
        while self._go_on():
            pass
        if self._telling.error is not None:
            raise self._telling.error

    def _follow(self, items: list[Any]) -> Iterator[Any]:
        taken = 0
        while True:
            while taken < len(items):
                taken += 1
                yield items[taken - 1]
            if not self._go_on() and taken == len(items):
                if self._telling.error is not None:
                    raise self._telling.error
                return


class Projection:
    """A part of a message: iterating yields its pieces as they come, `get` waits for all of it."""

    def __init__(self, stream: ChatModelStream, name: str) -> None:
        self._stream, self._name = stream, name

    def __iter__(self) -> Iterator[Any]:
        return self._stream._follow(self._stream._telling.pieces[self._name])

    def get(self) -> Any:
        """All of it. Raises what the run raises."""
        self._stream._drive()
        return self._stream._telling.value(self._name)


class TextProjection(Projection):
    """Text: ``str()`` of it is all of it."""

    def __str__(self) -> str:
        return str(self.get())

    def __repr__(self) -> str:
        return repr(self._stream._telling.value(self._name))

    def __eq__(self, other: object) -> bool:
        return str(self) == str(other) if isinstance(other, (str, TextProjection)) else False

    __hash__ = None  # type: ignore[assignment]

    def __bool__(self) -> bool:
        return bool(str(self))


# --- async --------------------------------------------------------------------------------------


class AsyncChatModelStream(_Stream):
    """A message in an async run: iterating it yields its events, awaiting it gives the message."""

    def __init__(self, telling: Telling, more: Callable[[], Awaitable[bool]] | None = None) -> None:
        super().__init__(telling)
        self._more = more
        self.text = AsyncProjection(self, "text")
        self.reasoning = AsyncProjection(self, "reasoning")
        self.tool_calls = AsyncProjection(self, "tool_calls")

    def __aiter__(self) -> AsyncIterator[Json]:
        return self._follow(self._telling.events)

    def __await__(self) -> Generator[Any, None, Any]:
        return self._message().__await__()

    @property
    def output(self) -> Awaitable[Any]:
        """The whole message, to be awaited. Raises what the run raises."""
        return self

    output_message = output

    async def _message(self) -> Any:
        await self._drive()
        return self._telling.message()

    async def _go_on(self) -> bool:
        if self._telling.done or self._more is None:
            return False
        return await self._more() or self._telling.done

    async def _drive(self) -> None:
        while await self._go_on():
            pass
        if self._telling.error is not None:
            raise self._telling.error

    async def _follow(self, items: list[Any]) -> AsyncIterator[Any]:
        taken = 0
        while True:
            while taken < len(items):
                taken += 1
                yield items[taken - 1]
            if not await self._go_on() and taken == len(items):
                if self._telling.error is not None:
                    raise self._telling.error
                return


class AsyncProjection:
    """A part of a message: iterating yields its pieces as they come, awaiting it gives all of it."""

    def __init__(self, stream: AsyncChatModelStream, name: str) -> None:
        self._stream, self._name = stream, name

    def __aiter__(self) -> AsyncIterator[Any]:
        return self._stream._follow(self._stream._telling.pieces[self._name])

    def __await__(self) -> Generator[Any, None, Any]:
        return self._whole().__await__()

    async def _whole(self) -> Any:
        await self._stream._drive()
        return self._stream._telling.value(self._name)
