"""Callers by tokens of an OpenID provider: real keys, real signatures, a provider on a local port."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import get_default_algorithms

from caesura.execution.clock import Clock, use_clock
from caesura.server.auth import AuthRefusal, Caller, Either, KeyAuth, RequestFacts
from caesura.server.auth.oidc import OidcAuth

NOW = 1_800_000_000.0
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
ED_KEY = ed25519.Ed25519PrivateKey.generate()
STRANGER = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def jwk(algorithm: str, key: Any, kid: str, **more: Any) -> dict[str, Any]:
    public = get_default_algorithms()[algorithm].to_jwk(key.public_key(), as_dict=True)
    return {**public, "kid": kid, **more}


RSA_JWK = jwk("RS256", RSA_KEY, "rsa", use="sig")
KEYS = [RSA_JWK, jwk("ES256", EC_KEY, "ec", alg="ES256"), jwk("EdDSA", ED_KEY, "ed")]


class Held(Clock):
    """A clock that stands until it is moved."""

    time = NOW

    def epoch(self) -> float:
        return self.time


@pytest.fixture
def held() -> Iterator[Held]:
    clock = Held()
    before = use_clock(clock)
    yield clock
    use_clock(before)


class Provider:
    """An OpenID provider on a free port. ``asked``: the paths that were fetched."""

    def __init__(self) -> None:
        self.keys: list[dict[str, Any]] = list(KEYS)
        self.asked: list[str] = []
        self.away = False
        self.document: dict[str, Any] | None = None
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.issuer = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, path: str) -> Any:
        if path == "/keys":
            return {"keys": self.keys}
        return self.document or {"issuer": self.issuer, "jwks_uri": f"{self.issuer}/keys"}

    def _handler(provider) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.asked.append(self.path)
                data = json.dumps(provider.answer(self.path)).encode()
                self.send_response(503 if provider.away else 200)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: Any) -> None: ...

        return Handler


@pytest.fixture
def provider() -> Iterator[Provider]:
    running = Provider()
    yield running
    running.close()


@pytest.fixture
def way(provider: Provider, held: Held) -> OidcAuth:
    return OidcAuth(provider.issuer, "caesura", now=held.epoch)


Sign = Callable[..., str]


@pytest.fixture
def token(provider: Provider) -> Sign:
    """Makes tokens: claims by name, ``_without`` one, signed with a key under an algorithm."""

    def make(
        key: Any = RSA_KEY,
        algorithm: str = "RS256",
        kid: str | None = "rsa",
        headers: dict[str, Any] | None = None,
        without: str | None = None,
        **claims: Any,
    ) -> str:
        usual = {"iss": provider.issuer, "aud": "caesura", "sub": "alice", "exp": NOW + 600}
        payload = {k: v for k, v in {**usual, **claims}.items() if k != without}
        first = {**({} if kid is None else {"kid": kid}), **(headers or {})}
        return jwt.encode(payload, key, algorithm=algorithm, headers=first)

    return make


def bearer(token: str) -> RequestFacts:
    return RequestFacts(headers=[(b"authorization", f"Bearer {token}".encode())])


async def refusal(way: Any, token: str) -> AuthRefusal:
    with pytest.raises(AuthRefusal) as refused:
        await way.authenticate(bearer(token))
    return refused.value


async def assert_refused(way: OidcAuth, token: str, good: str) -> None:
    """The token is refused in the usual words, and not because nothing would be accepted."""
    told = await refusal(way, token)
    assert (told.status, told.detail) == (401, "Missing or invalid credentials")
    assert (await way.authenticate(bearer(good))).identity == "alice"


# --- accepted ------------------------------------------------------------------------------------

SIGNED = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), (RSA_KEY, "rsa")),
    "ES256": (EC_KEY, "ec"),
    "EdDSA": (ED_KEY, "ed"),
}


@pytest.mark.parametrize("algorithm", SIGNED)
async def test_a_token_of_the_provider_is_accepted(
    way: OidcAuth, token: Sign, algorithm: str
) -> None:
    key, kid = SIGNED[algorithm]
    caller = await way.authenticate(bearer(token(key, algorithm, kid)))
    assert (caller.identity, caller.kind, caller.is_authenticated) == ("alice", "oidc", True)
    assert not caller.limited
    assert Caller.from_stored(caller.stored) == caller


async def test_one_audience_of_several_is_enough(way: OidcAuth, token: Sign) -> None:
    assert await way.authenticate(bearer(token(aud=["other", "caesura"])))


async def test_a_token_without_a_key_id_is_checked_with_the_only_key(
    provider: Provider, way: OidcAuth, token: Sign
) -> None:
    provider.keys = [RSA_JWK, jwk("RS256", STRANGER, "enc", use="enc")]
    assert await way.authenticate(bearer(token(kid=None)))


async def test_a_given_key_address_is_used_without_discovery(
    provider: Provider, held: Held, token: Sign
) -> None:
    way = OidcAuth(provider.issuer, "caesura", f"{provider.issuer}/keys", now=held.epoch)
    assert await way.authenticate(bearer(token()))
    assert provider.asked == ["/keys"]


@pytest.mark.parametrize(
    ("claims", "display_name"),
    [
        ({"name": "Alice A.", "email": "a@b.c"}, "Alice A."),
        ({"preferred_username": "ally", "email": "a@b.c"}, "ally"),
        ({"email": "a@b.c", "name": 5}, "a@b.c"),
        ({}, "alice"),
    ],
    ids=["name", "username", "email", "nothing"],
)
async def test_the_display_name_is_the_best_claim_there_is(
    way: OidcAuth, token: Sign, claims: dict[str, Any], display_name: str
) -> None:
    assert (await way.authenticate(bearer(token(**claims)))).display_name == display_name


async def test_claims_become_identity_permissions_and_groups(
    provider: Provider, held: Held, token: Sign
) -> None:
    way = OidcAuth(
        provider.issuer, "caesura", identity_claim="email", permissions_claim="scope",
        groups_claim="realm_access.roles", now=held.epoch,
    )  # fmt: skip
    claims = {"scope": "threads:read runs:*", "realm_access": {"roles": ["ops", 5, "dev"]}}
    caller = await way.authenticate(bearer(token(email="a@b.c", **claims)))
    assert caller.identity == "a@b.c"
    assert caller.permissions == ("threads:read", "runs:*") and caller.limited
    assert caller.groups == ("ops", "dev")


async def test_a_claim_with_full_stops_in_its_name_is_found(
    provider: Provider, held: Held, token: Sign
) -> None:
    name = "https://example.com/groups"
    way = OidcAuth(provider.issuer, "caesura", groups_claim=name, now=held.epoch)
    assert (await way.authenticate(bearer(token(**{name: ["ops"]})))).groups == ("ops",)


async def test_a_token_without_the_permissions_claim_allows_nothing(
    provider: Provider, held: Held, token: Sign
) -> None:
    way = OidcAuth(provider.issuer, "caesura", permissions_claim="scope", now=held.epoch)
    caller = await way.authenticate(bearer(token()))
    assert caller.limited and caller.permissions == ()
    assert Caller.from_stored(caller.stored).limited


# --- refused -------------------------------------------------------------------------------------

BAD_CLAIMS: dict[str, dict[str, Any]] = {
    "expired": {"exp": NOW - 60},
    "not valid yet": {"nbf": NOW + 61},
    "another audience": {"aud": "other"},
    "another issuer": {"iss": "https://evil.example"},
    "the issuer with more behind it": {"iss": "{issuer}/"},
    "no expiry": {"without": "exp"},
    "no audience": {"without": "aud"},
    "no issuer": {"without": "iss"},
    "no subject": {"without": "sub"},
    "an empty subject": {"sub": ""},
    "an expiry that is a text": {"exp": "9999999999"},
    "a beginning that is true": {"nbf": True},
    "larger than any header should be": {"padding": "x" * 16_384},
    "signed by a stranger under our key's id": {"key": STRANGER},
    "an unknown key id": {"kid": "nobody"},
    "a key id that is a key of another kind": {"kid": "ec"},
    "no key id where there are several keys": {"kid": None},
    "a critical extension": {"headers": {"crit": ["b64"], "b64": False}},
    "an algorithm that the key is not for": {"key": EC_KEY, "algorithm": "ES256", "kid": "rsa"},
}


@pytest.mark.parametrize("claims", BAD_CLAIMS.values(), ids=BAD_CLAIMS)
async def test_a_bad_token_is_refused(
    provider: Provider, way: OidcAuth, token: Sign, claims: dict[str, Any]
) -> None:
    given = dict(claims)
    if "iss" in given:
        given["iss"] = given["iss"].format(issuer=provider.issuer)
    await assert_refused(way, token(**given), token())


async def test_the_providers_clock_may_differ_by_a_minute(way: OidcAuth, token: Sign) -> None:
    assert await way.authenticate(bearer(token(exp=NOW - 59, nbf=NOW + 60)))


def part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", ""])
async def test_a_token_without_a_signature_is_refused(
    way: OidcAuth, token: Sign, algorithm: str
) -> None:
    payload = token().split(".")[1]
    await assert_refused(way, f"{part({'alg': algorithm, 'kid': 'rsa'})}.{payload}.", token())


@pytest.mark.parametrize("form", ["pem", "der", "n"])
async def test_a_token_signed_with_the_public_key_as_a_secret_is_refused(
    way: OidcAuth, token: Sign, form: str
) -> None:
    public = RSA_KEY.public_key()
    secret = {
        "pem": public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "der": public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        "n": RSA_JWK["n"].encode(),
    }[form]
    signed = f"{part({'alg': 'HS256', 'kid': 'rsa', 'typ': 'JWT'})}.{token().split('.')[1]}"
    mac = hmac.new(secret, signed.encode(), hashlib.sha256).digest()
    forged = f"{signed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"
    await assert_refused(way, forged, token())


async def test_a_shared_secret_among_the_providers_keys_is_not_used(
    provider: Provider, way: OidcAuth, token: Sign
) -> None:
    secret = b"k" * 32
    encoded = base64.urlsafe_b64encode(secret).rstrip(b"=").decode()
    provider.keys.append({"kty": "oct", "k": encoded, "kid": "shared"})
    await assert_refused(way, token(secret, "HS256", "shared"), token())


async def test_a_key_for_encryption_checks_no_signature(
    provider: Provider, way: OidcAuth, token: Sign
) -> None:
    provider.keys.append(jwk("RS256", STRANGER, "enc", use="enc"))
    await assert_refused(way, token(STRANGER, kid="enc"), token())


async def test_a_key_is_used_with_its_own_algorithm_only(
    provider: Provider, way: OidcAuth, token: Sign
) -> None:
    provider.keys.append(jwk("RS256", STRANGER, "strict", alg="RS512"))
    assert await way.authenticate(bearer(token(STRANGER, "RS512", "strict")))
    await assert_refused(way, token(STRANGER, "RS256", "strict"), token())


async def test_a_key_that_the_token_brings_along_is_not_used(way: OidcAuth, token: Sign) -> None:
    own = jwk("RS256", STRANGER, "mine")
    for headers in ({"jwk": own}, {"jku": "http://evil.example/keys"}, {"x5c": ["x"]}):
        await assert_refused(way, token(STRANGER, kid="mine", headers=headers), token())


async def test_a_changed_token_is_refused(way: OidcAuth, token: Sign) -> None:
    head, payload, signature = token().split(".")
    other = token(sub="mallory").split(".")[1]
    await assert_refused(way, f"{head}.{other}.{signature}", token())
    for broken in ("..", "a.b.c", f"{head}.{payload}.", "x" * 20_000 + f".{payload}.{signature}"):
        await assert_refused(way, broken, token())


async def test_no_token_is_refused(way: OidcAuth) -> None:
    with pytest.raises(AuthRefusal) as refused:
        await way.authenticate(RequestFacts())
    assert refused.value.status == 401


# --- the provider's keys -------------------------------------------------------------------------


async def test_keys_are_fetched_once_while_they_are_fresh(
    provider: Provider, way: OidcAuth, token: Sign
) -> None:
    await asyncio.gather(*(way.authenticate(bearer(token())) for _ in range(20)))
    assert provider.asked == ["/.well-known/openid-configuration", "/keys"]


async def test_keys_are_fetched_again_after_five_minutes(
    provider: Provider, way: OidcAuth, held: Held, token: Sign
) -> None:
    await way.authenticate(bearer(token()))
    provider.keys = [jwk("RS256", STRANGER, "rsa")]
    held.time += 300
    told = await refusal(way, token())
    assert told.status == 401, "the key was withdrawn"
    assert await way.authenticate(bearer(token(STRANGER)))


async def test_a_new_key_is_known_as_soon_as_a_token_names_it(
    provider: Provider, way: OidcAuth, held: Held, token: Sign
) -> None:
    await way.authenticate(bearer(token()))
    provider.keys.append(jwk("RS256", STRANGER, "new"))
    held.time += 30
    assert await way.authenticate(bearer(token(STRANGER, kid="new")))


async def test_unknown_key_ids_ask_the_provider_once_in_half_a_minute(
    provider: Provider, way: OidcAuth, held: Held, token: Sign
) -> None:
    await way.authenticate(bearer(token()))
    held.time += 30
    for number in range(20):
        await refusal(way, token(kid=f"made-up-{number}"))
    assert provider.asked.count("/keys") == 2


async def test_while_the_provider_is_away_known_keys_count_for_an_hour(
    provider: Provider, way: OidcAuth, held: Held, token: Sign
) -> None:
    lasting = token(exp=NOW + 10_000)
    await way.authenticate(bearer(lasting))
    provider.away = True
    held.time += 3599
    assert await way.authenticate(bearer(lasting))
    held.time += 31
    assert (await refusal(way, lasting)).status == 503
    provider.away = False
    held.time += 30
    assert await way.authenticate(bearer(lasting))


@pytest.mark.parametrize(
    "document",
    [
        {"issuer": "https://evil.example", "jwks_uri": "{issuer}/keys"},
        {"issuer": "{issuer}"},
        {"issuer": "{issuer}", "jwks_uri": 5},
    ],
    ids=["another issuer", "no address", "an address that is a number"],
)
async def test_a_discovery_document_that_is_not_the_issuers_is_not_followed(
    provider: Provider, way: OidcAuth, token: Sign, document: dict[str, Any]
) -> None:
    provider.document = json.loads(json.dumps(document).replace("{issuer}", provider.issuer))
    assert (await refusal(way, token())).status == 503
    assert "/keys" not in provider.asked


async def test_tokens_are_not_logged(
    provider: Provider, way: OidcAuth, token: Sign, capfd: pytest.CaptureFixture[str]
) -> None:
    provider.away = True
    given = token()
    await refusal(way, given)
    out, err = capfd.readouterr()
    assert "could not be fetched" in out + err
    assert given.split(".")[1] not in out + err


async def test_tokens_and_keys_go_to_their_own_ways(way: OidcAuth, token: Sign) -> None:
    either = Either([KeyAuth(None), way])
    assert (await either.authenticate(bearer(token()))).kind == "oidc"


@pytest.mark.parametrize(("issuer", "audience"), [("", "a"), ("https://i", "")])
def test_a_provider_without_issuer_or_audience_is_refused(issuer: str, audience: str) -> None:
    with pytest.raises(ValueError, match="issuer"):
        OidcAuth(issuer, audience)
