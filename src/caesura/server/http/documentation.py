"""The page of `/docs`: the OpenAPI description as people read it. One file, nothing from elsewhere.

The description is turned into flat rows here, so that the template only lays them out.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

Json = Mapping[str, Any]

_LIMITS: Final = {
    "minimum": "≥ {}", "maximum": "≤ {}", "minLength": "at least {} characters",
    "maxLength": "at most {} characters", "minItems": "at least {} items",
    "maxItems": "at most {} items", "maxProperties": "at most {} keys", "pattern": "like {}",
}  # fmt: skip


def page_of(described: Json) -> tuple[bytes, dict[str, str]]:
    """The page for an OpenAPI description, as HTML, and its security headers."""
    style = _style()
    text = (
        _environment()
        .get_template("docs.html")
        .render(
            title=described["info"]["title"],
            version=described["info"]["version"],
            introduction=_marked(described["info"]["description"]),
            groups=list(_groups(described)),
            shapes=list(_shapes(described)),
            style=Markup(style),
        )
    )
    digest = b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
    return text.encode(), {"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff"}


@lru_cache(maxsize=1)
def _environment() -> Environment:
    loader = PackageLoader("caesura.server", "templates")
    made = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    made.filters["kind"] = _kind
    return made


@lru_cache(maxsize=1)
def _style() -> str:
    return files("caesura.server").joinpath("templates/docs.css").read_text("utf-8")


# --- operations --------------------------------------------------------------------------------


def _groups(described: Json) -> Iterator[dict[str, Any]]:
    for tag in described["tags"]:
        operations = [
            _operation(method, path, operation)
            for path, methods in described["paths"].items()
            for method, operation in methods.items()
            if tag["name"] in operation["tags"]
        ]
        yield {
            "name": tag["name"],
            "id": tag["name"].lower().replace(" ", "-"),
            "operations": operations,
        }


def _operation(method: str, path: str, operation: Json) -> dict[str, Any]:
    body = operation.get("requestBody")
    return {
        "id": operation["operationId"],
        "method": method.upper(),
        "path": path,
        "summary": _marked(operation["summary"]),
        "paragraphs": [_marked(p) for p in operation.get("description", "").split("\n\n") if p],
        "parameters": [
            {
                "name": parameter["name"],
                "place": parameter["in"],
                "required": parameter["required"],
                "schema": parameter["schema"],
                "notes": _notes(parameter["schema"]),
            }
            for parameter in operation["parameters"]
        ],
        "body": None if body is None else body["content"]["application/json"]["schema"],
        "responses": [
            {
                "status": status,
                "text": _marked(response["description"]),
                "content": list(response.get("content", {}).items()),
                "headers": list(response.get("headers", ())),
            }
            for status, response in operation["responses"].items()
        ],
    }


# --- schemas -----------------------------------------------------------------------------------


def _shapes(described: Json) -> Iterator[dict[str, Any]]:
    for name, schema in described["components"]["schemas"].items():
        required = schema.get("required", ())
        yield {
            "name": name,
            "text": _marked(schema.get("description", "")),
            "fields": [
                {
                    "name": field,
                    "schema": inner,
                    "required": field in required,
                    "notes": _notes(inner),
                }
                for field, inner in schema.get("properties", {}).items()
            ],
        }


def _kind(schema: Json) -> Markup:
    """A schema in a few words; names of others are links."""
    if "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        return Markup('<a href="#schema-{0}">{0}</a>').format(name)
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return Markup(" or ").join(_kind(arm) for arm in schema[key])
    if "enum" in schema:
        return Markup(" | ").join(Markup("<code>{}</code>").format(v) for v in schema["enum"])
    kind = schema.get("type", "any")
    if kind == "array":
        return Markup("array of {}").format(_kind(schema.get("items", {})))
    if kind == "object" and schema.get("additionalProperties"):
        return Markup("object of {}").format(_kind(schema["additionalProperties"]))
    return escape(str(schema.get("format", kind)))


def _notes(schema: Json) -> list[str]:
    arms = [schema, *schema.get("anyOf", ())]
    found = [text.format(arm[key]) for arm in arms for key, text in _LIMITS.items() if key in arm]
    default = schema.get("default")
    if default not in (None, {}, []):
        found.append(f"default {str(default).lower() if isinstance(default, bool) else default}")
    return found


def _marked(text: str) -> Markup:
    """Text with `code` in backticks."""
    parts = text.split("`")
    made = [
        Markup("<code>{}</code>").format(p) if i % 2 else escape(p) for i, p in enumerate(parts)
    ]
    return Markup("").join(made)
