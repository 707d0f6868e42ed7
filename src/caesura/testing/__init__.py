"""Suites and tools that programs and savers of others can test themselves with."""
