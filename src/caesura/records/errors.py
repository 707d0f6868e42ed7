"""Why a server's database refused an operation. Nothing was stored then."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from caesura.errors import CaesuraError


class RecordError(CaesuraError):
    """Base of these refusals."""

    code = "refused"


class UnknownRecordError(RecordError):
    """What the operation names does not exist, or may not be seen."""

    code = "not_found"

    def __init__(self, kind: str, id: str) -> None:
        super().__init__(f"{kind.capitalize()} with ID {id} not found")
        self.kind, self.id = kind, id


class AlreadyExistsError(RecordError):
    """The id is taken."""

    code = "already_exists"

    def __init__(self, kind: str, id: str) -> None:
        super().__init__(f"{kind.capitalize()} with ID {id} already exists")
        self.kind, self.id = kind, id


class ThreadBusyError(RecordError):
    """The thread has a run in flight, and the request did not want to wait for it."""

    code = "thread_busy"

    def __init__(self, thread_id: str) -> None:
        super().__init__(
            "Thread is already running a task. Wait for it to finish or choose a different "
            "multitask strategy."
        )
        self.thread_id = thread_id


class ThreadWaitingError(RecordError):
    """The thread waits for a person, and new input may not end that here."""

    code = "thread_waiting"

    def __init__(self, thread_id: str, rows: Sequence[Any]) -> None:
        super().__init__(
            f"Thread {thread_id} waits for an answer, and this server is set to refuse new input "
            "until it is given. Nothing was changed. Answer or withdraw what is open first."
        )
        self.thread_id, self.rows = thread_id, tuple(rows)


class IdempotencyError(RecordError):
    """The idempotency key was used before, with another request."""

    code = "idempotency_key_reused"

    def __init__(self, key: str) -> None:
        super().__init__(
            f"The Idempotency-Key {key!r} was used before with another request. Nothing was "
            "changed. Use a new key for a new request."
        )
        self.key = key


class AlreadyFiredError(RecordError):
    """The cron's date was taken by somebody else, or the cron was changed."""

    code = "already_fired"

    def __init__(self, cron_id: str, date: str) -> None:
        super().__init__(f"Cron {cron_id} is no longer due at {date}. Nothing was started.")
        self.cron_id, self.date = cron_id, date


class UnstorableError(RecordError):
    """A value that databases cannot keep so that it is found again."""

    code = "not_storable"

    def __init__(self, where: str) -> None:
        super().__init__(
            f"The {where} has a character with the code 0, which cannot be searched for. Nothing was "
            "stored. Take it out."
        )


class LostLeaseError(RecordError):
    """Another worker took the run over, or it was cancelled or deleted: this one may not store."""

    code = "lost_lease"

    def __init__(self, run_id: str, attempt: int) -> None:
        super().__init__(
            f"Run {run_id} is no longer held by attempt {attempt}. Nothing was stored."
        )
        self.run_id, self.attempt = run_id, attempt
