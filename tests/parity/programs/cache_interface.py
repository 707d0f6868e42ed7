"""A cache by itself: get, set, ttl and clear."""

from datetime import date

from langgraph.cache.base import BaseCache
from langgraph.cache.memory import InMemoryCache

SAVERS = ["memory"]
DEVIATIONS = {
    "what cannot be stored": "an error says where in the value the culprit is",
}


def run(make_saver, record):
    cache = InMemoryCache()
    keys = [(("n", "s"), "k"), (("n",), "k"), (("n", "s"), "l")]
    record("kind", [isinstance(cache, BaseCache), cache.get([])])
    cache.set({keys[0]: ({"d": (1, 2), "s": {1}}, None), keys[1]: (date(2026, 1, 2), 60)})
    record("found", cache.get(keys))
    cache.set({keys[0]: (1, 0), keys[1]: (1, -1), keys[2]: (1, 60)})
    record("ttl of nothing", cache.get(keys))
    cache.set({key: (n, None) for n, key in enumerate(keys)})
    cache.clear([("n",), ("unknown",)])
    record("one namespace cleared", cache.get(keys))
    cache.clear([])
    record("no namespaces cleared", cache.get(keys))
    cache.clear()
    record("all cleared", cache.get(keys))
    record.raises("what cannot be stored", cache.set, {keys[0]: ([lambda: 1], None)})
    record("after that", cache.get(keys))
