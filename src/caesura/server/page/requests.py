"""What a browser sends: whether it wants a page, whether a form is our own, what was typed in it.

A form of another site could be posted here with the person's own cookie, or, where nobody has to sign
in, from any page that is open in the same browser. So a form counts only if the browser itself says
that it comes from here: by ``Sec-Fetch-Site``, which pages cannot forge, or, where that is not sent, by
an ``Origin`` that is this host. A form that says neither is refused: every browser of the last years
sends one, and programs use the API. This needs no token in the form and nothing remembered here; the
session's cookie is ``SameSite=Strict`` besides.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from starlette.requests import Request

from caesura.server.http.call import Call
from caesura.server.http.problems import Problem, invalid
from caesura.server.http.reading import read_bytes

_FORM: Final = "application/x-www-form-urlencoded"
_MOST_FIELDS: Final = 5_000


def prefers_html(accept: str) -> bool:
    """True if the ``Accept`` header names HTML, and nothing that JSON fits better."""
    weights = dict(map(_weighed, accept.lower().split(",")))
    wanted = weights.get("text/html", 0.0)
    return wanted > 0 and wanted >= weights.get("application/json", 0.0)


def _weighed(part: str) -> tuple[str, float]:
    kind, *parameters = (text.strip() for text in part.split(";"))
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return kind, float(parameter[2:])
            except ValueError:
                return kind, 0.0
    return kind, 1.0


def check_origin(request: Request) -> None:
    """Raises 403 unless the form was sent from a page of this server."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        ours = site == "same-origin"
    else:
        origin = request.headers.get("origin", "null")
        try:
            ours = urlsplit(origin).netloc.lower() == request.headers.get("host", "").lower() != ""
        except ValueError:
            ours = False
    if not ours:
        raise Problem(
            403,
            "This form was not sent from a page of this server. Nothing was changed. Open the page "
            "here and send it again.",
            code="foreign_form",
        )


async def read_form(call: Call[Any, Any]) -> dict[str, str]:
    """The fields of a form, by name. Raises 403, 413, 415 or 422."""
    check_origin(call.request)
    if call.request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        raise Problem(415, f"A form is sent as {_FORM}. Nothing was changed.", code="no_form")
    data = await read_bytes(call.request, call.server.settings.limits.body_bytes)
    try:
        pairs = parse_qsl(
            data.decode("utf-8"), keep_blank_values=True, errors="strict",
            max_num_fields=_MOST_FIELDS,
        )  # fmt: skip
    except ValueError:
        raise invalid("The form cannot be read. Nothing was changed.") from None
    return dict(pairs)
