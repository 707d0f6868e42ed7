-- Nothing that a run does may grow with the runs that ended before it, nor a page of what waits with
-- what was answered.

DROP INDEX runs_pending;
DROP INDEX runs_in_flight;

-- What is due: at once (not_before 0), longest waiting first; and later, by its time.
CREATE INDEX runs_due ON runs (not_before, created_at, run_id) WHERE status = 'pending';
CREATE INDEX runs_in_flight ON runs (thread_id, created_at, run_id)
    WHERE status IN ('pending', 'running');

-- One run per thread, whatever a worker believes.
CREATE UNIQUE INDEX runs_one_running ON runs (thread_id) WHERE status = 'running';

CREATE INDEX run_events_of_run ON run_events (thread_id, run_id, seq);

-- The last seq given on a thread: a number is not given again when its event has been swept.
CREATE TABLE event_counts (
    thread_id TEXT    PRIMARY KEY,
    last      INTEGER NOT NULL
);

INSERT INTO event_counts (thread_id, last) SELECT thread_id, max(seq) FROM run_events GROUP BY thread_id;

CREATE INDEX thread_interrupts_waiting ON thread_interrupts (asked_at, id, thread_id)
    WHERE status = 'open';
