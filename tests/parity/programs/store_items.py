"""Items: put, get, replace, delete, and what an item shows."""

from langgraph.store.base import InvalidNamespaceError, Item, PutOp, SearchItem
from langgraph.store.memory import InMemoryStore

SAVERS = ("memory",)


def run(make_saver, record):
    store = InMemoryStore()
    record("absent", store.get(("users", "ada"), "color"))
    store.put(("users", "ada"), "color", {"name": "red"})
    item = store.get(("users", "ada"), "color")
    record("place", [item.namespace, item.key, item.value])
    record("shown", sorted(item.dict()))
    record("text", repr(item))
    store.put(("users", "ada"), "color", {"shade": "dark"})
    record("replaced as a whole", store.get(("users", "ada"), "color").value)
    store.put(("users", "ada"), 5, {"n": 1})
    record(
        "key becomes text",
        [store.get(("users", "ada"), 5).key, store.get(("users", "ada"), "5").key],
    )
    store.delete(("users", "ada"), "color")
    store.delete(("users", "ada"), "never there")
    record("deleted", store.get(("users", "ada"), "color"))
    store.put(("users", "ada"), "5", None)
    record("None deletes", store.get(("users", "ada"), "5"))
    times = {"created_at": "2024-01-01T00:00:00+00:00", "updated_at": "2024-01-01T00:00:00+00:00"}
    made = [Item(value={"n": n}, key="k", namespace=["a"], **times) for n in (1, 1, 2)]
    record(
        "equal",
        [made[0] == made[1], made[0] == made[2], hash(made[0]) == hash(made[2]), made[0] == 1],
    )
    found = SearchItem(("a",), "k", {"n": 1}, **times, score=0.5)
    record("found equals item", found == made[0])
    record("found shows score", found.dict()["score"])
    for namespace in ((), ("",), ("a.b",), ("langgraph", "x"), (1,)):
        for name, call in {
            "put": lambda at: store.put(at, "k", {}),
            "get": lambda at: store.get(at, "k"),
            "search": lambda at: store.search(at),
            "delete": lambda at: store.delete(at, "k"),
        }.items():
            try:
                record(f"{name} at {namespace}", call(namespace))
            except InvalidNamespaceError as error:
                record(f"{name} at {namespace}", [isinstance(error, ValueError), str(error)])
    for label, call in {
        "ttl": lambda: store.put(("a",), "k", {}, ttl=5),
        "no such operation": lambda: store.batch(["nonsense"]),
    }.items():
        try:
            record(label, call())
        except Exception as error:
            record(label, error)
    record("ttl None", store.put(("a",), "k", {}, ttl=None))
    record("kept in a batch", store.batch([PutOp(("langgraph", "own"), "k", {"n": 1})]))
    record("supports ttl", [store.supports_ttl, store.ttl_config])
