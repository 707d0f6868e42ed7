"""Send letters, none of them twice; a person is asked where nobody knows whether one was sent.

    caesura run examples/letters.py --input '["ada@example.org", "grace@example.invalid"]'

A letter to ``…@example.invalid`` is sent, and then the connection breaks: as if the process had been
killed at that moment, the program does not know whether it went out. It is not sent again. The
question is "Did `send` happen?", and ``outbox.txt`` is where you would look.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from caesura.errors import EffectOutcomeUnknownError
from caesura.func import entrypoint, task

OUTBOX = Path("outbox.txt")


class NoAddressError(ValueError):
    """There is nowhere to send the letter to: nothing was sent."""


@task(effect=True, not_done=[NoAddressError])
def send(to: str) -> str:
    """Send one letter: here, a line in a file. Returns its receipt."""
    if "@" not in to:
        raise NoAddressError(to)
    with OUTBOX.open("a", encoding="utf-8") as file:
        file.write(f"{to}\n")
    if to.endswith("@example.invalid"):
        raise ConnectionError("the mail server hung up before it said that it has the letter")
    return f"receipt for {to}"


@entrypoint()
def letters(addresses: list[str]) -> dict[str, Any]:
    """Receipts of the letters that went out, and the addresses of the others."""
    receipts, unknown, wrong = [], [], []
    for address in addresses:
        try:
            receipts.append(send(address).result())
        except NoAddressError:
            wrong.append(address)
        except EffectOutcomeUnknownError:
            unknown.append(address)
    return {"receipts": receipts, "unknown": unknown, "wrong": wrong}
