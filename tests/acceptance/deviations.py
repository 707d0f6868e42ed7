"""Where this server answers otherwise than was recorded, on purpose: the exchange → the reason.

Each reason stands, word for word, in docs/compatibility.md.
"""

from __future__ import annotations

from collections.abc import Mapping

REFUSED = "A resume that answers nothing is refused: 409 or 404, with the open interrupts."
BEFORE = "`before` of a history is taken as a config, a checkpoint or an id."
SELECT = "`select` of a thread's state is obeyed."
GOTO = "A command's `goto` may mix names and sends; each is run."
STATUS = "A missing run is a 404, not a 200 with an error in it."
SESSION = "A session's last values come before the event that says it is interrupted."
MODES = "Every given stream mode counts, however the list is written."
THREAD_STREAM = "The stream of a thread obeys `stream_mode`, and `Last-Event-ID: -1` replays it."
LENIENT = "Missing or null optional fields take their defaults."
INVALID = "Wrong requests are 4xx with a reason, never 500 or 201."
LATEST = "An assistant set back to a version has that version's context."
COPY = "The copy of a thread that waits says that it waits."
CHECKPOINT = "A state names its checkpoint in full, and an unknown checkpoint is null."
PRUNE = "`keep_latest` prunes what the latest checkpoint does not need."
STATELESS = "Stateless runs can be read and joined by their id alone."
PATCH = "PATCH of a thread's state merges metadata."
VALUE = "`input.requested` carries the question as `payload` and as `value`."
TREE = "`agent.getTree` answers over HTTP too."
FEEDBACK = "Feedback keys are stored; there are no addresses to sign."
VALUES = "The values of a pause are those of the thread, also if nothing was written yet."
ROLLED_BACK = "Who waits for a run that is rolled back gets null: its state is gone."
DATABASE = "`/ok?check_db=1` names the database."
MCP = "MCP tools say what they return: structured content, its schema, the text of an error."
GOTO_FIRST = "A `goto` on a fresh thread runs its node before those that the input leads to."
FOLDED = (
    "Answering one of several questions shows what that task wrote at once, as the library does."
)
NESTED = "States of nested graphs carry what is stored of them, not the metadata of the run around."
AGAIN = (
    "An answer to a past checkpoint whose question was answered is refused with what was answered."
)
EVENTS = "The `events` mode tells each node's start and end."
LABELS = "A namespace label that is not allowed is a 400."
NAMED = "An unknown assistant is an invalid argument of `run.start`."
SCHEMA = "Answers of a class take no unknown fields, and the schema says so."
MESSAGES = "Messages have the fields of their kind, and no empty ones of others."

DEVIATIONS: Mapping[str, str] = {
    label: reason
    for reason, labels in {
        REFUSED: "runs.resume_when_done runs.strict_resume_none runs.resume_bad_id "
        "runs.multi_resume_scalar doubleresume.b sr.strict_true_stale",
        BEFORE: "threads.history_before_ckpt threads.history_before_str remote_graph#9",
        SELECT: "threads.state_select threads.state_select_key",
        GOTO: "runs.command_goto_send runs.command_goto_list runs.command_and_input "
        "runs.command_empty",
        STATUS: "join_stream.404 join.404 auth.bob_join_stream",
        SESSION: "v3.events_all v3.events_all_during_resume v3.events_replay_since "
        "v3.events_after_done v3.sub.events v3.multi.events v3.multi.events2 v3.plain_run.events",
        MODES: "resumable.join_mode_filter2 join_mode?stream_mode=custom&stream_mode=values "
        "join_mode?stream_mode=custom,values",
        THREAD_STREAM: "threadstream.resume_minus1 threadstream.bad_mode threadstream.lifecycle "
        "threadstream.state_update",
        LENIENT: "store.search_none chk.threads_created_201 chk.run_nulls",
        INVALID: "threads.create_supersteps_no_graph threads.search_values cancel.bad_action "
        "opt.bad_thread_id crons.create_no_schedule",
        LATEST: "assistants.latest assistants.get_after_latest",
        COPY: "threads.copy",
        CHECKPOINT: "threads.state_at_checkpoint threads.state_at_checkpoint_404",
        PRUNE: "threads.prune_keep_latest threads.history_after_prune",
        STATELESS: "stateless.join_stream_404 stateless.get_run stateless.command",
        PATCH: "threads.state_patch_405",
        VALUE: "remote_graph#15",
        TREE: "v3.agent.getTree",
        FEEDBACK: "stream.feedback_keys",
        VALUES: "runs.multi_interrupt",
        ROLLED_BACK: "cancelvis.wait_rollback",
        DATABASE: "sys.ok_db",
        MCP: "mcp2.tools_list mcp2.tools_call mcp2.tools_call_err mcp2.tools_call_interrupt",
        GOTO_FIRST: "runs.command_goto",
        FOLDED: "runs.multi_resume_one",
        NESTED: "threads.supersteps_state threads.history_sub threads.state_sub "
        "threads.state_sub_ckpt nested.state",
        AGAIN: "runs.fork_checkpoint_id runs.fork_checkpoint_obj",
        EVENTS: "stream.agent.events",
        LABELS: "store.put_bad_ns",
        SCHEMA: "typed.state typed.thread typed.wait",
        MESSAGES: "tools2.v3.events",
        NAMED: "v3.run.start_bad_assistant",
    }.items()
    for label in labels.split()
}
