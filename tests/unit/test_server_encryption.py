"""A server that encrypts: by keys and by handlers, everything works, and the file holds no user's word."""

from __future__ import annotations

import base64
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from tests.unit.serving import served

from caesura.server.encryption import DuplicateHandlerError, Encryption, EncryptionContext
from caesura.server.project.errors import ConfigError

SECRET = "fq7 user secret"
OLD, NEW = (f"{name}:{base64.b64encode(name.encode() * 32).decode()}" for name in "on")
KEYS: dict[str, Any] = {"encryption": {"keys_env": "SERVER_KEYS", "require_encrypted": True}}
HANDLERS: dict[str, Any] = {"encryption": {"path": "./seal.py:sealed"}}
SEAL = """
import base64, json
{imports}

sealed = Encryption()
SKIP = {{"owner", "kind"}}

def turned(data):
    return bytes(b ^ 90 for b in data)

@sealed.encrypt.blob
async def encrypt_blob(ctx, blob):
    return turned(blob)

@sealed.decrypt.blob
async def decrypt_blob(ctx, blob):
    return turned(blob)

@sealed.encrypt.json
async def encrypt_json(ctx, data):
    assert ctx.model and ctx.field, ctx
    tenant = ctx.metadata.get("tenant", "").encode()
    return {{
        k: v if k in SKIP or v is None
        else "enc:" + base64.b64encode(turned(tenant + b"|" + json.dumps(v).encode())).decode()
        for k, v in data.items()
    }}

@sealed.decrypt.json
async def decrypt_json(ctx, data):
    out = {{}}
    for k, v in data.items():
        if isinstance(v, str) and v.startswith("enc:"):
            tenant, _, v = turned(base64.b64decode(v[4:])).partition(b"|")
            assert tenant.decode() == ctx.metadata.get("tenant", ""), (tenant, ctx)
            v = json.loads(v)
        out[k] = v
    return DecryptResult(out) if "wrap" in out else out
"""
OURS = "from caesura.server.encryption import DecryptResult, Encryption"
THEIRS = """
import warnings
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from langgraph_sdk import Encryption
    made = Encryption()
from langgraph_sdk.encryption.types import DecryptResult
Encryption = lambda: made
"""


@pytest.fixture(params=["keys", "handlers", "handlers of the SDK"])
def how(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Any]:
    """The configuration of each way."""
    monkeypatch.setenv("SERVER_KEYS", OLD)
    imports = THEIRS if "SDK" in request.param else OURS
    (tmp_path / "seal.py").write_text(SEAL.format(imports=imports))
    return KEYS if request.param == "keys" else HANDLERS


def _stored(folder: Path) -> bytes:
    return b"".join(p.read_bytes() for p in folder.iterdir() if p.name.startswith("data.sqlite"))


async def _use_everything(api: Any) -> dict[str, Any]:
    """Says the secret wherever a client can, and finds it again. Returns ids."""
    made = await api.json(
        "POST",
        "/assistants",
        {
            "graph_id": "asking",
            "config": {"tags": [SECRET]},
            "context": {"c": SECRET},
            "metadata": {"note": SECRET, "owner": "anna"},
        },
    )
    assistant = made["assistant_id"]
    changed = await api.json("PATCH", f"/assistants/{assistant}", {"metadata": {"more": SECRET}})
    assert changed["metadata"] == {"note": SECRET, "owner": "anna", "more": SECRET}
    versions = await api.json("POST", f"/assistants/{assistant}/versions", {})
    assert [v["context"] for v in versions] == [{"c": SECRET}] * 2
    thread = (await api.json("POST", "/threads", {"metadata": {"note": SECRET, "kind": "a"}}))[
        "thread_id"
    ]
    patched = await api.json("PATCH", f"/threads/{thread}", {"metadata": {"x": [{"y": SECRET}]}})
    assert patched["metadata"] == {"note": SECRET, "kind": "a", "x": [{"y": SECRET}]}
    body = {
        "assistant_id": "agent",
        "input": {"topic": SECRET},
        "metadata": {"run": SECRET},
        "stream_mode": ["values"],
        "stream_resumable": True,
        "config": {"configurable": {"z": SECRET, "a": 1}},
    }
    streamed = await api("POST", f"/threads/{thread}/runs/stream", body)
    assert SECRET in streamed.text
    (run,) = await api.json("GET", f"/threads/{thread}/runs")
    assert run["metadata"]["run"] == SECRET and run["kwargs"]["input"] == {"topic": SECRET}
    assert list(run["kwargs"]["config"]["configurable"])[:2] == ["z", "a"], "in the order given"
    api.server.streams.runs.clear()
    where = f"/threads/{thread}/runs/{run['run_id']}/stream"
    replayed = await api("GET", where, headers={"last-event-id": "-1"})
    assert SECRET in replayed.text
    await api("POST", f"/threads/{thread}/runs/wait", {**body, "input": {"topic": "boom"}})
    failed = await api.json("GET", f"/threads/{thread}")
    assert failed["status"] == "error" and failed["error"]["message"] == "boom at node"
    await api.json("POST", f"/threads/{thread}/state", {"values": {"log": [SECRET]}})
    copy = (await api.json("POST", f"/threads/{thread}/copy"))["thread_id"]
    state = await api.json("GET", f"/threads/{copy}/state")
    assert state["values"]["log"] == [SECRET]
    cron = await api.json(
        "POST",
        f"/threads/{thread}/runs/crons",
        {"assistant_id": "agent", "schedule": "0 0 1 1 *", "input": {"topic": SECRET},
         "metadata": {"note": SECRET}},
    )  # fmt: skip
    assert cron["payload"]["input"] == {"topic": SECRET}
    await api.json("PUT", "/store/items", {"namespace": ["n"], "key": "k", "value": {"v": SECRET}},
                   status=204)  # fmt: skip
    item = await api.json("GET", "/store/items?namespace=n&key=k")
    assert item["value"] == {"v": SECRET}
    found = await api.json(
        "POST", "/store/items/search", {"namespace_prefix": ["n"], "filter": {"v": SECRET}}
    )
    assert [each["value"] for each in found["items"]] == [{"v": SECRET}]
    await _answer_a_question(api)
    return {"thread": thread, "assistant": assistant}


async def _answer_a_question(api: Any) -> None:
    thread = (await api.json("POST", "/threads", {}))["thread_id"]
    await api.json("POST", f"/threads/{thread}/runs/wait", {"assistant_id": "asking", "input": {}})
    body = {"assistant_id": "asking", "command": {"resume": SECRET}}
    done = await api.json("POST", f"/threads/{thread}/runs/wait", body)
    assert done["log"] == [SECRET]


async def test_everything_works_and_the_file_holds_nothing_that_a_client_said(
    how: dict[str, Any], tmp_path: Path
) -> None:
    async with served(tmp_path, how) as api:
        ids = await _use_everything(api)
        stored = _stored(tmp_path)
    async with served(tmp_path, how) as api:
        thread = await api.json("GET", f"/threads/{ids['thread']}")
        assert thread["metadata"]["note"] == SECRET, "a later process reads it"
        assert (await api.json("GET", f"/threads/{ids['thread']}/state"))["values"]["log"]
        events = api.server.database.conn.execute("SELECT data FROM run_events").fetchall()
        assert events and all(data[:1] == b"\xc1" for (data,) in events)
    for word in (SECRET, "boom at node", "sure?"):
        assert word.encode() not in stored, word


async def test_a_server_without_encryption_stores_what_the_search_would_find(
    tmp_path: Path,
) -> None:
    async with served(tmp_path) as api:
        await _use_everything(api)
        stored = _stored(tmp_path)
    for word in (SECRET, "boom at node", "sure?"):
        assert word.encode() in stored, word


async def test_keys_are_rotated_and_metadata_of_every_age_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = {"encryption": {"keys_env": "SERVER_KEYS"}}
    metadata = {"note": SECRET, "deep": {"tags": [SECRET, 1]}}
    for keys in (None, OLD, f"{NEW},{OLD}"):
        if keys is not None:
            monkeypatch.setenv("SERVER_KEYS", keys)
        async with served(tmp_path, config if keys else None) as api:
            await api.json("POST", "/threads", {"metadata": metadata})
    async with served(tmp_path, config) as api:
        for asked in ({"note": SECRET}, {"deep": {"tags": [SECRET]}}, {"deep": {"tags": [1]}}):
            found = await api.json("POST", "/threads/search", {"metadata": asked})
            assert [each["metadata"] for each in found] == [metadata] * 3, asked
        assert await api.json("POST", "/threads/search", {"metadata": {"note": "x"}}) == []
        assert await api.json("POST", "/threads/count", {"metadata": {"note": SECRET}}) == 3
    monkeypatch.setenv("SERVER_KEYS", NEW)
    async with served(tmp_path, config) as api:
        response = await api("POST", "/threads/search", {})
        assert response.status_code == 500 and SECRET not in response.text


async def test_isolated_callers_go_on_to_see_their_own_under_encryption(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVER_KEYS", OLD)
    auth = """
from caesura.server.auth import Auth
auth = Auth()

@auth.authenticate
async def who(authorization):
    return {"identity": authorization}

@auth.on
async def own(ctx, value):
    value.setdefault("metadata", {})["owner"] = ctx.user.identity
    return {"owner": ctx.user.identity}
"""
    (tmp_path / "who.py").write_text(auth)
    async with served(tmp_path, {**KEYS, "auth": {"path": "./who.py:auth"}}) as api:
        for name in ("anna", "bert"):
            api.client.headers["authorization"] = name
            thread = await api.json("POST", "/threads", {})
            assert len(await api.json("POST", "/threads/search", {})) == 1
            await api.json("GET", f"/threads/{thread['thread_id']}")
        api.client.headers["authorization"] = "anna"
        await api.json("GET", f"/threads/{thread['thread_id']}", status=404)


async def test_what_handlers_encrypt_cannot_be_searched_and_what_they_leave_can(
    tmp_path: Path,
) -> None:
    text = SEAL.format(imports=OURS).replace("json.dumps(v)", "(json.dumps(v) + ' ' * next(N))")
    (tmp_path / "seal.py").write_text(f"import itertools\nN = itertools.count()\n{text}")
    async with served(tmp_path, HANDLERS) as api:
        await api.json("POST", "/threads", {"metadata": {"note": SECRET, "kind": "a"}})
        found = await api.json("POST", "/threads/search", {"metadata": {"kind": "a"}})
        assert [each["metadata"]["note"] for each in found] == [SECRET]
        refused = await api("POST", "/threads/search", {"metadata": {"note": SECRET}})
        assert refused.status_code == 422 and "'note' is encrypted" in refused.text


async def test_questions_cannot_be_searched_by_text_where_they_are_encrypted(
    how: dict[str, Any], tmp_path: Path
) -> None:
    async with served(tmp_path, how) as api:
        response = await api("GET", "/interrupts?q=sure")
        assert response.status_code == 422 and "encrypted" in response.text


async def test_the_context_of_a_request_reaches_the_handlers_also_when_the_data_is_read_later(
    tmp_path: Path,
) -> None:
    (tmp_path / "seal.py").write_text(SEAL.format(imports=OURS))
    said = base64.b64encode(json.dumps({"tenant": "t1"}).encode()).decode()
    async with served(tmp_path, HANDLERS) as api:
        api.client.headers["x-encryption-context"] = said
        thread = (await api.json("POST", "/threads", {"metadata": {"note": SECRET}}))["thread_id"]
        await api.json("PATCH", f"/threads/{thread}", {"metadata": {"first": 1}})
        api.client.headers["x-encryption-context"] = '{"tenant": "t2"}'
        body = {"assistant_id": "agent", "input": {"topic": SECRET}, "metadata": {"m": 1}}
        await api.json("POST", f"/threads/{thread}/runs/wait", body)
        await api.json("PATCH", f"/threads/{thread}", {"metadata": {"second": 2}})
        del api.client.headers["x-encryption-context"]
        read = await api.json("GET", f"/threads/{thread}")
        assert {k: read["metadata"][k] for k in ("note", "first", "second")} == {
            "note": SECRET,
            "first": 1,
            "second": 2,
        }
        state = await api.json("GET", f"/threads/{thread}/state")
        assert state["values"]["topic"] == SECRET
        api.client.headers["x-encryption-context"] = "nonsense"
        assert (await api("GET", f"/threads/{thread}")).status_code == 422
    rows = sqlite3.connect(tmp_path / "data.sqlite")
    bodies = [body for (body,) in rows.execute("SELECT body FROM thread_checkpoints")]
    rows.close()
    assert bodies and all(b'{"tenant":"t2"}' in body for body in bodies)


async def test_a_context_can_be_made_of_who_calls(tmp_path: Path) -> None:
    more = """
@sealed.context
async def of_user(user, ctx):
    return {**ctx.metadata, "tenant": user.identity}
"""
    (tmp_path / "seal.py").write_text(SEAL.format(imports=OURS) + more)
    (tmp_path / "who.py").write_text(
        "from caesura.server.auth import Auth\nauth = Auth()\n"
        "@auth.authenticate\nasync def who():\n    return {'identity': 'anna'}\n"
    )
    async with served(tmp_path, {**HANDLERS, "auth": {"path": "./who.py:auth"}}) as api:
        thread = (await api.json("POST", "/threads", {"metadata": {"note": SECRET}}))["thread_id"]
        assert (await api.json("GET", f"/threads/{thread}"))["metadata"]["note"] == SECRET
    assert b'{"tenant":"anna"}' in _stored(tmp_path)


# --- what is refused ------------------------------------------------------------------------------


async def _refusal(tmp_path: Path, config: dict[str, Any]) -> str:
    with pytest.raises(ConfigError) as caught:
        async with served(tmp_path, config):
            pass
    return str(caught.value)


async def test_a_server_does_not_start_with_encryption_that_cannot_be_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SERVER_KEYS", raising=False)
    assert "SERVER_KEYS, which is not set" in await _refusal(tmp_path, KEYS)
    monkeypatch.setenv("SERVER_KEYS", "o:c2hvcnQ=")
    refusal = await _refusal(tmp_path, KEYS)
    assert "32 bytes" in refusal and "c2hvcnQ" not in refusal
    monkeypatch.setenv("SERVER_KEYS", OLD)
    assert "neither" in await _refusal(tmp_path, {"encryption": {}})
    both = {"encryption": {"path": "./seal.py:sealed", "keys_env": "SERVER_KEYS"}}
    assert "not both" in await _refusal(tmp_path, both)
    index = {"store": {"index": {"dims": 3, "embed": "./seal.py:embed"}}}
    assert "vectors" in await _refusal(tmp_path, {**KEYS, **index})


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("sealed = 3", "which is no Encryption object"),
        (f"{OURS}\nsealed = Encryption()", "without encryptors"),
        (SEAL.format(imports=OURS).replace("@sealed.decrypt.blob", ""), "no blob decryptor"),
        (SEAL.format(imports=OURS).replace("@sealed.decrypt.json", ""), "no JSON decryptor"),
    ],
    ids=["no object", "empty", "half a pair", "the other half"],
)
async def test_an_encryption_object_that_is_incomplete_is_refused_at_start(
    tmp_path: Path, text: str, why: str
) -> None:
    (tmp_path / "seal.py").write_text(text)
    assert why in await _refusal(tmp_path, HANDLERS)


async def test_an_encryptor_that_changes_keys_stores_nothing(tmp_path: Path) -> None:
    text = SEAL.format(imports=OURS).replace("k: v if k in SKIP", "k + '_': v if k in SKIP")
    (tmp_path / "seal.py").write_text(text)
    async with served(tmp_path, HANDLERS) as api:
        response = await api("POST", "/threads", {"metadata": {"note": SECRET}})
        assert response.status_code == 500
        assert await api.json("POST", "/threads/search", {}) == []


def test_the_object_of_ours_refuses_what_that_of_the_sdk_refuses() -> None:
    encryption = Encryption()

    @encryption.encrypt.blob
    async def blob(ctx: EncryptionContext, data: bytes) -> bytes:
        return data

    with pytest.raises(DuplicateHandlerError, match="Blob encryptor already registered"):
        encryption.encrypt.blob(blob)
    with pytest.raises(TypeError, match="JSON encryptor must be an async function"):
        encryption.encrypt.json(lambda ctx, data: data)

    async def one(ctx: Any) -> None: ...

    with pytest.raises(TypeError, match=r"must accept exactly 2 parameters \(ctx, data\), got 1"):
        encryption.decrypt.blob(one)
    assert repr(encryption) == "Encryption(handlers=[blob_encryptor])"
    assert encryption.get_json_encryptor("run") is None


# --- serialisation --------------------------------------------------------------------------------


async def test_the_serializer_of_the_configuration_builds_what_it_allows(
    tmp_path: Path,
) -> None:
    allowed = {"checkpointer": {"serde": {"allowed_msgpack_modules": [["money", "Money"]]}}}
    (tmp_path / "money.py").write_text(
        "import dataclasses\n@dataclasses.dataclass\nclass Money:\n    n: int\n"
    )
    for config, built in ((None, False), (allowed, True)):
        async with served(tmp_path, config) as api:
            from money import Money  # type: ignore[import-not-found]

            serde = api.server.database.serde
            back = serde.loads_typed(serde.dumps_typed(Money(1)))
            assert back == (Money(1) if built else {"n": 1})
    for wrong in ({"pickle_fallback": True}, {"allowed_msgpack_modules": ["graphs"]}):
        assert "checkpointer.serde" in await _refusal(tmp_path, {"checkpointer": {"serde": wrong}})
