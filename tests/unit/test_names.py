"""The public names: importable under both packages, with the parameters programs give, and explained."""

from __future__ import annotations

import importlib
import inspect
import json
import subprocess
import sys
from typing import Any

import pytest

NAMES = {
    "graph": "START END StateGraph add_messages MessagesState MessageGraph",
    "graph.state": "StateGraph CompiledStateGraph START END",
    "graph.message": "add_messages MessagesState MessageGraph REMOVE_ALL_MESSAGES push_message "
    "_messages_delta_reducer",
    "graph.ui": "UIMessage RemoveUIMessage AnyUIMessage push_ui_message delete_ui_message "
    "ui_message_reducer",
    "func": "task entrypoint",
    "types": "All Checkpointer Durability StreamMode StreamWriter interrupt Send Command Interrupt "
    "StateSnapshot PregelTask StateUpdate Overwrite RetryPolicy CachePolicy TimeoutPolicy "
    "TracePolicy omit_payload GraphOutput ensure_valid_checkpointer StreamPart ValuesStreamPart "
    "UpdatesStreamPart MessagesStreamPart CustomStreamPart CheckpointStreamPart TasksStreamPart "
    "DebugStreamPart TaskPayload TaskResultPayload CheckpointTask CheckpointPayload DebugPayload "
    "CacheKey PregelExecutableTask default_retry_on",
    "constants": "START END TAG_NOSTREAM TAG_HIDDEN CONF TASKS",
    "config": "get_config get_store get_stream_writer",
    "runtime": "Runtime get_runtime ExecutionInfo ServerInfo RunControl BaseUser DEFAULT_RUNTIME",
    "errors": "GraphBubbleUp GraphInterrupt NodeInterrupt GraphDrained ParentCommand "
    "GraphRecursionError InvalidUpdateError EmptyInputError EmptyChannelError TaskNotFound "
    "UnknownInterruptError NodeError NodeCancelledError NodeTimeoutError ErrorCode "
    "is_invalid_resume",
    "version": "__version__",
    "typing": "StateT StateT_co StateT_contra InputT OutputT ContextT NodeInputT",
    "warnings": "LangGraphDeprecationWarning LangGraphDeprecatedSinceV05 "
    "LangGraphDeprecatedSinceV10 LangGraphDeprecatedSinceV11",
    "managed": "IsLastStep RemainingSteps",
    "managed.base": "ManagedValue is_managed_value",
    "managed.is_last_step": "IsLastStep RemainingSteps",
    "channels": "BaseChannel AnyValue LastValue LastValueAfterFinish UntrackedValue EphemeralValue "
    "BinaryOperatorAggregate DeltaChannel NamedBarrierValue NamedBarrierValueAfterFinish Topic",
    "channels.base": "BaseChannel",
    "channels.last_value": "LastValue LastValueAfterFinish",
    "channels.binop": "BinaryOperatorAggregate",
    "channels.ephemeral_value": "EphemeralValue",
    "channels.untracked_value": "UntrackedValue",
    "channels.topic": "Topic",
    "channels.delta": "DeltaChannel",
    "channels.any_value": "AnyValue",
    "channels.named_barrier_value": "NamedBarrierValue NamedBarrierValueAfterFinish",
    "pregel": "Pregel NodeBuilder",
    "pregel.remote": "RemoteGraph",
    "pregel.protocol": "PregelProtocol",
    "pregel.debug": "CheckpointPayload TaskResultPayload TaskPayload",
    "pregel.types": "StateSnapshot RetryPolicy",
    "callbacks": "GraphCallbackHandler GraphInterruptEvent GraphResumeEvent GraphLifecycleEvent "
    "GraphLifecycleStatus",
    "stream": "StreamTransformer StreamChannel ProtocolEvent GraphRunStream AsyncGraphRunStream "
    "SubgraphRunStream AsyncSubgraphRunStream CheckpointsTransformer CustomTransformer "
    "DebugTransformer LifecycleTransformer SubgraphTransformer TasksTransformer "
    "UpdatesTransformer LifecyclePayload SubgraphStatus",
    "stream._mux": "StreamMux TransformerFactory",
    "stream._types": "ProtocolEvent",
    "stream.transformers": "SubgraphStatus",
    "stream.run_stream": "GraphRunStream AsyncGraphRunStream",
    "stream.stream_channel": "StreamChannel",
    "checkpoint.base": "BaseCheckpointSaver Checkpoint CheckpointMetadata CheckpointTuple "
    "ChannelVersions PendingWrite DeltaChannelHistory EmptyChannelError SerializerProtocol "
    "WRITES_IDX_MAP EXCLUDED_METADATA_KEYS copy_checkpoint empty_checkpoint create_checkpoint "
    "get_checkpoint_id get_checkpoint_metadata get_serializable_checkpoint_metadata "
    "writes_sort_key",
    "checkpoint.base.id": "uuid6",
    "checkpoint.memory": "InMemorySaver MemorySaver PersistentDict",
    "checkpoint.sqlite": "SqliteSaver",
    "checkpoint.sqlite.aio": "AsyncSqliteSaver",
    "checkpoint.postgres": "PostgresSaver ShallowPostgresSaver",
    "checkpoint.postgres.aio": "AsyncPostgresSaver AsyncShallowPostgresSaver",
    "checkpoint.serde.base": "SerializerProtocol CipherProtocol maybe_add_typed_methods",
    "checkpoint.serde.jsonplus": "JsonPlusSerializer",
    "checkpoint.serde.encrypted": "EncryptedSerializer",
    "checkpoint.serde.types": "_DeltaSnapshot",
    "checkpoint.serde.event_hooks": "",
    "checkpoint.serde._msgpack": "",
    "store.base": "BaseStore Item SearchItem Op PutOp GetOp SearchOp ListNamespacesOp "
    "MatchCondition NamespacePath NamespaceMatchType IndexConfig TTLConfig Embeddings "
    "ensure_embeddings tokenize_path get_text_at_path InvalidNamespaceError validate_op_namespace",
    "store.base.batch": "AsyncBatchedBaseStore",
    "store.memory": "InMemoryStore",
    "store.sqlite": "SqliteStore AsyncSqliteStore",
    "store.sqlite.aio": "AsyncSqliteStore",
    "store.postgres": "PostgresStore AsyncPostgresStore",
    "store.postgres.aio": "AsyncPostgresStore",
    "cache.base": "BaseCache",
    "cache.memory": "InMemoryCache",
    "cache.sqlite": "SqliteCache",
    "cache.redis": "RedisCache",
}

POLICIES = "retry_policy cache_policy error_handler timeout"
RUN = "input config * context stream_mode print_mode output_keys interrupt_before interrupt_after"
# What follows * is given by name only. More parameters than these are ours, and by name only too.
PARAMETERS = {
    "graph.StateGraph": "state_schema context_schema * input_schema output_schema",
    "graph.StateGraph.add_node": "node action * defer metadata input_schema destinations "
    f"trace_policy {POLICIES}",
    "graph.StateGraph.add_conditional_edges": "source path path_map",
    "graph.StateGraph.set_conditional_entry_point": "path path_map",
    "graph.StateGraph.set_node_defaults": f"* {POLICIES}",
    "graph.StateGraph.validate": "interrupt",
    "graph.StateGraph.compile": "checkpointer * cache store interrupt_before interrupt_after debug "
    "name transformers",
    "graph.add_messages": "left right * format",
    "graph.message.push_message": "message * state_key",
    "graph.ui.push_ui_message": "name props * id metadata message state_key merge",
    "graph.ui.delete_ui_message": "id * state_key",
    "graph.ui.ui_message_reducer": "left right",
    "func.task": "* name retry_policy cache_policy timeout",
    "func.entrypoint": "checkpointer store cache context_schema cache_policy retry_policy timeout",
    "func.entrypoint.final": "* value save",
    "types.interrupt": "value * response_schema",
    "types.Send": "node arg * timeout",
    "types.Command": "* graph update resume goto",
    "types.Interrupt": "value id * response_schema",
    "types.StateSnapshot": "values next config metadata created_at parent_config tasks interrupts",
    "types.PregelTask": "id name path error interrupts state result",
    "types.StateUpdate": "values as_node task_id",
    "types.Overwrite": "value type",
    "types.RetryPolicy": "initial_interval backoff_factor max_interval max_attempts jitter retry_on",
    "types.CachePolicy": "* key_func ttl",
    "types.TimeoutPolicy": "* run_timeout idle_timeout refresh_on",
    "types.TracePolicy": "* process_inputs process_outputs",
    "types.GraphOutput": "value interrupts",
    "runtime.Runtime": "* context store stream_writer heartbeat previous execution_info server_info "
    "control",
    "runtime.get_runtime": "context_schema",
    "runtime.ExecutionInfo": "* checkpoint_id checkpoint_ns task_id thread_id run_id node_attempt "
    "node_first_attempt_time",
    "runtime.RunControl.request_drain": "reason",
    "errors.NodeError": "node error",
    "channels.EphemeralValue": "typ guard",
    "channels.BinaryOperatorAggregate": "typ operator",
    "channels.DeltaChannel": "reducer typ * snapshot_frequency",
    "channels.Topic": "typ accumulate",
    "pregel.Pregel.invoke": f"{RUN} durability control version",
    "pregel.Pregel.ainvoke": f"{RUN} durability control version",
    "pregel.Pregel.stream": f"{RUN} durability control version subgraphs debug",
    "pregel.Pregel.astream": f"{RUN} durability control version subgraphs debug",
    "pregel.Pregel.get_state": "config * subgraphs",
    "pregel.Pregel.get_state_history": "config * filter before limit",
    "pregel.Pregel.update_state": "config values as_node task_id",
    "pregel.Pregel.bulk_update_state": "config supersteps",
    "pregel.NodeBuilder.subscribe_to": "* read",
    "checkpoint.memory.InMemorySaver": "* serde factory",
    "checkpoint.sqlite.SqliteSaver": "conn * serde",
    "checkpoint.postgres.PostgresSaver": "conn pipe serde",
    "checkpoint.postgres.PostgresSaver.from_conn_string": "conn_string * pipeline",
    "checkpoint.base.BaseCheckpointSaver.list": "config * filter before limit",
    "checkpoint.base.BaseCheckpointSaver.put": "config checkpoint metadata new_versions",
    "checkpoint.base.BaseCheckpointSaver.put_writes": "config writes task_id task_path",
    "checkpoint.base.BaseCheckpointSaver.prune": "thread_ids * strategy",
    "cache.sqlite.SqliteCache": "* path",
}


def module(name: str) -> Any:
    return importlib.import_module(f"caesura.{name}")


def found(path: str) -> Any:
    """What ``module.Name.method`` names."""
    parts = path.split(".")
    split = max(n for n in range(len(parts)) if ".".join(parts[:n]) in NAMES)
    thing = module(".".join(parts[:split]))
    for part in parts[split:]:
        thing = getattr(thing, part)
    return thing


@pytest.mark.filterwarnings("ignore:Importing from langgraph.pregel.types is deprecated")
@pytest.mark.parametrize("name", NAMES)
def test_a_module_has_its_names_and_explains_what_it_defines(name: str) -> None:
    here = module(name)
    assert [n for n in NAMES[name].split() if not hasattr(here, n)] == []
    ours = [
        thing
        for n in NAMES[name].split()
        if inspect.isclass(thing := getattr(here, n)) or inspect.isfunction(thing)
    ]
    unexplained = [t.__qualname__ for t in ours if not (t.__doc__ or "").strip()]
    generated = [t.__qualname__ for t in ours if (t.__doc__ or "").startswith(f"{t.__name__}(")]
    assert (unexplained, generated, bool((here.__doc__ or "").strip())) == ([], [], True)


@pytest.mark.parametrize("path", PARAMETERS)
def test_parameters_have_the_names_and_places_that_programs_give(path: str) -> None:
    wanted, _, by_name = PARAMETERS[path].partition("*")
    have = inspect.signature(found(path)).parameters
    positional = [
        p.name
        for p in have.values()
        if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) and p.name not in ("self", "fn")
    ]
    assert positional[: len(wanted.split())] == wanted.split()
    assert [n for n in by_name.split() if n not in have] == []


def test_every_module_and_name_is_found_under_langgraph_too() -> None:
    """In a process of its own: this one may hold the real package."""
    program = """
import importlib, json, sys
from caesura.compat import langgraph
langgraph.install()
missing = []
for name, names in json.loads(sys.stdin.read()).items():
    theirs = importlib.import_module(f"langgraph.{name}")
    if theirs is not importlib.import_module(f"caesura.{name}"):
        missing.append(name)
    for each in names.split():
        exec(f"from langgraph.{name} import {each}")
print(missing)
"""
    told = subprocess.run(
        [sys.executable, "-c", program], input=json.dumps(NAMES), capture_output=True, text=True
    )
    assert (told.stdout.strip(), told.stderr) == ("[]", "")


def test_savers_that_forgot_their_history_are_deprecated() -> None:
    from caesura.checkpoint.postgres import PostgresSaver, ShallowPostgresSaver
    from caesura.checkpoint.postgres.aio import AsyncPostgresSaver, AsyncShallowPostgresSaver
    from caesura.warnings import LangGraphDeprecatedSinceV10

    for old, new in (
        (ShallowPostgresSaver, PostgresSaver),
        (AsyncShallowPostgresSaver, AsyncPostgresSaver),
    ):
        with pytest.warns(LangGraphDeprecatedSinceV10, match=f"use `{new.__name__}`") as told:
            saver = old("postgresql://nowhere")
        assert isinstance(saver, new)
        assert [warning.filename for warning in told] == [__file__]
