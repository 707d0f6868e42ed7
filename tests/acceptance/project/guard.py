"""Who may do what: two users with tokens, each with threads and store items of their own."""

from __future__ import annotations

from typing import Any

from langgraph_sdk import Auth

auth = Auth()


@auth.authenticate
async def authenticate(authorization: str | None) -> dict[str, Any]:
    if authorization is None:
        raise Auth.exceptions.HTTPException(status_code=401, detail="missing token")
    name = authorization.removeprefix("Bearer ")
    if name not in ("alice", "bob"):
        raise Auth.exceptions.HTTPException(status_code=401, detail="bad token")
    return {"identity": name, "permissions": ["r", "w"], "org": "o1"}


@auth.on.threads
async def own_threads(ctx: Auth.types.AuthContext, value: dict[str, Any]) -> dict[str, Any]:
    owner = {"owner": ctx.user.identity}
    value.setdefault("metadata", {}).update(owner)
    return owner


@auth.on.threads.delete
async def only_alice_deletes(ctx: Auth.types.AuthContext, value: Any) -> bool:
    return bool(ctx.user.identity == "alice")


@auth.on.assistants.create
async def nobody_makes_assistants(ctx: Auth.types.AuthContext, value: Any) -> bool:
    return False


@auth.on.crons
async def crons_cost_money(ctx: Auth.types.AuthContext, value: Any) -> None:
    raise Auth.exceptions.HTTPException(status_code=402, detail="pay up")


@auth.on.store
async def own_namespace(ctx: Auth.types.AuthContext, value: dict[str, Any]) -> None:
    value["namespace"] = (ctx.user.identity, *(value.get("namespace") or ()))
