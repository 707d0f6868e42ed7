"""Templates to responses: escaped by default, framed by headers that let nothing foreign run.

There are no inline scripts or styles and nothing is fetched from elsewhere, so the content security
policy forbids both. Static files are served under a name with the digest of their content.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from caesura.execution.clock import clock
from caesura.server.encoding import to_plain
from caesura.server.page.readable import one_line, readable
from caesura.version import __version__

SECURITY: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not `no-referrer`: then browsers send `Origin: null` with our own forms.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_STATIC: Final = Path(__file__).parent.parent / "static"
_TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


def html(
    request: Request, template: str, status: int = 200, *, prefix: str = "", **values: Any
) -> HTMLResponse:
    """A page. ``prefix``: what every path of this server begins with."""
    root = request.scope.get("root_path", "") + prefix
    text = (
        _environment()
        .get_template(template)
        .render(
            root=root,
            base=str(request.base_url).rstrip("/") + prefix,
            version=__version__,
            **values,
        )
    )
    return HTMLResponse(text, status, {**SECURITY, "Cache-Control": "no-store"})


def static(name: str) -> Response | None:
    """A file of the page, or None if there is none of that name."""
    data = _files().get(name)
    if data is None:
        return None
    headers = {**SECURITY, "Cache-Control": "public, max-age=31536000, immutable"}
    return Response(data, 200, headers, _TYPES[Path(name).suffix])


@lru_cache(maxsize=1)
def _files() -> Mapping[str, bytes]:
    return {f.name: f.read_bytes() for f in _STATIC.iterdir() if f.suffix in _TYPES}


def asset(name: str) -> str:
    """The path of a static file; it changes with the content."""
    digest = hashlib.sha256(_files()[name]).hexdigest()[:10]
    return f"/inbox/static/{name}?v={digest}"


@lru_cache(maxsize=1)
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("caesura.server"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(ago=ago, pretty=pretty, one_line=one_line, readable=readable)
    made.globals.update(asset=asset)
    return made


def pretty(value: Any) -> str:
    """``value`` as indented JSON."""
    return json.dumps(to_plain(value), ensure_ascii=False, indent=2)


def ago(at: str | None) -> str:
    """How long ago a time was, in words."""
    if not at:
        return ""
    now = datetime.fromisoformat(clock().now()).astimezone(UTC)
    seconds = max((now - datetime.fromisoformat(at)).total_seconds(), 0)
    if seconds < 45:
        return "just now"
    for unit, size, most in _UNITS:
        if seconds < most * size:
            number = round(seconds / size) or 1
            return f"{number} {unit}{'' if number == 1 else 's'} ago"
    return at[:10]


_UNITS: Final = (("minute", 60, 60), ("hour", 3600, 24), ("day", 86400, 60))
