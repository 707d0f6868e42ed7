-- What a server keeps beside checkpoints. Tables of threads lead with thread_id.

CREATE TABLE assistants (
    assistant_id TEXT PRIMARY KEY,
    graph_id     TEXT NOT NULL,
    name         TEXT NOT NULL,
    created_at   TEXT NOT NULL,
    updated_at   TEXT NOT NULL,
    config       TEXT NOT NULL,
    context      TEXT NOT NULL,
    metadata     TEXT NOT NULL,
    version      INTEGER NOT NULL,
    description  TEXT
);

CREATE TABLE assistant_versions (
    assistant_id TEXT NOT NULL,
    graph_id     TEXT NOT NULL,
    name         TEXT NOT NULL,
    created_at   TEXT NOT NULL,
    updated_at   TEXT NOT NULL,
    config       TEXT NOT NULL,
    context      TEXT NOT NULL,
    metadata     TEXT NOT NULL,
    version      INTEGER NOT NULL,
    description  TEXT,
    PRIMARY KEY (assistant_id, version)
);

CREATE TABLE threads (
    thread_id        TEXT PRIMARY KEY,
    created_at       TEXT NOT NULL,
    updated_at       TEXT NOT NULL,
    state_updated_at TEXT NOT NULL,
    metadata         TEXT NOT NULL,
    config           TEXT NOT NULL,
    status           TEXT NOT NULL CHECK (status IN ('idle', 'busy', 'interrupted', 'error')),
    error            TEXT,
    touched          INTEGER NOT NULL,
    ttl              TEXT,
    expires_at       TEXT,
    trace            TEXT
);

CREATE INDEX threads_updated ON threads (updated_at, thread_id);
CREATE INDEX threads_expiring ON threads (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE runs (
    run_id             TEXT NOT NULL,
    thread_id          TEXT NOT NULL,
    assistant_id       TEXT NOT NULL,
    graph_id           TEXT NOT NULL,
    created_at         TEXT NOT NULL,
    updated_at         TEXT NOT NULL,
    metadata           TEXT NOT NULL,
    status             TEXT NOT NULL
        CHECK (status IN ('pending', 'running', 'success', 'error', 'timeout', 'interrupted')),
    kwargs             TEXT NOT NULL,
    multitask_strategy TEXT NOT NULL,
    not_before         REAL NOT NULL,
    temporary          INTEGER NOT NULL,
    resumable          INTEGER NOT NULL,
    accepted           TEXT NOT NULL,
    actor              TEXT,
    attempt            INTEGER NOT NULL,
    worker             TEXT,
    lease_until        REAL NOT NULL,
    cancel             TEXT,
    error              TEXT,
    started_at         TEXT,
    ended_at           TEXT,
    start_checkpoint   TEXT,
    trace              TEXT,
    PRIMARY KEY (thread_id, run_id)
);

CREATE UNIQUE INDEX runs_id ON runs (run_id);
CREATE INDEX runs_pending ON runs (run_id, not_before) WHERE status = 'pending';
CREATE INDEX runs_running ON runs (worker, lease_until) WHERE status = 'running';
CREATE INDEX runs_in_flight ON runs (thread_id, status, run_id)
    WHERE status IN ('pending', 'running');

CREATE TABLE crons (
    cron_id          TEXT PRIMARY KEY,
    assistant_id     TEXT NOT NULL,
    graph_id         TEXT NOT NULL,
    thread_id        TEXT,
    schedule         TEXT NOT NULL,
    payload          TEXT NOT NULL,
    created_at       TEXT NOT NULL,
    updated_at       TEXT NOT NULL,
    user_id          TEXT NOT NULL,
    timezone         TEXT,
    end_time         TEXT,
    next_run_date    TEXT,
    metadata         TEXT NOT NULL,
    on_run_completed TEXT,
    enabled          INTEGER NOT NULL,
    owner            TEXT
);

CREATE INDEX crons_due ON crons (next_run_date) WHERE enabled = 1;

CREATE TABLE run_events (
    thread_id TEXT    NOT NULL,
    seq       INTEGER NOT NULL,
    run_id    TEXT    NOT NULL,
    kind      TEXT    NOT NULL,
    id        TEXT    NOT NULL,
    millis    INTEGER NOT NULL,
    number    INTEGER NOT NULL,
    name      TEXT    NOT NULL,
    data      BLOB    NOT NULL,
    at        REAL    NOT NULL,
    PRIMARY KEY (thread_id, seq)
) WITHOUT ROWID;

CREATE INDEX run_events_at ON run_events (at);

CREATE TABLE idempotency_keys (
    scope     TEXT NOT NULL,
    key       TEXT NOT NULL,
    digest    TEXT NOT NULL,
    thread_id TEXT NOT NULL,
    run_id    TEXT NOT NULL,
    run       TEXT NOT NULL,
    at        REAL NOT NULL,
    PRIMARY KEY (scope, key)
) WITHOUT ROWID;

CREATE TABLE api_keys (
    key_id       TEXT PRIMARY KEY,
    digest       TEXT NOT NULL UNIQUE,
    name         TEXT NOT NULL,
    identity     TEXT NOT NULL,
    permissions  TEXT NOT NULL,
    groups       TEXT NOT NULL,
    created_at   TEXT NOT NULL,
    expires_at   TEXT,
    revoked_at   TEXT,
    last_used_at TEXT
);
