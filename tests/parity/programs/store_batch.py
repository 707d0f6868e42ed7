"""Several operations at once, in both colours: reads see nothing of the batch's puts."""

import asyncio

from langgraph.store.base import GetOp, ListNamespacesOp, MatchCondition, PutOp, SearchOp
from langgraph.store.base.batch import AsyncBatchedBaseStore
from langgraph.store.memory import InMemoryStore

SAVERS = ("memory",)


def shown(results):
    return [
        [r.key if hasattr(r, "key") else r for r in result]
        if isinstance(result, list)
        else getattr(result, "value", result)
        for result in results
    ]


OPERATIONS = [
    SearchOp(("n",)),
    PutOp(("n",), "k", {"a": 1}),
    PutOp(("n",), "other", {"a": 0}),
    GetOp(("n",), "k"),
    SearchOp(("n",)),
    PutOp(("n",), "k", {"a": 2}),
]
AFTERWARDS = [
    ListNamespacesOp((MatchCondition("prefix", ("n",)),)),
    GetOp(("n",), "k"),
    PutOp(("n",), "other", {"a": 1}),
    PutOp(("n",), "other", None),
    SearchOp(("n",), {"a": {"$gte": 1}}),
]


class Gathering(AsyncBatchedBaseStore):
    def __init__(self):
        super().__init__()
        self.inner = InMemoryStore()
        self.batches = 0

    async def abatch(self, ops):
        self.batches += 1
        return await self.inner.abatch(ops)

    def batch(self, ops):
        return asyncio.run_coroutine_threadsafe(self.abatch(ops), self._loop).result()


async def gather(record):
    store = Gathering()
    await asyncio.gather(*(store.aput(("n",), str(n), {"n": n}) for n in range(4)))
    record("gathered puts", store.batches)
    got = await asyncio.gather(*(store.aget(("n",), str(n)) for n in range(5)))
    record("gathered gets", [shown(got), store.batches])
    record("namespaces", await store.alist_namespaces())
    await store.adelete(("n",), "0")
    record("found", [item.key for item in await store.asearch(("n",), filter={"n": {"$lt": 3}})])
    try:
        store.get(("n",), "1")
    except asyncio.InvalidStateError as error:
        record("sync in its own loop", type(error).__name__)
    record("from another thread", (await asyncio.to_thread(store.get, ("n",), "1")).value)


def run(make_saver, record):
    store = InMemoryStore()
    record("batch", shown(store.batch(OPERATIONS)))
    record("afterwards", shown(store.batch(AFTERWARDS)))
    record("deleted", [item.key for item in store.search(())])
    store = InMemoryStore()
    record("abatch", shown(asyncio.run(store.abatch(OPERATIONS))))
    record("abatch afterwards", shown(asyncio.run(store.abatch(AFTERWARDS))))
    record("empty", store.batch([]))
    asyncio.run(gather(record))
