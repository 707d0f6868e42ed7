"""Values in the words of LangGraph: ``write`` prints their bytes, ``read`` compares those with our own.

``write`` is run on the installed ``langgraph``; ``read`` gets what it printed, on Caesura.
"""

from __future__ import annotations

import base64
import json
import sys
import warnings
from typing import Any

KEY = b"0123456789abcdef"
SETS = ("plain", "aes")


def values() -> dict[str, Any]:
    """One value of each kind that both can store."""
    import collections
    import datetime as dt
    import decimal
    import ipaddress
    import pathlib
    import re
    import uuid
    import zoneinfo

    import numpy as np
    from langchain_core.documents import Document
    from langchain_core.messages import (
        AIMessage,
        AIMessageChunk,
        HumanMessage,
        RemoveMessage,
        SystemMessage,
        ToolMessage,
    )
    from langgraph.store.base import Item, SearchItem
    from langgraph.types import (
        CacheKey,
        Command,
        Interrupt,
        Overwrite,
        PregelTask,
        Send,
        StateSnapshot,
        TimeoutPolicy,
    )
    from pydantic import SecretBytes, SecretStr

    paris, at = zoneinfo.ZoneInfo("Europe/Paris"), dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    asked = Interrupt("q", "i" * 32)
    task = PregelTask("1", "n", ("__pregel_pull", "n"), None, (asked,))
    call = {"name": "pay", "args": {"eur": 1}, "id": "c", "type": "tool_call"}
    return {
        "none": None, "bytes": b"x", "bytearray": bytearray(b"x"), "largest": 2**64 - 1,
        "text": "ü\ud800", "tuple": (1, (2,)), "keys": {1: 2, (1, 2): 3, None: 4, 1.5: 5},
        "set": {1}, "set of tuples": {(2, 3)}, "frozenset": frozenset({"a"}),
        "deque": collections.deque([1]), "date": dt.date(2026, 1, 1), "moment": at,
        "time": dt.time(1, 2, tzinfo=dt.UTC), "delta": dt.timedelta(1, 2, 3),
        "timezone": dt.timezone(dt.timedelta(hours=2), "n"), "zone": paris,
        "uuid": uuid.UUID(int=5), "decimal": decimal.Decimal("1.50"), "exception": ValueError("x"),
        "pattern": re.compile("a", re.IGNORECASE), "path": pathlib.Path("/a/b"),
        "addresses": [ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_address("::1")],
        "secrets": [SecretStr("s"), SecretBytes(b"s")],
        "array": np.arange(6).reshape(2, 3), "columns": np.asfortranarray(np.ones((2, 3))),
        "messages": [
            HumanMessage("hi", id="1"), AIMessage("x", tool_calls=[call]), SystemMessage("s"),
            ToolMessage("x", tool_call_id="c", artifact={1: 2}), RemoveMessage(id="3"),
            AIMessageChunk("x"), Document("t", metadata={"a": 1}),
        ],
        "send": [Send("n", {"a": 1}), Send("n", HumanMessage("y", id="2"))],
        "timed send": Send("n", 1, timeout=TimeoutPolicy(run_timeout=2.0)),
        "interrupt": asked, "overwrite": Overwrite([1]), "cache key": CacheKey(("a", "b"), "k", 3),
        "timeout": TimeoutPolicy(run_timeout=dt.timedelta(seconds=1)),
        "command": Command(update={"a": 1}, goto="b", resume=3),
        "command with sends": Command(goto=[Send("a", 1), "b"], graph=Command.PARENT),
        "item": Item(value={"a": 1}, key="k", namespace=("a", "b"), created_at=at, updated_at=at),
        "found item": SearchItem(("a",), "k", {"v": 1}, at, at, 0.5),
        "snapshot": StateSnapshot({"a": 1}, ("n",), {}, {"step": 1}, None, None, (task,), (asked,)),
    }  # fmt: skip


def serializers() -> dict[str, Any]:
    """The two ways of writing, by `SETS`."""
    from langgraph.checkpoint.serde.encrypted import EncryptedSerializer
    from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

    return {
        "plain": JsonPlusSerializer(),
        "aes": EncryptedSerializer.from_pycryptodome_aes(key=KEY),
    }


def write() -> dict[str, Any]:
    """Set → name → (tag, base64)."""
    found: dict[str, Any] = {}
    for name, serde in serializers().items():
        pairs = {each: serde.dumps_typed(value) for each, value in values().items()}
        found[name] = {
            k: (tag, base64.b64encode(data).decode()) for k, (tag, data) in pairs.items()
        }
    return found


def read(written: dict[str, Any]) -> list[str]:
    """What comes back otherwise than what we write ourselves, a line each."""
    wrong = []
    for name, serde in serializers().items():
        own = {each: serde.loads_typed(serde.dumps_typed(v)) for each, v in values().items()}
        assert own.keys() == written[name].keys()
        for each, (tag, text) in written[name].items():
            back = serde.loads_typed((tag, base64.b64decode(text)))
            if repr(back) != repr(own[each]):
                wrong.append(f"{name} {each}: {back!r} instead of {own[each]!r}")
    return wrong


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    if sys.argv[1] == "write":
        print(json.dumps(write()))
    else:
        from caesura.compat import langgraph

        langgraph.install()
        print(json.dumps(read(json.load(sys.stdin))))
