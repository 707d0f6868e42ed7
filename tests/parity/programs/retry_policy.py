"""Which failures are tried again, and how often."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.types import RetryPolicy, default_retry_on


class State(TypedDict):
    log: Annotated[list, operator.add]


class Odd(Exception):
    pass


FAST = {"initial_interval": 0.001, "jitter": False}


def run(make_saver, record, drive):
    def attempt(name, error, policy, fails=2):
        calls = []

        def node(state):
            calls.append(1)
            if len(calls) <= fails:
                raise error
            return {"log": ["ok"]}

        builder = (
            StateGraph(State)
            .add_node("n", drive.node(node), retry_policy=policy)
            .add_edge(START, "n")
        )
        record.raises(name, drive.invoke, builder.compile(), {"log": []})
        record(f"{name}: attempts", len(calls))

    attempt("connection error", ConnectionError("x"), RetryPolicy(**FAST))
    attempt("any exception", Odd("x"), RetryPolicy(**FAST))
    attempt("value error", ValueError("x"), RetryPolicy(**FAST))
    attempt("too often", Odd("x"), RetryPolicy(**FAST), fails=5)
    attempt("a class", ValueError("x"), RetryPolicy(**FAST, retry_on=ValueError))
    attempt("a tuple", KeyError("x"), RetryPolicy(**FAST, retry_on=(KeyError, ValueError)))
    attempt(
        "a predicate",
        KeyError("x"),
        RetryPolicy(**FAST, retry_on=lambda e: isinstance(e, KeyError)),
    )
    attempt(
        "first that matches",
        KeyError("x"),
        [RetryPolicy(**FAST, retry_on=ValueError), RetryPolicy(**FAST, retry_on=KeyError)],
    )
    attempt("once", Odd("x"), RetryPolicy(**FAST, max_attempts=1))
    kinds = [
        ConnectionError,
        ValueError,
        TypeError,
        ZeroDivisionError,
        ImportError,
        KeyError,
        NameError,
        SyntaxError,
    ]
    kinds += [RuntimeError, StopIteration, OSError, TimeoutError, AssertionError, Exception, Odd]
    record("default", {kind.__name__: default_retry_on(kind("x")) for kind in kinds})
