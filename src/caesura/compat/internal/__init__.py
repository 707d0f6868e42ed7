"""What other packages import from LangGraph's private ``langgraph._internal``."""
