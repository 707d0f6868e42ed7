"""Search by likeness with an embedding function: order, scores, what is embedded."""

import asyncio

from langgraph.store.base import PutOp, SearchOp, get_text_at_path, tokenize_path
from langgraph.store.memory import InMemoryStore

SAVERS = ("memory",)

NESTED = {
    "a": {"b": "B", "c": ["x", {"d": 1}], "n": None, "f": 1.5, "t": True},
    "l": [{"k": "1"}, {"k": "2", "m": {"z": 1}}],
    "s": "S",
    "grid": [[1, 2], [3]],
    "ü": {"ü": 1},
}
PATHS = [
    "$", "", "s", "a", "a.b", "a.c", "a.c[0]", "a.c[*]", "a.c[-1]", "a.c[9]", "l[*].k", "l[*].{k,m}", "{s,zz}", "{s, a.b}",
    "a.*", "a.n", "a.f", "a.t", "zz", "a.zz.y", "grid[*]", "grid[0][1]", "grid[*][*]", "s.x", "s[0]", "a[*]", "l.k", "ü", "l.*",
]  # fmt: skip


def found(items):
    return [
        [item.key, item.score if item.score is None else round(item.score, 6)] for item in items
    ]


def run(make_saver, record):
    calls = []

    def embed(texts):
        calls.append(list(texts))
        return [[float(text.count(letter)) for letter in "abc"] for text in texts]

    async def aembed(texts):
        return embed(texts)

    def calls_since():
        made = sorted(calls)
        calls.clear()
        return made

    store = InMemoryStore(index={"dims": 3, "embed": embed})
    store.put(("n",), "1", {"t": "aaa"})
    store.put(("n",), "2", {"t": "abb"})
    store.put(("n",), "3", {"t": "ccc"}, index=False)
    store.put(("m",), "4", {"t": "b"})
    store.put(("n",), "5", {"t": "ab", "u": "cc"}, index=["t", "u"])
    store.put(("n",), "6", {"t": "bbb", "x": 1}, index=["absent"])
    store.put(("n",), "7", {})
    record("embedded", calls_since())
    for query in ("a", "b", "c", ""):
        record(f"query {query!r}", found(store.search((), query=query, limit=20)))
    record("below a prefix", found(store.search(("n",), query="b", limit=2)))
    record("second page", found(store.search(("n",), query="b", limit=2, offset=1)))
    record("with a filter", found(store.search((), query="b", filter={"t": "ab"})))
    record("without query", found(store.search(("n",))))
    store.put(("n",), "1", {"t": "ccc"})
    store.delete(("n",), "2")
    record("after changes", found(store.search((), query="c")))
    calls.clear()
    store.batch(
        [
            PutOp(("z",), "1", {"t": "aa"}),
            PutOp(("z",), "2", {"t": "aa"}),
            PutOp(("z",), "2", {"t": "bb"}),
            SearchOp((), query="a"),
            SearchOp((), query="a"),
        ]
    )
    record("a batch embeds each text once", calls_since())
    for fields in (["t"], ["t", "u[*].v"], ["$"], ["t.x", "zz"], None):
        store = InMemoryStore(index={"dims": 3, "embed": embed, "fields": fields})
        store.put(("n",), "1", {"t": "aa", "u": [{"v": "bb"}, {"v": "cc"}]})
        record(f"fields {fields}", [calls_since(), found(store.search((), query="b"))])
        calls.clear()

    async def colours():
        for function in (embed, aembed):
            store = InMemoryStore(index={"dims": 3, "embed": function})
            await store.aput(("n",), "1", {"t": "aab"})
            record(f"async {function.__name__}", found(await store.asearch((), query="a")))

    asyncio.run(colours())
    store = InMemoryStore(index={"dims": 3, "embed": aembed})
    try:
        store.put(("n",), "1", {"t": "a"})
    except ValueError as error:
        record("async function, sync put", type(error).__name__)
    for path in PATHS:
        record(f"path {path}", [tokenize_path(path), get_text_at_path(NESTED, path)])
