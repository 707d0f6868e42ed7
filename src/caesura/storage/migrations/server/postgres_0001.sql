-- What a server keeps beside checkpoints. Tables of threads lead with thread_id.

CREATE TABLE assistants (
    assistant_id TEXT COLLATE "C" PRIMARY KEY,
    graph_id     TEXT COLLATE "C" NOT NULL,
    name         TEXT COLLATE "C" NOT NULL,
    created_at   TEXT COLLATE "C" NOT NULL,
    updated_at   TEXT COLLATE "C" NOT NULL,
    config       TEXT COLLATE "C" NOT NULL,
    context      TEXT COLLATE "C" NOT NULL,
    metadata     TEXT COLLATE "C" NOT NULL,
    version      BIGINT           NOT NULL,
    description  TEXT COLLATE "C"
);

CREATE TABLE assistant_versions (
    assistant_id TEXT COLLATE "C" NOT NULL,
    graph_id     TEXT COLLATE "C" NOT NULL,
    name         TEXT COLLATE "C" NOT NULL,
    created_at   TEXT COLLATE "C" NOT NULL,
    updated_at   TEXT COLLATE "C" NOT NULL,
    config       TEXT COLLATE "C" NOT NULL,
    context      TEXT COLLATE "C" NOT NULL,
    metadata     TEXT COLLATE "C" NOT NULL,
    version      BIGINT           NOT NULL,
    description  TEXT COLLATE "C",
    PRIMARY KEY (assistant_id, version)
);

CREATE TABLE threads (
    thread_id        TEXT COLLATE "C" PRIMARY KEY,
    created_at       TEXT COLLATE "C" NOT NULL,
    updated_at       TEXT COLLATE "C" NOT NULL,
    state_updated_at TEXT COLLATE "C" NOT NULL,
    metadata         TEXT COLLATE "C" NOT NULL,
    config           TEXT COLLATE "C" NOT NULL,
    status           TEXT COLLATE "C" NOT NULL CHECK (status IN ('idle', 'busy', 'interrupted', 'error')),
    error            TEXT COLLATE "C",
    touched          SMALLINT NOT NULL,
    ttl              TEXT COLLATE "C",
    expires_at       TEXT COLLATE "C",
    trace            TEXT COLLATE "C"
);

CREATE INDEX threads_updated ON threads (updated_at, thread_id);
CREATE INDEX threads_metadata ON threads USING gin ((metadata::jsonb) jsonb_path_ops);
CREATE INDEX threads_expiring ON threads (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE runs (
    run_id             TEXT COLLATE "C" NOT NULL,
    thread_id          TEXT COLLATE "C" NOT NULL,
    assistant_id       TEXT COLLATE "C" NOT NULL,
    graph_id           TEXT COLLATE "C" NOT NULL,
    created_at         TEXT COLLATE "C" NOT NULL,
    updated_at         TEXT COLLATE "C" NOT NULL,
    metadata           TEXT COLLATE "C" NOT NULL,
    status             TEXT COLLATE "C" NOT NULL
        CHECK (status IN ('pending', 'running', 'success', 'error', 'timeout', 'interrupted')),
    kwargs             TEXT COLLATE "C" NOT NULL,
    multitask_strategy TEXT COLLATE "C" NOT NULL,
    not_before         DOUBLE PRECISION NOT NULL,
    temporary          SMALLINT NOT NULL,
    resumable          SMALLINT NOT NULL,
    accepted           TEXT COLLATE "C" NOT NULL,
    actor              TEXT COLLATE "C",
    attempt            INTEGER NOT NULL,
    worker             TEXT COLLATE "C",
    lease_until        DOUBLE PRECISION NOT NULL,
    cancel             TEXT COLLATE "C",
    error              TEXT COLLATE "C",
    started_at         TEXT COLLATE "C",
    ended_at           TEXT COLLATE "C",
    start_checkpoint   TEXT COLLATE "C",
    trace              TEXT COLLATE "C",
    PRIMARY KEY (thread_id, run_id)
);

CREATE UNIQUE INDEX runs_id ON runs (run_id);
CREATE INDEX runs_running ON runs (worker, lease_until) WHERE status = 'running';

CREATE TABLE crons (
    cron_id          TEXT COLLATE "C" PRIMARY KEY,
    assistant_id     TEXT COLLATE "C" NOT NULL,
    graph_id         TEXT COLLATE "C" NOT NULL,
    thread_id        TEXT COLLATE "C",
    schedule         TEXT COLLATE "C" NOT NULL,
    payload          TEXT COLLATE "C" NOT NULL,
    created_at       TEXT COLLATE "C" NOT NULL,
    updated_at       TEXT COLLATE "C" NOT NULL,
    user_id          TEXT COLLATE "C" NOT NULL,
    timezone         TEXT COLLATE "C",
    end_time         TEXT COLLATE "C",
    next_run_date    TEXT COLLATE "C",
    metadata         TEXT COLLATE "C" NOT NULL,
    on_run_completed TEXT COLLATE "C",
    enabled          SMALLINT NOT NULL,
    owner            TEXT COLLATE "C"
);

CREATE INDEX crons_due ON crons (next_run_date) WHERE enabled = 1;

CREATE TABLE run_events (
    thread_id TEXT COLLATE "C" NOT NULL,
    seq       BIGINT           NOT NULL,
    run_id    TEXT COLLATE "C" NOT NULL,
    kind      TEXT COLLATE "C" NOT NULL,
    id        TEXT COLLATE "C" NOT NULL,
    millis    BIGINT           NOT NULL,
    number    BIGINT           NOT NULL,
    name      TEXT COLLATE "C" NOT NULL,
    data      BYTEA            NOT NULL,
    at        DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (thread_id, seq)
);

CREATE INDEX run_events_at ON run_events (at);

CREATE TABLE idempotency_keys (
    scope     TEXT COLLATE "C" NOT NULL,
    key       TEXT COLLATE "C" NOT NULL,
    digest    TEXT COLLATE "C" NOT NULL,
    thread_id TEXT COLLATE "C" NOT NULL,
    run_id    TEXT COLLATE "C" NOT NULL,
    run       TEXT COLLATE "C" NOT NULL,
    at        DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (scope, key)
);

CREATE TABLE api_keys (
    key_id       TEXT COLLATE "C" PRIMARY KEY,
    digest       TEXT COLLATE "C" NOT NULL UNIQUE,
    name         TEXT COLLATE "C" NOT NULL,
    identity     TEXT COLLATE "C" NOT NULL,
    permissions  TEXT COLLATE "C" NOT NULL,
    groups       TEXT COLLATE "C" NOT NULL,
    created_at   TEXT COLLATE "C" NOT NULL,
    expires_at   TEXT COLLATE "C",
    revoked_at   TEXT COLLATE "C",
    last_used_at TEXT COLLATE "C"
);

-- What happened to interrupts since a time, over all threads: for those who follow them.

CREATE INDEX thread_interrupts_asked ON thread_interrupts (asked_at, id, thread_id);
CREATE INDEX thread_interrupts_answered ON thread_interrupts (answered_at, id, thread_id)
    WHERE answered_at IS NOT NULL;
CREATE INDEX thread_interrupts_closed ON thread_interrupts (closed_at, id, thread_id)
    WHERE closed_at IS NOT NULL;

-- Nothing that a run does may grow with the runs that ended before it, nor a page of what waits with
-- what was answered.

-- What is due: at once (not_before 0), longest waiting first; and later, by its time.
CREATE INDEX runs_due ON runs (not_before, created_at, run_id) WHERE status = 'pending';
CREATE INDEX runs_in_flight ON runs (thread_id, created_at, run_id)
    WHERE status IN ('pending', 'running');

-- One run per thread, whatever a worker believes.
CREATE UNIQUE INDEX runs_one_running ON runs (thread_id) WHERE status = 'running';

CREATE INDEX run_events_of_run ON run_events (thread_id, run_id, seq);

-- The last seq given on a thread: a number is not given again when its event has been swept.
CREATE TABLE event_counts (
    thread_id TEXT COLLATE "C" PRIMARY KEY,
    last      BIGINT           NOT NULL
);

CREATE INDEX thread_interrupts_waiting ON thread_interrupts (asked_at, id, thread_id)
    WHERE status = 'open';
