"""Doing the runs: who does them, one run from start to end, its stream, and what the clock starts."""
