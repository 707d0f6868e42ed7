-- closing: what the tasks that ended last wrote on the parent; it is stored with the row they led to.
-- follows: the newest checkpoint when this one was stored, where that is not the parent; the row's own
-- id, where it is not known. (A database with several writers keeps it unique.)
ALTER TABLE thread_checkpoints ADD COLUMN closing BLOB;
ALTER TABLE thread_checkpoints ADD COLUMN follows TEXT;
