"""Search by prefix and filter, pages, and the list of namespaces."""

from langgraph.store.memory import InMemoryStore

SAVERS = ("memory",)

ITEMS = [
    (("u", "b"), "1", {"n": 1, "c": "x", "d": {"e": 1}, "l": [1, {"m": 2, "k": 3}]}),
    (("u", "a"), "2", {"n": 2, "c": "y", "d": {"e": 2, "f": 3}, "l": [1]}),
    (("u",), "3", {"n": 3, "c": "x", "d": {"e": "2"}}),
    (("ux",), "4", {"n": 4, "c": None, "b": False}),
    (("u", "b", "c"), "5", {"n": 1.0, "c": "z", "b": True, "t": "10"}),
]
FILTERS = [
    {}, {"c": "x"}, {"n": 1}, {"n": 1, "c": "x"}, {"n": "1"}, {"b": True}, {"b": 1}, {"c": None}, {"zz": None},
    {"n": {"$gt": 1}}, {"n": {"$gte": 2, "$lt": 4}}, {"n": {"$lte": 1}}, {"n": {"$ne": 1}}, {"n": {"$eq": 2}},
    {"n": {"$eq": 1, "$ne": 2}}, {"c": {"$eq": None}}, {"c": {"$ne": None}}, {"n": {"$gt": "1.5"}},
    {"d": {"e": 2}}, {"d": {"e": 2, "f": 3}}, {"d": {"f": 3, "g": 1}}, {"d": {"e": {"$eq": 1}}}, {"d": {}},
    {"d": {"$eq": {"e": 1}}}, {"l": [1]}, {"l": [1, {"m": 2}]}, {"l": [{"m": 2}, 1]}, {"l": {"$eq": [1]}},
    {"n": {"$in": [1]}}, {"n": {"$gt": 1, "x": 1}}, {"d": {"$e": 1}},
]  # fmt: skip
LISTINGS = [
    {}, {"prefix": ("u",)}, {"prefix": ("*", "b")}, {"suffix": ("b",)}, {"suffix": ("*", "c")}, {"max_depth": 1},
    {"max_depth": 2}, {"prefix": ("u",), "suffix": ("b",)}, {"limit": 2, "offset": 1}, {"prefix": ()}, {"limit": 0},
    {"prefix": ("u", "b", "c", "d")}, {"prefix": ("u",), "max_depth": 1}, {"prefix": ("*", "*")}, {"prefix": ["u"]},
]  # fmt: skip


def places(items):
    return [[item.namespace, item.key, item.score] for item in items]


def run(make_saver, record):
    store = InMemoryStore()
    for namespace, key, value in ITEMS:
        store.put(namespace, key, value)
    for prefix in ((), ("u",), ("u", "b"), ("ux",), ("*",), ("u", "*"), ("nope",), ("U",)):
        record(f"below {prefix}", places(store.search(prefix)))
    for condition in FILTERS:
        try:
            record(f"filter {condition}", [item.key for item in store.search((), filter=condition)])
        except ValueError as error:
            record(f"filter {condition}", str(error))
    for page in ({"limit": 2}, {"limit": 2, "offset": 1}, {"limit": 0}, {"offset": 9}):
        record(f"page {page}", [item.key for item in store.search((), **page)])
    record("a query without index", places(store.search(("u",), query="x")))
    for arguments in LISTINGS:
        record(f"namespaces {arguments}", store.list_namespaces(**arguments))
    store.put(("u", "a"), "2", {"n": 9})
    record("replaced keeps its place", [item.key for item in store.search(())])
    store.delete(("u", "a"), "2")
    record("without the deleted", [item.key for item in store.search(())])
