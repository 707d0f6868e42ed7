"""Routes of the program's own: one more, and one in place of the server's."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route


async def hello(request: Request) -> JSONResponse:
    return JSONResponse({"hello": "custom", "user": str(request.scope.get("user"))})


async def info(request: Request) -> JSONResponse:
    return JSONResponse({"ok": "overridden"})


app = Starlette(routes=[Route("/custom/hello", hello), Route("/info", info)])
