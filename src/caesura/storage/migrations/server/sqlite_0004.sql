-- Webhooks that are to be sent: stored with the end of their run, deleted when they are delivered. And how
-- a thread stands when no run is in flight.

CREATE TABLE webhook_deliveries (
    run_id    TEXT    PRIMARY KEY,
    thread_id TEXT    NOT NULL,
    url       TEXT    NOT NULL,
    body      BLOB    NOT NULL,
    owner     TEXT,
    status    TEXT    NOT NULL CHECK (status IN ('waiting', 'dead')),
    attempts  INTEGER NOT NULL,
    due_at    REAL    NOT NULL,
    worker    TEXT,
    reason    TEXT
);

CREATE INDEX webhook_deliveries_due ON webhook_deliveries (due_at, run_id) WHERE status = 'waiting';
CREATE INDEX webhook_deliveries_dead ON webhook_deliveries (due_at) WHERE status = 'dead';
CREATE INDEX webhook_deliveries_held ON webhook_deliveries (worker) WHERE worker IS NOT NULL;

ALTER TABLE threads ADD COLUMN resting TEXT NOT NULL DEFAULT 'idle';

UPDATE threads SET resting = status WHERE status <> 'busy';
