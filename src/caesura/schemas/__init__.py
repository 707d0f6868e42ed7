"""Answer schemas: a Python type as JSON Schema, an answer checked and typed.

A stored interrupt holds only the JSON Schema of its answer. So an answer is judged by that alone,
in whatever process: `check_json` needs no program. `parse_answer` does the same check for a type,
and then converts what has passed. The digests of payloads are in `caesura.digests`.
"""
