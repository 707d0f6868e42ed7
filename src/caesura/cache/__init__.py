"""Results that are kept to be used again: in memory, in a SQLite file, in Redis."""
