"""Which addresses a server may listen on: others than loopback need auth, or an explicit word."""

from __future__ import annotations

from ipaddress import ip_address


def may_bind(host: str, auth_is_on: bool, insecure: bool) -> str | None:
    """None if the server may listen on ``host``, else why it does not start."""
    if auth_is_on or insecure or is_loopback(host):
        return None
    shown = host or "every address"
    return (
        f"Refusing to listen on {shown} without auth: everyone who reaches it could read every "
        "thread and answer every interrupt. Nothing was started. Configure `auth` (handlers, keys or "
        "oidc), listen on 127.0.0.1, or say --insecure if something in front of it checks callers."
    )


def is_loopback(host: str) -> bool:
    """True if only programs of this machine reach ``host``. Names other than localhost: False."""
    bare = host.removeprefix("[").removesuffix("]")
    if bare.lower() == "localhost":
        return True
    try:
        return ip_address(bare).is_loopback
    except ValueError:
        return False
