"""A project on disk: its config file, what that names, and the graphs that are served.

`settings` reads ``caesura.json`` or ``langgraph.json``; `loading` imports what it names; `graphs` holds
the graphs that came of it. Nothing in here knows HTTP.
"""
