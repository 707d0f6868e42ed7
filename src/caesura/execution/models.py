"""What chat models of LangChain say under a task → the ``messages`` stream. Imported on demand only.

A `ModelListener` belongs to one task. LangChain asks its callback handlers whether one of them wants
pieces; this one does, so that models stream even if they are called by ``invoke``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import TYPE_CHECKING, Any
from uuid import UUID

from langchain_core.callbacks import (
    AsyncCallbackManager,
    BaseCallbackHandler,
    BaseCallbackManager,
    CallbackManager,
)
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, LLMResult
from langchain_core.tracers._streaming import _StreamingCallbackHandler

if TYPE_CHECKING:
    from caesura.execution.context import TaskScope

SILENT = "nostream"
"""The tag of a model that is not to be heard."""


class ModelListener(BaseCallbackHandler, _StreamingCallbackHandler[Any]):
    """Tells what the chat models say that one task calls."""

    run_inline = True

    def __init__(self, scope: TaskScope) -> None:
        self.scope = scope
        self._heard: dict[UUID, dict[str, Any]] = {}
        """Models that are speaking, with what is told of them."""

    def tap_output_aiter(self, run_id: UUID, output: AsyncIterator[Any]) -> AsyncIterator[Any]:
        """``output`` as it is: pieces are taken where they arise."""
        return output

    def tap_output_iter(self, run_id: UUID, output: Iterator[Any]) -> Iterator[Any]:
        """``output`` as it is."""
        return output

    def on_chat_model_start(
        self,
        serialized: dict[str, Any],
        messages: Any,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **more: Any,
    ) -> Any:
        """A model begins to speak."""
        tags = tags or []
        if SILENT in tags or "messages" not in self.scope.frame.wants:
            return
        shown = [tag for tag in tags if not tag.startswith("seq:step")]
        self._heard[run_id] = {**(metadata or {}), **({"tags": shown} if shown else {})}

    def on_llm_new_token(self, token: Any, *, chunk: Any = None, run_id: UUID, **more: Any) -> Any:
        """A model said a piece."""
        if isinstance(chunk, ChatGenerationChunk):
            self._tell(run_id, chunk.message, piece=True)

    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **more: Any) -> Any:
        """A model has spoken: what was not told in pieces is told as a whole."""
        said = response.generations[0] if response.generations else ()
        if said and isinstance(said[0], ChatGeneration):
            self._tell(run_id, said[0].message, piece=False)
        self._heard.pop(run_id, None)

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **more: Any) -> Any:
        """A model failed."""
        self._heard.pop(run_id, None)

    def _tell(self, run_id: UUID, message: Any, *, piece: bool) -> None:
        metadata = self._heard.get(run_id)
        if metadata is None:
            return
        if message.id is None:
            message.id = f"run-{run_id}"
        frame = self.scope.frame
        if not piece and message.id in frame.setting.seen_messages:
            return
        frame.setting.seen_messages.add(message.id)
        frame.emit("messages", (message, metadata))


def manager_of(given: Any, scope: TaskScope, config: Mapping[str, Any]) -> BaseCallbackManager:
    """A manager with the ``given`` callbacks, and a listener if the task's messages are asked for.

    Listeners of tasks around this one are left out.
    """
    listeners = [ModelListener(scope)] if _asked_for(scope) else []
    if not isinstance(given, BaseCallbackManager):
        handlers = [*filter(_is_theirs, given or ()), *listeners]
        tags, metadata = config.get("tags", []), config["metadata"]
        kind = CallbackManager if scope.loop is None else AsyncCallbackManager
        return kind(
            handlers,
            handlers.copy(),
            UUID(scope.task.id),
            tags=tags.copy(),
            inheritable_tags=tags.copy(),
            metadata=metadata.copy(),
            inheritable_metadata=metadata.copy(),
        )
    manager = given.copy()
    for handler in [h for h in manager.handlers if isinstance(h, ModelListener)]:
        manager.remove_handler(handler)
    manager.add_tags(config.get("tags", []))
    manager.add_metadata(config["metadata"])
    for listener in listeners:
        manager.add_handler(listener, inherit=True)
    return manager


def _is_theirs(handler: Any) -> bool:
    """True for handlers that LangChain can call and that do not listen to another task."""
    return isinstance(handler, BaseCallbackHandler) and not isinstance(handler, ModelListener)


def _asked_for(scope: TaskScope) -> bool:
    """True if somebody wants messages, of this graph or of one around it: then models stream."""
    around: TaskScope | None = scope
    while around is not None:
        if "messages" in around.frame.wants:
            return True
        around = around.frame.outer
    return False
