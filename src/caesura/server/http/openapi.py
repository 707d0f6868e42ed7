"""The OpenAPI 3.1 description of the server, made from the declarations of its routes.

Nothing is written by hand: bodies, queries and answers are the Struct classes that requests are checked
with, and what follows from a route's form is added to what it declares: 401 and 403 where callers must
say who they are, 413 and 422 where something is sent, 429 where there are limits, 500 and 503 always.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec

from caesura.server import wire
from caesura.server.http.routes import Answer, Endpoint
from caesura.server.project.sections import AuthSettings
from caesura.server.project.settings import Settings
from caesura.version import __version__

Json = dict[str, Any]

_REF: Final = "#/components/schemas/{name}"
_PARAMETER: Final = re.compile(r"\{(\w+)(?::\w+)?\}")
_UUIDS: Final = frozenset({"thread_id", "run_id", "assistant_id", "cron_id"})
"""Path parameters that must be UUIDs."""
_ERRORS: Final = {
    400: "The request cannot be carried out as it is.",
    401: "It is not known who calls.",
    403: "The caller may not do this.",
    404: "What is named does not exist, or may not be seen.",
    405: "There is no such method here.",
    409: "It does not fit what is there now.",
    413: "The body is too long.",
    422: "The request does not have the right form.",
    429: "Too many requests or streams of one client; `Retry-After` says when to come again.",
    431: "Headers and query are too long.",
    500: "An error that was not foreseen.",
    503: "The database cannot be used at the moment.",
}
_INTRODUCTION: Final = (
    "The LangGraph API, served by Caesura. Unknown fields of a body are ignored, and null counts as absent "
    "where it is allowed. Every error has the form `Error`, and nothing was changed then unless it says so. "
    "Ids are UUIDs; times are ISO-8601 in UTC."
)


def document(endpoints: Sequence[Endpoint], settings: Settings, prefix: str = "") -> Json:
    """The description of these routes. ``prefix``: what their paths are served under."""
    schemas = _Schemas(endpoints)
    paths: dict[str, Json] = {}
    for endpoint in endpoints:
        path = _PARAMETER.sub(r"{\1}", endpoint.path)
        operation = _operation(endpoint, settings, schemas)
        paths.setdefault(path, {})[endpoint.method.lower()] = operation
    tags = list(dict.fromkeys(endpoint.tag for endpoint in endpoints))
    described: Json = {
        "openapi": "3.1.0",
        "info": {"title": "Caesura", "version": __version__, "description": _INTRODUCTION},
        "servers": [{"url": prefix or "/"}],
        "tags": [{"name": tag} for tag in tags],
        "paths": paths,
        "components": {"schemas": schemas.components},
    }
    return _with_security(described, settings.auth)


class _Schemas:
    """The JSON Schemas of all types that the routes name."""

    def __init__(self, endpoints: Sequence[Endpoint]) -> None:
        types = [wire.Error]
        for endpoint in endpoints:
            types += [kind for kind in _types(endpoint) if kind not in types]
        made, components = msgspec.json.schema_components(types, ref_template=_REF)
        self.components: Json = dict(sorted(components.items()))
        self._made = list(zip(types, made, strict=True))

    def of(self, kind: Any) -> Json:
        """The schema of a type: usually a reference."""
        return next(dict(schema) for known, schema in self._made if known == kind)


def _types(endpoint: Endpoint) -> Iterator[Any]:
    if endpoint.body is not None:
        yield endpoint.body
    if endpoint.query is not None:
        for info in msgspec.structs.fields(endpoint.query):
            yield info.type
    for answer in endpoint.answers.values():
        yield _type_of(answer)
        yield from (kind for _, kind in answer.others)


def _type_of(answer: Answer) -> Any:
    return Any if answer.body is None else answer.body


# --- one operation -----------------------------------------------------------------------------


def _operation(endpoint: Endpoint, settings: Settings, schemas: _Schemas) -> Json:
    operation: Json = {
        "operationId": endpoint.operation_id,
        "tags": [endpoint.tag],
        "summary": endpoint.summary,
        "parameters": [*_in_path(endpoint), *_in_query(endpoint, schemas)],
        "responses": _responses(endpoint, settings, schemas),
    }
    if endpoint.description:
        operation["description"] = _unwrapped(endpoint.description)
    if endpoint.body is not None:
        operation["requestBody"] = {
            "required": endpoint.body_required,
            "content": {"application/json": {"schema": schemas.of(endpoint.body)}},
        }
    if endpoint.public and settings.auth is not None:
        operation["security"] = []
    return operation


def _unwrapped(text: str) -> str:
    """A docstring without its indentation and line breaks; paragraphs stay."""
    paragraphs = re.split(r"\n\s*\n", text)
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _in_path(endpoint: Endpoint) -> Iterator[Json]:
    for name in _PARAMETER.findall(endpoint.path):
        schema: Json = {"type": "string", "minLength": 1}
        if name in _UUIDS:
            schema = {"type": "string", "format": "uuid"}
        yield {"name": name, "in": "path", "required": True, "schema": schema}


def _in_query(endpoint: Endpoint, schemas: _Schemas) -> Iterator[Json]:
    if endpoint.query is None:
        return
    for info in msgspec.structs.fields(endpoint.query):
        schema = _without_null(schemas.of(info.type))
        if info.default not in (msgspec.NODEFAULT, None):
            schema["default"] = info.default
        yield {"name": info.encode_name, "in": "query", "required": info.required, "schema": schema}


def _without_null(schema: Json) -> Json:
    """A query has no null: what is not there is left out."""
    arms = [arm for arm in schema.get("anyOf", ()) if arm.get("type") != "null"]
    if not arms:
        return schema
    rest = {key: value for key, value in schema.items() if key != "anyOf"}
    return {**rest, **arms[0]} if len(arms) == 1 else {**rest, "anyOf": arms}


def _responses(endpoint: Endpoint, settings: Settings, schemas: _Schemas) -> Json:
    responses: dict[int, Json] = {}
    for status in _errors(endpoint, settings):
        content = {"application/json": {"schema": schemas.of(wire.Error)}}
        responses[status] = {
            "description": _ERRORS.get(status, _phrase(status)),
            "content": content,
        }
    for status, answer in endpoint.answers.items():
        responses[status] = _response(status, answer, schemas)
    return {str(status): responses[status] for status in sorted(responses)}


def _response(status: int, answer: Answer, schemas: _Schemas) -> Json:
    response: Json = {"description": answer.text}
    if answer.body is not None or status == 200:
        forms = [(answer.media_type, _type_of(answer)), *answer.others]
        response["content"] = {media: _content(media, kind, schemas) for media, kind in forms}
    if answer.headers:
        response["headers"] = {name: {"schema": {"type": "string"}} for name in answer.headers}
    return response


def _content(media: str, kind: Any, schemas: _Schemas) -> Json:
    is_json = media.partition(";")[0].endswith("json")
    return {"schema": schemas.of(kind) if is_json else {"type": "string"}}


def _errors(endpoint: Endpoint, settings: Settings) -> set[int]:
    """Declared, and what follows from the form of the route."""
    found = {*endpoint.errors, 431, 500, 503}
    if not endpoint.public and settings.auth is not None:
        found |= {401, 403}
    if endpoint.method != "GET":
        found.add(403)  # A page of an origin that is not let in.
    if endpoint.body is not None:
        found |= {413, 422}
    if endpoint.query is not None or not _UUIDS.isdisjoint(_PARAMETER.findall(endpoint.path)):
        found.add(422)
    if settings.limits.requests_per_minute is not None or _streams(endpoint, settings):
        found.add(429)
    return found


def _streams(endpoint: Endpoint, settings: Settings) -> bool:
    media = {answer.media_type for answer in endpoint.answers.values()}
    return settings.limits.concurrent_streams is not None and "text/event-stream" in media


def _phrase(status: int) -> str:
    return f"{HTTPStatus(status).phrase}."


# --- who may call ------------------------------------------------------------------------------


def _with_security(described: Json, auth: AuthSettings | None) -> Json:
    if auth is None:
        return described
    schemes = dict(_schemes(auth))
    required: Any = [{name: []} for name in schemes]
    own: Mapping[str, Any] = auth.openapi or {}
    if isinstance(own.get("securitySchemes"), Mapping):
        schemes, required = dict(own["securitySchemes"]), own.get("security", [])
    described["components"]["securitySchemes"] = schemes
    described["security"] = required
    return described


def _schemes(auth: AuthSettings) -> Iterator[tuple[str, Json]]:
    if auth.keys or auth.path is not None:
        yield "key", {"type": "apiKey", "in": "header", "name": "x-api-key"}
    if auth.oidc is not None or auth.path is not None:
        yield "bearer", {"type": "http", "scheme": "bearer"}
