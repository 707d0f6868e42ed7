-- Checkpoints, writes and interrupts. Every key leads with thread_id.
--
-- What is compared or ordered is so byte by byte (COLLATE "C"), as Python does, whatever the database's
-- language: ids order checkpoints.

-- One row a checkpoint: full (weight 0), or the changes against its parent.
CREATE TABLE thread_checkpoints (
    thread_id     TEXT COLLATE "C" NOT NULL,
    ns            TEXT COLLATE "C" NOT NULL,
    checkpoint_id TEXT COLLATE "C" NOT NULL,
    parent_id     TEXT COLLATE "C",
    worth         BIGINT           NOT NULL,
    weight        BIGINT           NOT NULL,
    ts            TEXT COLLATE "C" NOT NULL,
    step          BIGINT           NOT NULL,
    run_id        TEXT COLLATE "C",
    metadata      BYTEA            NOT NULL,
    body          BYTEA            NOT NULL,
    PRIMARY KEY (thread_id, ns, checkpoint_id)
);

-- What tasks wrote on a checkpoint. Negative idx: special channels, which are overwritten.
CREATE TABLE thread_writes (
    thread_id     TEXT COLLATE "C" NOT NULL,
    ns            TEXT COLLATE "C" NOT NULL,
    checkpoint_id TEXT COLLATE "C" NOT NULL,
    task_id       TEXT COLLATE "C" NOT NULL,
    idx           INTEGER NOT NULL,
    task_path     TEXT             NOT NULL,
    channel       TEXT             NOT NULL,
    value         BYTEA            NOT NULL,
    PRIMARY KEY (thread_id, ns, checkpoint_id, task_id, idx)
);

-- One row a question to a person; seq is the order of asking within the thread.
CREATE TABLE thread_interrupts (
    thread_id       TEXT COLLATE "C" NOT NULL,
    seq             BIGINT           NOT NULL,
    id              TEXT COLLATE "C" NOT NULL,
    ns              TEXT COLLATE "C" NOT NULL,
    checkpoint_id   TEXT COLLATE "C" NOT NULL,
    task_id         TEXT COLLATE "C" NOT NULL,
    ancestors       TEXT             NOT NULL,
    node            TEXT             NOT NULL,
    slot            INTEGER NOT NULL,
    digest          TEXT             NOT NULL,
    payload         BYTEA            NOT NULL,
    key             TEXT,
    title           TEXT,
    response_schema BYTEA,
    asked_at        TEXT COLLATE "C" NOT NULL,
    status          TEXT             NOT NULL
        CHECK (status IN ('open', 'answered', 'withdrawn', 'superseded')),
    answer          BYTEA,
    answered_at     TEXT COLLATE "C",
    answered_by     TEXT,
    reason          TEXT,
    superseded_by   TEXT,
    closed_at       TEXT COLLATE "C",
    done            SMALLINT NOT NULL DEFAULT 0,
    PRIMARY KEY (thread_id, seq)
);

CREATE UNIQUE INDEX thread_interrupts_id ON thread_interrupts (id, thread_id);

-- What waits, over all threads, oldest first.
CREATE INDEX thread_interrupts_open ON thread_interrupts (asked_at, thread_id, seq)
    WHERE status = 'open';
