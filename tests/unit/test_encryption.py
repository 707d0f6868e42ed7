"""Encrypted savers: nothing of a user's stands in the file, keys rotate, changed bytes are refused."""

from __future__ import annotations

import base64
import os
import typing
from contextlib import closing
from operator import add
from pathlib import Path

import pytest
from typer.testing import CliRunner

from caesura import interrupt
from caesura.checkpoint.memory import InMemorySaver
from caesura.checkpoint.operations import Accept, Answer, FindInterrupts, Withdraw
from caesura.checkpoint.serde.aes_gcm import AesGcm, keys_of
from caesura.checkpoint.serde.encrypted import EncryptedSerializer
from caesura.checkpoint.serde.jsonplus import JsonPlusSerializer
from caesura.checkpoint.sqlite import SqliteSaver
from caesura.cli.app import app
from caesura.errors import DecryptionError, DeserializationError
from caesura.func import entrypoint, task
from caesura.graph import END, START, StateGraph
from caesura.storage.sqlite import connect
from caesura.types import Command, Interrupt, Send

OLD, NEW = {"old": b"o" * 32}, {"new": b"n" * 32, "old": b"o" * 32}
SECRET = "fq7-user-secret"
AT = "2026-01-01T00:00:00.000000+00:00"


def aes(keys: typing.Any = OLD, **more: typing.Any) -> EncryptedSerializer:
    return EncryptedSerializer.from_aes_gcm(keys, **more)


class State(typing.TypedDict):
    log: typing.Annotated[list[typing.Any], add]


def _graph(saver: typing.Any) -> typing.Any:
    """Asks with every option, fans out, fails, and says the secret wherever a program can."""

    def ask(state: State) -> typing.Any:
        schema = {"type": "object", "title": SECRET}
        question = {SECRET: [SECRET, len(state["log"])]}
        got = interrupt(question, key=SECRET, title=SECRET, response_schema=schema)
        return Command(update={"log": [got]}, goto=[Send("work", {SECRET: SECRET})])

    def work(sent: typing.Any) -> typing.Any:
        interrupt(SECRET)
        raise ValueError(SECRET)

    def beside(state: State) -> typing.Any:
        return {"log": [{SECRET: SECRET}]}

    builder = StateGraph(State)
    builder.add_node("ask", ask)
    builder.add_node("work", work)
    builder.add_node("beside", beside)
    builder.add_edge(START, "ask")
    builder.add_edge(START, "beside")
    builder.add_edge("beside", END)
    return builder.compile(checkpointer=saver)


def _live_a_whole_life(saver: typing.Any) -> typing.Any:
    graph = _graph(saver)
    config: typing.Any = {
        "configurable": {"thread_id": "t", "who": SECRET},
        "metadata": {"m": SECRET},
    }
    graph.invoke({"log": [SECRET]}, config)
    (row,) = saver.execute(FindInterrupts("t"))
    assert (row.title, row.key, row.response_schema["title"]) == (SECRET,) * 3
    assert len(row.digest) == 64
    saver.execute(Accept("t", [Answer(row.id, {SECRET: SECRET}, actor=SECRET)], AT))
    graph.invoke(None, config)
    with pytest.raises(ValueError, match=SECRET):
        graph.invoke(Command(resume=SECRET), config)
    graph.update_state(config, {"log": [SECRET]}, as_node="beside")
    graph.invoke({"log": [SECRET]}, {**config, "configurable": {"thread_id": "u"}})
    saver.execute(Withdraw("u", f"{SECRET} did it", AT))
    (answered,) = saver.execute(FindInterrupts("t", status="answered"))[:1]
    assert (answered.answered_by, answered.answer) == (SECRET, {SECRET: SECRET})
    (withdrawn,) = saver.execute(FindInterrupts("u", status="withdrawn"))
    assert withdrawn.reason == f"{SECRET} did it"
    _call_tasks(saver)
    return graph.get_state(config), row.digest


def _call_tasks(saver: typing.Any) -> None:
    @task
    def pay(amount: str) -> str:
        return amount

    @entrypoint(checkpointer=saver)
    def program(given: str) -> str:
        return pay(given).result() + str(interrupt(given))

    config: typing.Any = {"configurable": {"thread_id": "f"}}
    program.invoke(SECRET, config)
    program.invoke(Command(resume=SECRET), config)


def _everything_stored(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())


@pytest.mark.parametrize("encrypted", [True, False])
def test_a_file_of_an_encrypted_saver_holds_nothing_that_a_user_said(
    tmp_path: Path, encrypted: bool
) -> None:
    serde = aes(require_encrypted=True) if encrypted else None
    with closing(SqliteSaver(connect(str(tmp_path / "db")), serde=serde)) as saver:
        snapshot, digest = _live_a_whole_life(saver)
        stored = _everything_stored(tmp_path)
        assert snapshot.values["log"][0] == SECRET
        assert snapshot.metadata["who"] == SECRET
    found = [text for text in (SECRET, digest) if text.encode() in stored]
    assert found == ([] if encrypted else [SECRET, digest]), "the search itself finds what is there"
    assert b"ask" in stored, "names of nodes are the program's, not the user's"


def test_a_thread_goes_on_when_encryption_is_switched_on_and_is_then_read_with_the_key_only(
    tmp_path: Path,
) -> None:
    path = str(tmp_path / "db")
    config: typing.Any = {"configurable": {"thread_id": "t"}}

    def opened(serde: typing.Any) -> typing.Any:
        return closing(SqliteSaver(connect(path), serde=serde))

    with opened(None) as saver:
        _graph(saver).invoke({"log": ["x"]}, config)
    with opened(aes()) as saver:
        (row,) = saver.execute(FindInterrupts("t"))
        out = _graph(saver).invoke(Command(resume={row.id: {"a": 1}}), config)
        assert out["log"][0] == "x" and {"a": 1} in out["log"]
    with opened(None) as saver, pytest.raises(DecryptionError, match="EncryptedSerializer"):
        _graph(saver).get_state(config)
    with opened(aes(require_encrypted=True)) as saver, pytest.raises(DecryptionError):
        list(_graph(saver).get_state_history(config))


def test_a_title_that_is_not_encrypted_is_refused_where_all_must_be(tmp_path: Path) -> None:
    with closing(
        SqliteSaver(connect(str(tmp_path / "db")), serde=aes(require_encrypted=True))
    ) as saver:
        _graph(saver).invoke({"log": []}, {"configurable": {"thread_id": "t"}})
        saver.conn.execute("UPDATE thread_interrupts SET title = 'Pay Mallory'")
        with pytest.raises(DecryptionError):
            saver.execute(FindInterrupts("t"))
        saver.conn.execute("UPDATE thread_interrupts SET title = char(2) || 'caesura:!'")
        with pytest.raises(ValueError, match="damaged"):
            saver.execute(FindInterrupts("t"))


# --- the serializer and its ciphers ---------------------------------------------------------------

VALUES = [None, b"", b"x", bytearray(b"x"), {"a": [1, Interrupt("q")]}]


@pytest.mark.parametrize(
    "make", [aes, lambda: EncryptedSerializer.from_pycryptodome_aes(key=b"k" * 16)]
)
@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_values_come_back_with_their_types_and_never_look_the_same_twice(
    make: typing.Any, value: typing.Any
) -> None:
    serde = make()
    tag, data = serde.dumps_typed(value)
    assert tag == f"{JsonPlusSerializer().dumps_typed(value)[0]}+{serde.cipher.encrypt(b'')[0]}"
    assert serde.loads_typed((tag, data)) == value
    assert type(serde.loads_typed((tag, data))) is type(value)
    assert serde.dumps_typed(value)[1] != data


@pytest.mark.parametrize(
    "make", [aes, lambda: EncryptedSerializer.from_pycryptodome_aes(key=b"k" * 32)]
)
def test_every_changed_or_missing_byte_is_refused(make: typing.Any) -> None:
    serde = make()
    tag, data = serde.dumps_typed(SECRET)
    for at in range(len(data)):
        for changed in (data[:at], data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :]):
            with pytest.raises(DecryptionError):
                serde.loads_typed((tag, changed))
    with pytest.raises(DecryptionError):
        serde.loads_typed((tag, data + b"\0"))
    with pytest.raises(DecryptionError, match="zzz"):
        serde.loads_typed(("msgpack+zzz", data))


def test_the_tag_and_the_associated_data_are_authenticated() -> None:
    serde = aes(associated_data=b"shop")
    tag, data = serde.dumps_typed(SECRET)
    assert serde.loads_typed((tag, data)) == SECRET
    with pytest.raises(DecryptionError):
        serde.loads_typed(("bytes+aes-gcm", data))
    with pytest.raises(DecryptionError):
        aes(associated_data=b"bank").loads_typed((tag, data))


def test_the_first_key_encrypts_and_every_key_decrypts() -> None:
    tag, old = aes(OLD).dumps_typed(SECRET)
    rotated = aes(NEW)
    assert rotated.loads_typed((tag, old)) == SECRET
    _, new = rotated.dumps_typed(SECRET)
    assert (old[2:5], new[2:5]) == (b"old", b"new"), "the name of the key stands in the data"
    with pytest.raises(DecryptionError, match="'new'"):
        aes(OLD).loads_typed((tag, new))
    with pytest.raises(DecryptionError):
        aes({"old": b"x" * 32}).loads_typed((tag, old))


def test_a_salt_is_used_for_a_bounded_number_of_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("caesura.checkpoint.serde.aes_gcm._MESSAGES", 2)
    cipher = AesGcm(OLD)
    salts = [cipher.encrypt(b"")[1][5:21] for _ in range(4)]
    assert salts[0] == salts[1] != salts[2] == salts[3]
    other = AesGcm(OLD)
    assert other.encrypt(b"")[1][5:21] != salts[0]
    assert other.decrypt(*cipher.encrypt(b"x")) == b"x"


def test_data_of_a_newer_form_is_refused_by_name() -> None:
    tag, data = aes().dumps_typed(1)
    with pytest.raises(DecryptionError, match="newer version of Caesura"):
        aes().loads_typed((tag, b"\x02" + data[1:]))


def test_keys_come_from_the_environment_and_errors_do_not_show_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    coded = {name: base64.b64encode(key).decode() for name, key in NEW.items()}
    text = ", ".join(f"{name}:{key}" for name, key in coded.items())
    monkeypatch.setenv("CAESURA_ENCRYPTION_KEYS", text)
    assert keys_of(None) == NEW
    assert aes(None).loads_typed(aes(OLD).dumps_typed(1)) == 1
    assert list(keys_of(b"k" * 32).values()) == [b"k" * 32]
    for bad in ("", coded["old"], f"old:{coded['old'][:-4]}", f"{text},old:{coded['old']}", "a:!"):
        monkeypatch.setenv("CAESURA_ENCRYPTION_KEYS", bad)
        with pytest.raises(ValueError) as caught:
            keys_of(None)
        assert coded["old"][:8] not in str(caught.value)
    for unusable in ({}, {"k": b"short"}, {"": b"k" * 32}, {"k": "k" * 32}):
        with pytest.raises(ValueError):
            keys_of(typing.cast(typing.Any, unusable))


def test_old_data_is_read_unless_everything_must_be_encrypted() -> None:
    plain = JsonPlusSerializer().dumps_typed(SECRET)
    assert aes().loads_typed(plain) == SECRET
    with pytest.raises(DecryptionError, match="require_encrypted"):
        aes(require_encrypted=True).loads_typed(plain)
    with pytest.raises(DecryptionError, match="EncryptedSerializer"):
        JsonPlusSerializer().loads_typed(aes().dumps_typed(SECRET))


def test_an_allow_list_reaches_the_inner_serializer() -> None:
    class Local(typing.NamedTuple):
        n: int

    data = aes().dumps_typed(Local(1))
    assert aes().loads_typed(data) == {"n": 1}
    assert aes().with_allowlist([Local]).loads_typed(data) == Local(1)
    saver = InMemorySaver(serde=aes()).with_allowlist([Local])
    assert saver.serde.loads_typed(data) == Local(1)


def test_a_cipher_of_ones_own_needs_two_methods() -> None:
    class Xor:
        def encrypt(self, plaintext: bytes) -> tuple[str, bytes]:
            return "xor", bytes(b ^ 7 for b in plaintext)

        def decrypt(self, ciphername: str, ciphertext: bytes) -> bytes:
            assert ciphername == "xor"
            return bytes(b ^ 7 for b in ciphertext)

    serde = EncryptedSerializer(Xor())
    assert serde.dumps_typed([1]) == ("msgpack+xor", b"\x96\x06")
    assert serde.loads_typed(serde.dumps_typed([1])) == [1]


# --- LangGraph's form -----------------------------------------------------------------------------

RECORDED_KEY = b"0123456789abcdef"


def test_the_key_of_langgraph_is_taken_as_it_takes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    make = EncryptedSerializer.from_pycryptodome_aes
    monkeypatch.delenv("LANGGRAPH_AES_KEY", raising=False)
    with pytest.raises(ValueError, match="LANGGRAPH_AES_KEY environment variable is not set"):
        make()
    monkeypatch.setenv("LANGGRAPH_AES_KEY", RECORDED_KEY.decode())
    assert make(key=RECORDED_KEY).loads_typed(make().dumps_typed(1)) == 1
    monkeypatch.setenv("LANGGRAPH_AES_KEY", "short")
    with pytest.raises(ValueError, match="must be 16, 24, or 32 bytes long"):
        make()
    with pytest.raises(ValueError):
        make(key=b"short")


def test_importing_the_serializer_imports_no_cipher() -> None:
    import subprocess
    import sys

    code = (
        "import sys, caesura.checkpoint.serde.encrypted\n"
        "bad = {'cryptography', 'Crypto'} & sys.modules.keys()\n"
        "assert not bad, bad\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ})


@pytest.mark.parametrize("body", [b"", b"\xc1", b"\xc1\x03\xff\xff\xff", b"\xc1\x09msgpack"])
def test_a_damaged_row_is_refused_with_the_error_of_damaged_data(
    tmp_path: Path, body: bytes
) -> None:
    with closing(SqliteSaver(connect(str(tmp_path / "db")))) as saver:
        graph = _graph(saver)
        config: typing.Any = {"configurable": {"thread_id": "t"}}
        graph.invoke({"log": []}, config)
        saver.conn.execute("UPDATE thread_checkpoints SET body = ?", (body,))
        with pytest.raises(DeserializationError):
            graph.get_state(config)


def test_the_command_line_reads_an_encrypted_database_with_the_keys_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner, db = CliRunner(), tmp_path / "db"
    monkeypatch.delenv("CAESURA_ENCRYPTION_KEYS", raising=False)
    with closing(SqliteSaver(connect(str(db)), serde=aes(require_encrypted=True))) as saver:
        _graph(saver).invoke({"log": [SECRET]}, {"configurable": {"thread_id": "t"}})
    without = runner.invoke(app, ["history", "t", "--db", str(db)])
    assert without.exit_code != 0 and "CAESURA_ENCRYPTION_KEYS" in without.output
    monkeypatch.setenv("CAESURA_ENCRYPTION_KEYS", "old:" + base64.b64encode(OLD["old"]).decode())
    read = runner.invoke(app, ["history", "t", "--db", str(db)])
    assert read.exit_code == 0 and SECRET in read.output
    monkeypatch.setenv("CAESURA_ENCRYPTION_KEYS", "old:short")
    assert "cannot be used" in runner.invoke(app, ["history", "t", "--db", str(db)]).output
