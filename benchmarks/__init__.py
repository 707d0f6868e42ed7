"""Caesura beside LangGraph: the same programs, in turn, in one run. `make bench`."""
