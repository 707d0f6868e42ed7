// Drives every method of @langchain/langgraph-sdk (argument 1: which major version, argument 2: the
// server's address) and prints one JSON line per flow: {"flow", "result"} or {"flow", "failure"}.
// The last line tells which public methods were called and which there are.

const [, , version, apiUrl] = process.argv;
const packages = { 1: "langgraph-sdk-1", 2: "@langchain/langgraph-sdk" };
const sdk = await import(packages[version]);
const called = new Set();
const groups = ["assistants", "threads", "runs", "crons", "store"];

/** The client, its methods noted as they are called. */
function client(options = {}) {
  const real = new sdk.Client({ apiUrl, callerOptions: { maxRetries: 0 }, ...options });
  const noted = {};
  for (const group of groups) {
    noted[group] = new Proxy(real[group], {
      get(target, name) {
        const value = target[name];
        if (typeof value !== "function") return value;
        return (...args) => {
          called.add(`${group}.${String(name)}`);
          return value.apply(target, args);
        };
      },
    });
  }
  return noted;
}

function methods() {
  const real = new sdk.Client({ apiUrl });
  return groups.flatMap((group) =>
    Object.getOwnPropertyNames(Object.getPrototypeOf(real[group]))
      .filter((name) => name !== "constructor" && !name.startsWith("_"))
      .map((name) => `${group}.${name}`),
  );
}

const c = client();
const mark = { test: crypto.randomUUID() };

async function collect(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return parts;
}

async function until(condition) {
  const deadline = Date.now() + 10_000;
  for (;;) {
    const result = await condition();
    if (result) return result;
    if (Date.now() > deadline) throw new Error("it did not become true");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function status(promise) {
  try {
    await promise;
    return 200;
  } catch (error) {
    return error.status ?? `${error.name}: ${error.message}`;
  }
}

/** A thread and its run that ticks for so long, and has begun to. */
async function slowRun(seconds, options = {}) {
  const thread = await c.threads.create();
  const run = await c.runs.create(thread.thread_id, "slow", { input: { seconds }, ...options });
  await until(async () => (await c.threads.getState(thread.thread_id)).values.seconds);
  return [thread.thread_id, run.run_id];
}

const flows = {
  async assistants() {
    const made = await c.assistants.create({
      graphId: "agent",
      metadata: mark,
      name: "First",
      context: { user: "u" },
    });
    const id = made.assistant_id;
    const changed = await c.assistants.update(id, { name: "Second" });
    const versions = (await c.assistants.getVersions(id)).map((one) => one.version);
    const back = await c.assistants.setLatest(id, 1);
    const page = await c.assistants.search({ metadata: mark, includePagination: true });
    const count = await c.assistants.count({ metadata: mark });
    const got = await c.assistants.get(id);
    const graph = await c.assistants.getGraph(id, { xray: true });
    const schemas = await c.assistants.getSchemas(id);
    const [sub] = await c.assistants.search({ graphId: "sub" });
    const subgraphs = await c.assistants.getSubgraphs(sub.assistant_id, { recurse: true });
    const gone = await c.assistants.delete(id);
    return {
      names: [made.name, changed.name, back.name, got.name],
      versions,
      found: page.assistants.map((one) => one.assistant_id === id),
      next: page.next ?? null,
      count,
      nodes: graph.nodes.map((node) => node.id),
      properties: Object.keys(schemas.input_schema.properties),
      subgraphs: Object.keys(subgraphs),
      gone: gone ?? null,
      afterwards: await status(c.assistants.get(id)),
    };
  },

  async threads() {
    const thread = await c.threads.create({ metadata: mark, graphId: "agent", ttl: 60 });
    const id = thread.thread_id;
    const again = await status(c.threads.create({ threadId: id, ifExists: "raise" }));
    const same = await c.threads.create({ threadId: id, ifExists: "do_nothing" });
    const changed = await c.threads.update(id, { metadata: { more: 1 } });
    const copy = await c.threads.copy(id);
    const count = await c.threads.count({ metadata: mark });
    const found = await c.threads.search({
      metadata: mark,
      ids: [id],
      select: ["thread_id", "status"],
    });
    const pruned = c.threads.prune && (await c.threads.prune([copy.thread_id]));
    const deleted = await c.threads.delete(id);
    return {
      same: same.thread_id === id,
      again,
      more: changed.metadata.more,
      count,
      found: found.map((one) => [Object.keys(one).sort(), one.thread_id === id]),
      pruned: pruned ?? { pruned_count: 1 },
      deleted: deleted ?? null,
      afterwards: await status(c.threads.get(id)),
    };
  },

  async pauseAndAnswer() {
    const thread = await c.threads.create();
    const id = thread.thread_id;
    let begun;
    const paused = await c.runs.wait(id, "agent", {
      input: { topic: "cats" },
      onRunCreated: (run) => (begun = run),
    });
    const waiting = await c.threads.get(id);
    const state = await c.threads.getState(id);
    const stream = c.runs.stream(id, "agent", {
      command: { resume: { [paused.__interrupt__[0].id]: "yes" } },
      streamMode: ["values", "updates"],
    });
    const parts = await collect(stream);
    const history = await c.threads.getHistory(id, { limit: 10 });
    const older = await c.threads.getHistory(id, { before: history[1].checkpoint });
    return {
      asked: paused.__interrupt__[0].value,
      begun: begun.thread_id === id && typeof begun.run_id === "string",
      status: waiting.status,
      interrupts: Object.values(waiting.interrupts).map(([one]) => one.value),
      next: state.next,
      events: parts.map((part) => part.event),
      log: parts.at(-1).data.log,
      history: history.map((one) => one.next),
      older: older.length,
    };
  },

  async editsOfState() {
    const thread = await c.threads.create();
    const id = thread.thread_id;
    await c.runs.wait(id, "agent", { input: { topic: "cats" } });
    const before = await c.threads.getState(id);
    const asNode = "approve";
    const edited = await c.threads.updateState(id, { values: { decision: "forced" }, asNode });
    const after = await c.threads.getState(id);
    const at = await c.threads.getState(id, before.checkpoint);
    const patched = await status(c.threads.patchState(id, { note: 1 }));
    return {
      edited: edited.checkpoint.checkpoint_id === after.checkpoint.checkpoint_id,
      next: [before.next, after.next, at.next],
      decision: after.values.decision,
      patched,
    };
  },

  async subgraph() {
    const thread = await c.threads.create();
    const id = thread.thread_id;
    const options = { input: { topic: "s" }, streamMode: "updates", streamSubgraphs: true };
    const parts = await collect(c.runs.stream(id, "sub", options));
    const state = await c.threads.getState(id, undefined, { subgraphs: true });
    const done = await c.runs.wait(id, "sub", { command: { resume: "ok" } });
    return {
      events: parts.map((part) => part.event.replace(/:.*/, "")),
      inner: state.tasks[0].state.next,
      log: done.log,
    };
  },

  async runs() {
    const thread = await c.threads.create();
    const id = thread.thread_id;
    const run = await c.runs.create(id, "trivial", { input: { topic: "x" } });
    const joined = await c.runs.join(id, run.run_id);
    const got = await c.runs.get(id, run.run_id);
    const listed = await c.runs.list(id, { limit: 5, select: ["run_id", "status"] });
    const deleted = await c.runs.delete(id, run.run_id);
    return {
      joined,
      status: got.status,
      listed: listed.map((one) => [Object.keys(one).sort(), one.status]),
      deleted: deleted ?? null,
      afterwards: await status(c.runs.get(id, run.run_id)),
      failed: await status(c.runs.wait(id, "err", { input: {} })),
      unknown: await status(c.runs.create(id, "nope", { input: {} })),
    };
  },

  async stateless() {
    const waited = await c.runs.wait(null, "trivial", { input: { topic: "s" } });
    const parts = await collect(c.runs.stream(null, "trivial", { input: { topic: "s" } }));
    const run = await c.runs.create(null, "slow", {
      input: { seconds: 0.3 },
      streamMode: ["custom"],
      streamResumable: true,
    });
    const joined = await collect(c.runs.joinStream(null, run.run_id, { lastEventId: "-1" }));
    const batch = await c.runs.createBatch([
      { assistantId: "trivial", input: { topic: "a" } },
      { assistantId: "trivial", input: { topic: "b" } },
    ]);
    return {
      waited,
      events: parts.map((part) => part.event),
      joined: joined.filter((part) => part.event === "custom").map((part) => part.data.tick),
      batch: batch.map((one) => one.kwargs.input.topic),
    };
  },

  async cancelling() {
    const [thread, run] = await slowRun(30);
    const cancelled = await c.runs.cancel(thread, run, true);
    const [thread2, run2] = await slowRun(30);
    if (c.runs.cancelMany ?? methods().includes("runs.cancelMany")) {
      await c.runs.cancelMany({ threadId: thread2, runIds: [run2] });
    } else {
      await c.runs.cancel(thread2, run2);
    }
    await until(async () => (await c.runs.get(thread2, run2)).status === "interrupted");
    const [busy] = await slowRun(0.5);
    const options = { input: { seconds: 0.1 } };
    const refused = { ...options, multitaskStrategy: "reject" };
    const rejected = await status(c.runs.create(busy, "slow", refused));
    const queued = { ...options, multitaskStrategy: "enqueue" };
    const ticks = (await c.runs.wait(busy, "slow", queued)).ticks;
    const after = (await c.runs.get(thread, run)).status;
    return { cancelled: cancelled ?? null, after, rejected, ticks };
  },

  async joining() {
    const options = { streamMode: ["custom", "values"], streamResumable: true };
    const [thread, run] = await slowRun(0.5, options);
    await c.runs.join(thread, run);
    const custom = (parts) => parts.filter((part) => part.event === "custom");
    const all = custom(await collect(c.runs.joinStream(thread, run, { lastEventId: "-1" })));
    const lastEventId = all[2].id;
    const rest = custom(await collect(c.runs.joinStream(thread, run, { lastEventId })));
    const streamMode = ["values"];
    const some = await collect(
      c.runs.joinStream(thread, run, { lastEventId: "-1", streamMode }),
    );
    return {
      all: all.map((part) => part.data.tick),
      rest: rest.map((part) => part.data.tick),
      some: [...new Set(some.map((part) => part.event))].filter((name) => name !== "end"),
    };
  },

  async hangingUp() {
    const thread = await c.threads.create();
    const id = thread.thread_id;
    const abort = new AbortController();
    const stream = c.runs.stream(id, "slow", {
      input: { seconds: 30 },
      streamMode: "custom",
      onDisconnect: "cancel",
      signal: abort.signal,
    });
    try {
      for await (const part of stream) if (part.event === "custom") abort.abort();
    } catch (error) {
      if (!abort.signal.aborted) throw error;
    }
    const ended = async () => (await c.runs.list(id))[0].status === "interrupted";
    return { cancelled: await until(ended) };
  },

  async streamOfThread() {
    const thread = await c.threads.create();
    const id = thread.thread_id;
    const abort = new AbortController();
    const seen = [];
    const reading = (async () => {
      try {
        for await (const part of c.threads.joinStream(id, { signal: abort.signal })) {
          seen.push(part.event);
          if (part.data?.status === "run_done") break;
        }
      } catch (error) {
        if (!abort.signal.aborted) throw error;
      }
    })();
    reading.catch(() => {}); // it is thrown below
    await until(async () => {
      await c.runs.wait(id, "trivial", { input: { topic: "x" } });
      return seen.includes("values");
    });
    abort.abort();
    await reading;
    // Whether it came in time for the first events of the run is chance: both are asked for at once.
    return { values: seen.includes("values") };
  },

  async crons() {
    const thread = await c.threads.create();
    const schedule = "0 9 * * *";
    const cron = await c.crons.create("trivial", { schedule, input: {}, metadata: mark });
    const bound = await c.crons.createForThread(thread.thread_id, "trivial", {
      schedule,
      metadata: mark,
    });
    const count = await c.crons.count({ metadata: mark });
    const found = await c.crons.search({ threadId: thread.thread_id });
    const changed = await c.crons.update(cron.cron_id, { enabled: false });
    for (const one of [cron, bound]) await c.crons.delete(one.cron_id);
    return {
      count,
      found: found.map((one) => one.cron_id === bound.cron_id),
      enabled: changed.enabled,
    };
  },

  async store() {
    const space = [mark.test, "notes"];
    await c.store.putItem(space, "k1", { x: 1 });
    await c.store.putItem(space, "k2", { x: 2 });
    const item = await c.store.getItem(space, "k1");
    const missing = await c.store.getItem(space, "none");
    const found = await c.store.searchItems([mark.test], { filter: { x: 2 } });
    const spaces = await c.store.listNamespaces({ prefix: [mark.test] });
    await c.store.deleteItem(space, "k1");
    return {
      value: item.value,
      missing,
      found: found.items.map((one) => one.key),
      spaces: spaces.namespaces.map((one) => one.slice(1)),
      deleted: await c.store.getItem(space, "k1"),
    };
  },
};

const sessions = {
  async session(transport) {
    const thread = c.threads.stream({ assistantId: "agent", transport });
    const methods = [];
    let interrupt;
    await thread.run.start({ input: { topic: "cats" } });
    for await (const event of await thread.subscribe(["lifecycle", "input", "values"])) {
      methods.push(event.method);
      if (event.method === "input.requested") {
        interrupt = event.params.data;
      }
      if (interrupt && methods.includes("values")) break;
    }
    await thread.input.respond({
      namespace: [],
      interrupt_id: interrupt.interrupt_id,
      response: "yes",
    });
    await until(async () => (await c.threads.get(thread.threadId)).status === "idle");
    const state = await c.threads.getState(thread.threadId);
    await thread.close();
    return { asked: interrupt.payload, methods: [...new Set(methods)].sort(), log: state.values.log };
  },
};
if (methods().includes("threads.stream")) {
  flows.sessionOverSse = () => sessions.session("sse");
  flows.sessionOverWebSocket = () => sessions.session("websocket");
}

function within(seconds, promise) {
  const late = new Promise((_, reject) => {
    setTimeout(() => reject(new Error(`not done after ${seconds} s`)), seconds * 1000).unref();
  });
  return Promise.race([promise, late]);
}

await Promise.all(
  Object.entries(flows).map(async ([flow, run]) => {
    try {
      console.log(JSON.stringify({ flow, result: await within(40, run()) }));
    } catch (error) {
      console.log(JSON.stringify({ flow, failure: `${error.stack ?? error}`.slice(0, 1500) }));
    }
  }),
);
console.log(JSON.stringify({ flow: "methods", result: { called: [...called], all: methods() } }));
process.exit(0);
