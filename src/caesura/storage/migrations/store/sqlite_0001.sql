-- The long-term store: items by namespace and key.
--
-- A namespace is a row of its own, so that listing namespaces does not read the items, and an item is
-- found below a prefix by two ranges of an index. It is gone with its last item. Ids are the order of
-- making, in which a search finds.

-- path: every label followed by a period, which no label contains: ("a", "b") is 'a.b.', () is ''.
-- What starts with 'a.b.' lies from 'a.b.' up to 'a.b/', the character after the period.
CREATE TABLE store_namespaces (
    id   INTEGER PRIMARY KEY,
    path TEXT NOT NULL UNIQUE
);

-- value: JSON. ttl: minutes to live after a write or read; NULL: for ever. expires_at: Unix seconds.
CREATE TABLE store_items (
    id           INTEGER PRIMARY KEY,
    namespace_id INTEGER NOT NULL,
    key          TEXT    NOT NULL,
    value        TEXT    NOT NULL,
    created_at   TEXT    NOT NULL,
    updated_at   TEXT    NOT NULL,
    ttl          REAL,
    expires_at   REAL,
    UNIQUE (namespace_id, key)
);

-- The items of a namespace in the order of their making: an index ends in the row's id.
CREATE INDEX store_items_made ON store_items (namespace_id);

CREATE INDEX store_items_expiring ON store_items (expires_at) WHERE expires_at IS NOT NULL;

-- The vectors of an item's texts, one after another: each ``dims`` little-endian 32-bit floats, of
-- length 1. A table of its own, so that a scan of them does not read values, nor the other way round.
CREATE TABLE store_vectors (
    item_id INTEGER PRIMARY KEY,
    dims    INTEGER NOT NULL,
    vectors BLOB    NOT NULL
);
