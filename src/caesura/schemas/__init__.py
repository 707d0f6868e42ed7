"""Answer schemas: a Python type as JSON Schema, an answer checked and typed.

A stored interrupt holds only the JSON Schema of its answer. So an answer is judged by that alone,
in whatever process: `check_json` needs no program. `parse_answer` does the same check for a type,
and then converts what has passed. The digests of payloads are in `caesura.digests`; their names are
kept here too.
"""

from __future__ import annotations

from caesura.digests import differing_paths, digest_of, plain_json
from caesura.schemas.checking import AnswerError, check_json
from caesura.schemas.converting import parse_answer
from caesura.schemas.describing import json_schema_of
from caesura.schemas.kinds import JsonSchema

__all__ = [
    "AnswerError",
    "JsonSchema",
    "check_json",
    "differing_paths",
    "digest_of",
    "json_schema_of",
    "parse_answer",
    "plain_json",
]
