"""The same programs on Caesura and on LangGraph, and a comparison of what each of them observed."""
