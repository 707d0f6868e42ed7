-- What happened to interrupts since a time, over all threads: for those who follow them.

CREATE INDEX thread_interrupts_asked ON thread_interrupts (asked_at, id, thread_id);
CREATE INDEX thread_interrupts_answered ON thread_interrupts (answered_at, id, thread_id)
    WHERE answered_at IS NOT NULL;
CREATE INDEX thread_interrupts_closed ON thread_interrupts (closed_at, id, thread_id)
    WHERE closed_at IS NOT NULL;
