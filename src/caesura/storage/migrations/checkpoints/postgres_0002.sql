-- closing: what the tasks that ended last wrote on the parent; it is stored with the row they led to.
-- follows: the newest checkpoint when this one was stored, where that is not the parent; the row's own
-- id, where it is not known.
ALTER TABLE thread_checkpoints ADD COLUMN closing BYTEA, ADD COLUMN follows TEXT COLLATE "C";
UPDATE thread_checkpoints SET follows = checkpoint_id;

-- Of two that follow the same checkpoint, whoever stored them, one is refused: no lock is needed for that.
CREATE UNIQUE INDEX thread_checkpoints_follow
    ON thread_checkpoints (thread_id, ns, (coalesce(follows, parent_id, '')))
    WHERE follows IS NULL OR follows <> checkpoint_id;
