"""A compiled program as a `Runnable` of LangChain. Imported on demand only."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from langchain_core.runnables import Runnable, RunnableConfig


class GraphRunnable(Runnable[Any, Any]):
    """Hands everything on to ``graph``."""

    def __init__(self, graph: Any) -> None:
        self.graph = graph
        self.name = graph.name

    @property
    def InputType(self) -> Any:
        """The class of the input; of a program that has none, anything."""
        return getattr(getattr(self.graph, "builder", None), "input_schema", Any)

    @property
    def OutputType(self) -> Any:
        """The class of the output; of a program that has none, anything."""
        return getattr(getattr(self.graph, "builder", None), "output_schema", Any)

    def invoke(self, input: Any, config: RunnableConfig | None = None, **more: Any) -> Any:
        """As the graph's."""
        return self.graph.invoke(input, config, **more)

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **more: Any) -> Any:
        """As the graph's."""
        return await self.graph.ainvoke(input, config, **more)

    def stream(
        self, input: Any, config: RunnableConfig | None = None, **more: Any
    ) -> Iterator[Any]:
        """As the graph's."""
        return iter(self.graph.stream(input, config, **more))

    async def astream(
        self, input: Any, config: RunnableConfig | None = None, **more: Any
    ) -> AsyncIterator[Any]:
        """As the graph's."""
        async for item in self.graph.astream(input, config, **more):
            yield item

    def get_graph(self, config: RunnableConfig | None = None) -> Any:
        """As the graph's."""
        return self.graph.get_graph(config)
