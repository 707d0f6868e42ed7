-- Checkpoints, writes and interrupts. Every key leads with thread_id.
--
-- The first two tables keep their rowid on purpose: with a clustered text key (WITHOUT ROWID) a row of
-- more than 1 kB spills to a page of its own, which makes its commit slower (2 kB: 56 instead of 40 us)
-- and the file larger; and a key of its own is a covering index for listing threads.

-- One row a checkpoint: full (weight 0), or the changes against its parent.
CREATE TABLE thread_checkpoints (
    thread_id     TEXT    NOT NULL,
    ns            TEXT    NOT NULL,
    checkpoint_id TEXT    NOT NULL,
    parent_id     TEXT,
    worth         INTEGER NOT NULL,
    weight        INTEGER NOT NULL,
    ts            TEXT    NOT NULL,
    step          INTEGER NOT NULL,
    run_id        TEXT,
    metadata      BLOB    NOT NULL,
    body          BLOB    NOT NULL,
    PRIMARY KEY (thread_id, ns, checkpoint_id)
);

-- What tasks wrote on a checkpoint. Negative idx: special channels, which are overwritten.
CREATE TABLE thread_writes (
    thread_id     TEXT    NOT NULL,
    ns            TEXT    NOT NULL,
    checkpoint_id TEXT    NOT NULL,
    task_id       TEXT    NOT NULL,
    idx           INTEGER NOT NULL,
    task_path     TEXT    NOT NULL,
    channel       TEXT    NOT NULL,
    value         BLOB    NOT NULL,
    PRIMARY KEY (thread_id, ns, checkpoint_id, task_id, idx)
);

-- One row a question to a person; seq is the order of asking within the thread.
CREATE TABLE thread_interrupts (
    thread_id       TEXT    NOT NULL,
    seq             INTEGER NOT NULL,
    id              TEXT    NOT NULL,
    ns              TEXT    NOT NULL,
    checkpoint_id   TEXT    NOT NULL,
    task_id         TEXT    NOT NULL,
    ancestors       TEXT    NOT NULL,
    node            TEXT    NOT NULL,
    slot            INTEGER NOT NULL,
    digest          TEXT    NOT NULL,
    payload         BLOB    NOT NULL,
    key             TEXT,
    title           TEXT,
    response_schema BLOB,
    asked_at        TEXT    NOT NULL,
    status          TEXT    NOT NULL
        CHECK (status IN ('open', 'answered', 'withdrawn', 'superseded')),
    answer          BLOB,
    answered_at     TEXT,
    answered_by     TEXT,
    reason          TEXT,
    superseded_by   TEXT,
    closed_at       TEXT,
    done            INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (thread_id, seq)
) WITHOUT ROWID;

CREATE UNIQUE INDEX thread_interrupts_id ON thread_interrupts (id, thread_id);

-- What waits, over all threads, oldest first.
CREATE INDEX thread_interrupts_open ON thread_interrupts (asked_at, thread_id, seq)
    WHERE status = 'open';
