"""The HTTP server: the LangGraph API over the engine."""
