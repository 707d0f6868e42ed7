"""The keys of a config file and their defaults, as classes: one class a section, one field a key.

The JSON Schema that a file is checked with is made of these classes, so a key that stands here is
accepted and documented, and nothing else has to change. Times to live are in minutes, other times in
seconds, sizes in bytes; None means "not limited" or "not used".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal


@dataclass(frozen=True, slots=True)
class AtLeast:
    """The smallest number that a key takes."""

    ge: float


Count = Annotated[int, AtLeast(1)]
Amount = Annotated[float, AtLeast(0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphSpec:
    """Where a graph stands: a Python file or module, and the name in there."""

    path: str
    variable: str
    description: str | None = None

    @property
    def spec(self) -> str:
        """``path:variable``."""
        return f"{self.path}:{self.variable}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Oidc:
    """Bearer tokens of an OpenID provider. ``jwks_url``: None: found through the issuer."""

    issuer: str
    audience: str
    jwks_url: str | None = None
    identity_claim: str = "sub"
    permissions_claim: str | None = None
    groups_claim: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthSettings:
    """Who may call. ``path`` names an ``Auth`` object; ``oidc`` and ``keys`` need no code."""

    path: str | None = None
    oidc: Oidc | None = None
    keys: bool = False
    isolate: bool = False
    """Callers by key or token see only what they made themselves."""
    disable_studio_auth: bool = False
    openapi: Mapping[str, Any] | None = None
    cache: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Encryption:
    """What is stored is encrypted: by the handlers of the ``Encryption`` object that ``path`` names, or by
    the keys in the environment variable that ``keys_env`` names."""

    path: str | None = None
    keys_env: str | None = None
    require_encrypted: bool = False
    """Checkpoints that were stored before there was encryption are refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cors:
    """Which pages of other origins may call; none unless configured."""

    allow_origins: tuple[str, ...] = ()
    allow_methods: tuple[str, ...] = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
    allow_headers: tuple[str, ...] = ("*",)
    allow_credentials: bool = False
    allow_origin_regex: str | None = None
    expose_headers: tuple[str, ...] = ()
    max_age: Annotated[int, AtLeast(0)] = 600


CREDENTIALS = frozenset({"authorization", "cookie", "proxy-authorization", "x-api-key"})
"""Headers that say who somebody is; they are not handed on or stored."""


SECRET_HEADERS = (
    "*authorization*", "*cookie*", "*token*", "*secret*", "*password*", "*credential*",
    "*api-key*", "*apikey*", "*jwt*", "*signature*",
)  # fmt: skip
"""Headers that may hold a secret, by their names; they are not logged, whatever is configured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderFilter:
    """Which request headers: those that match one of ``includes`` and none of ``excludes``."""

    includes: tuple[str, ...] | None = None
    excludes: tuple[str, ...] | None = None

    def matches(self, name: str) -> bool:
        """True for a header (in lower case) that is let through; patterns may have ``*``.

        Credentials never are, whatever the patterns say.
        """
        if name in CREDENTIALS:
            return False
        if any(fnmatchcase(name, pattern.lower()) for pattern in self.excludes or ()):
            return False
        return any(fnmatchcase(name, pattern.lower()) for pattern in self.includes or ())

    def logs(self, name: str) -> bool:
        """As `matches`, for what is written to a log, which more people read and which stays."""
        secret = any(fnmatchcase(name, pattern) for pattern in SECRET_HEADERS)
        return not secret and self.matches(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Http:
    """What is served, and how. ``app`` names an ASGI application whose routes come first."""

    app: str | None = None
    cors: Cors | None = None
    configurable_headers: HeaderFilter | None = None
    logging_headers: HeaderFilter | None = None
    disable_assistants: bool = False
    disable_threads: bool = False
    disable_runs: bool = False
    disable_store: bool = False
    disable_mcp: bool = False
    disable_a2a: bool = False
    disable_meta: bool = False
    disable_ui: bool = False
    disable_webhooks: bool = False
    enable_custom_route_auth: bool = False
    middleware_order: Literal["auth_first", "middleware_first"] = "middleware_first"
    mount_prefix: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookUrls:
    """Where webhooks may be sent."""

    allowed_domains: tuple[str, ...] | None = None
    allowed_ports: tuple[int, ...] | None = None
    require_https: bool = False
    disable_loopback: bool = True
    max_url_length: Count = 65536


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhooks:
    """``headers`` go with each webhook; ``env_prefix`` is what variables named in them begin with."""

    env_prefix: str = "LG_WEBHOOK_"
    headers: Mapping[str, str] = field(default_factory=dict)
    url: WebhookUrls = field(default_factory=WebhookUrls)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreIndex:
    """Search by meaning: the vector's length, what makes it, and which fields go in."""

    dims: Count
    embed: str
    fields: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreTtl:
    """How long items of the store live, in minutes."""

    default_ttl: Amount | None = None
    refresh_on_read: bool = True
    sweep_interval_minutes: Count | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSettings:
    """The long-term store."""

    index: StoreIndex | None = None
    ttl: StoreTtl | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadTtl:
    """How long threads live, in minutes, and what becomes of them then."""

    strategy: Literal["delete", "keep_latest"] = "delete"
    default_ttl: Amount | None = None
    sweep_interval_minutes: Count | None = None
    sweep_limit: Count | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointerSettings:
    """Where checkpoints go. ``path`` names a saver of the project's own."""

    path: str | None = None
    serde: Mapping[str, Any] | None = None
    ttl: ThreadTtl | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one client, request or run may take.

    ``requests_per_minute`` and ``concurrent_streams`` count per client. ``run_seconds``: None: what the
    environment says (`Environment.run_seconds`).
    """

    body_bytes: Count = 16 * 1024 * 1024
    header_bytes: Count = 64 * 1024
    requests_per_minute: Count | None = None
    concurrent_streams: Count | None = None
    run_seconds: Amount | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All keys of a config file."""

    graphs: Mapping[str, GraphSpec] = field(default_factory=dict)
    dependencies: tuple[str, ...] = ()
    env: str | Mapping[str, str] = field(default_factory=dict)
    engine: Literal["caesura"] = "caesura"
    waiting_thread: Literal["withdraw", "refuse"] = "withdraw"
    limits: Limits = field(default_factory=Limits)
    auth: AuthSettings | None = None
    encryption: Encryption | None = None
    http: Http = field(default_factory=Http)
    webhooks: Webhooks = field(default_factory=Webhooks)
    store: StoreSettings = field(default_factory=StoreSettings)
    checkpointer: CheckpointerSettings = field(default_factory=CheckpointerSettings)
    python_version: str = "3.12"
    base_image: str | None = None
    pip_config_file: str | None = None
    dockerfile_lines: tuple[str, ...] = ()


IGNORED = frozenset(
    {
        "$schema", "api_version", "image_distro", "keep_pkg_tools", "node_version", "pip_installer",
        "priority", "source", "ui", "ui_config",
    }
)  # fmt: skip
"""Keys of other servers that mean nothing here: accepted without a word."""
