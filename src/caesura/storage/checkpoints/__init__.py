"""Every operation of a saver as a generator of statements, written once for all SQL databases.

One file a concern, each with the operations that it performs. Below them is what they share: fragments of
SQL (`tables`), the walk up to a full row (`walking`), writes as rows (`batches`), and what is done before a
row goes (`parting`). What a generator may say is in `caesura.storage.statements`.
"""

from __future__ import annotations

from typing import Final

from caesura.storage.checkpoints import answering, committing, finding, reading, upkeep, writing
from caesura.storage.statements import Perform

PERFORM: Final[dict[type, Perform]] = {
    kind: perform
    for room in (answering, committing, finding, reading, upkeep, writing)
    for kind, perform in room.PERFORM.items()
}
"""Operation → its generator."""
