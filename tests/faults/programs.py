"""Programs to break: each with a `Witness` that sees every body start, and people who answer."""

from __future__ import annotations

import asyncio
import operator
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field
from typing import Annotated, Any, TypedDict

from caesura.checkpoint.operations import Accept, Commit, PutTogether, PutWrites
from caesura.config import get_config
from caesura.constants import ERROR, SCHEDULED
from caesura.errors import AlreadyAnsweredError, EmptyInputError, NodeError
from caesura.func import entrypoint, task
from caesura.graph import END, START, StateGraph
from caesura.testing.faults import InjectedFailureError
from caesura.types import Command, interrupt

CONFIG: dict[str, Any] = {"configurable": {"thread_id": "thread-1"}}


def finished_tasks(performed: Iterable[Any]) -> set[str]:
    """Ids of the tasks whose results, or whose handing over to a handler, these operations stored."""
    puts: list[PutWrites] = []
    for op in list(performed):
        if isinstance(op, PutWrites):
            puts.append(op)
        elif isinstance(op, PutTogether):
            puts.extend(op.puts)
        elif isinstance(op, Commit):
            puts.extend(op.closing)
    wrote = {p.task_id: {channel for channel, _ in p.writes} for p in puts if p.writes}
    return {id for id, channels in wrote.items() if ERROR not in channels or SCHEDULED in channels}


def accepted_answers(performed: Iterable[Any]) -> dict[str, Any]:
    """Interrupt id → the answer that was accepted. Fails if one was accepted twice."""
    found: dict[str, Any] = {}
    for op in performed:
        for answer in op.answers if isinstance(op, Accept) else ():
            assert answer.interrupt_id not in found, "one interrupt took two answers"
            found[answer.interrupt_id] = answer.value
    return found


@dataclass
class Witness:
    """Sees bodies start; notes those that were not to start."""

    performed: list[list[Any]] = field(default_factory=list)
    """What each saver in use so far has performed."""
    started: list[tuple[str, str]] = field(default_factory=list)
    """(label, task id) of every body that started."""
    repeated: list[str] = field(default_factory=list)
    """Labels of bodies that started although their result was stored."""

    def sees(self, label: str) -> None:
        """Called as the first thing in every body."""
        task_id = get_config()["configurable"]["__pregel_task_id"]
        self.started.append((label, task_id))
        if any(task_id in finished_tasks(ops) for ops in self.performed):
            self.repeated.append(label)


# --- a graph: parallel nodes, task calls, pauses in a row and side by side, a nested graph -------


class State(TypedDict, total=False):
    log: Annotated[list[str], operator.add]


GRAPH_INPUT = {"log": ["in"]}
GRAPH_ANSWERS = {"child?": "C", "right?": "R", "total?": "T", "sure?": "S"}
GRAPH_RESULT = {
    "log": ["in", "first-1", "asked-C", "last", "left-10-20", "right-R!", "total-30-T-S", "end"]
}


def sync_graph(witness: Witness, saver: Any) -> Any:
    @task
    def price(of: int) -> int:
        witness.sees(f"price-{of}")
        return of * 10

    @task
    def stamp(text: str) -> str:
        witness.sees("stamp")
        return text + "!"

    def left(state: State) -> State:
        witness.sees("left")
        a, b = price(1), price(2)
        return {"log": [f"left-{a.result()}-{b.result()}"]}

    def right(state: State) -> State:
        witness.sees("right")
        return {"log": [f"right-{stamp(interrupt('right?')).result()}"]}

    def first(state: State) -> State:
        witness.sees("first")
        return {"log": [f"first-{price(0).result() + 1}"]}

    def asks(state: State) -> State:
        witness.sees("asks")
        return {"log": [f"asked-{interrupt('child?')}"]}

    def last(state: State) -> State:
        witness.sees("last")
        return {"log": ["last"]}

    def total(state: State) -> State:
        witness.sees("total")
        sum = price(3).result()
        return {"log": [f"total-{sum}-{interrupt('total?')}-{interrupt('sure?')}"]}

    def end(state: State) -> State:
        witness.sees("end")
        return {"log": ["end"]}

    return _wire(saver, left, right, first, asks, last, total, end)


def async_graph(witness: Witness, saver: Any) -> Any:
    @task
    async def price(of: int) -> int:
        witness.sees(f"price-{of}")
        await asyncio.sleep(0)
        return of * 10

    @task
    async def stamp(text: str) -> str:
        witness.sees("stamp")
        return text + "!"

    async def left(state: State) -> State:
        witness.sees("left")
        a, b = await asyncio.gather(price(1), price(2))
        return {"log": [f"left-{a}-{b}"]}

    async def right(state: State) -> State:
        witness.sees("right")
        return {"log": [f"right-{await stamp(interrupt('right?'))}"]}

    async def first(state: State) -> State:
        witness.sees("first")
        return {"log": [f"first-{await price(0) + 1}"]}

    async def asks(state: State) -> State:
        witness.sees("asks")
        return {"log": [f"asked-{interrupt('child?')}"]}

    async def last(state: State) -> State:
        witness.sees("last")
        return {"log": ["last"]}

    async def total(state: State) -> State:
        witness.sees("total")
        sum = await price(3)
        return {"log": [f"total-{sum}-{interrupt('total?')}-{interrupt('sure?')}"]}

    async def end(state: State) -> State:
        witness.sees("end")
        return {"log": ["end"]}

    return _wire(saver, left, right, first, asks, last, total, end)


class ChildState(TypedDict, total=False):
    log: Annotated[list[str], operator.add]


def _wire(
    saver: Any, left: Any, right: Any, first: Any, asks: Any, last: Any, total: Any, end: Any
) -> Any:
    child = StateGraph(ChildState)
    child.add_sequence([("first", first), ("asks", asks), ("last", last)])
    child.add_edge(START, "first")
    inner = child.compile()

    async def akid(state: State) -> State:
        return {"log": (await inner.ainvoke({"log": []}))["log"]}

    def kid(state: State) -> State:
        return {"log": inner.invoke({"log": []})["log"]}

    graph = StateGraph(State)
    graph.add_node("left", left)
    graph.add_node("right", right)
    graph.add_node("kid", akid if asyncio.iscoroutinefunction(left) else kid)
    graph.add_node("total", total)
    graph.add_node("end", end)
    for name in ("left", "right", "kid"):
        graph.add_edge(START, name)
    graph.add_edge(["left", "right", "kid"], "total")
    graph.add_edge("total", "end")
    graph.add_edge("end", END)
    return graph.compile(checkpointer=saver)


# --- an entrypoint: tasks side by side, pauses in the body and in a task --------------------------

TRIP_INPUT = "Oslo"
TRIP_ANSWERS = {"go to Oslo?": "yes", "which room?": 7, "pay 13?": False}
TRIP_RESULT = {"legs": [1, 2, 3], "go": "yes", "room": 7, "paid": "13 no"}


def sync_trip(witness: Witness, saver: Any) -> Any:
    @task
    def leg(number: int) -> int:
        witness.sees(f"leg-{number}")
        return number

    @task
    def room(city: str) -> int:
        witness.sees("room")
        leg(9).result()
        return int(interrupt("which room?"))

    @task
    def pay(sum: int, sure: bool) -> str:
        witness.sees("pay")
        return f"{sum} {'yes' if sure else 'no'}"

    @entrypoint(checkpointer=saver)
    def trip(city: str) -> dict[str, Any]:
        witness.sees("trip")
        legs = [leg(number) for number in (1, 2, 3)]
        found = [one.result() for one in legs]
        go = interrupt(f"go to {city}?")
        number = room(city).result()
        sure = interrupt(f"pay {sum(found) + number}?")
        paid = pay(sum(found) + number, sure).result()
        return {"legs": found, "go": go, "room": number, "paid": paid}

    return trip


def async_trip(witness: Witness, saver: Any) -> Any:
    @task
    async def leg(number: int) -> int:
        witness.sees(f"leg-{number}")
        await asyncio.sleep(0)
        return number

    @task
    async def room(city: str) -> int:
        witness.sees("room")
        await leg(9)
        return int(interrupt("which room?"))

    @task
    async def pay(sum: int, sure: bool) -> str:
        witness.sees("pay")
        return f"{sum} {'yes' if sure else 'no'}"

    @entrypoint(checkpointer=saver)
    async def trip(city: str) -> dict[str, Any]:
        witness.sees("trip")
        found = list(await asyncio.gather(*[leg(number) for number in (1, 2, 3)]))
        go = interrupt(f"go to {city}?")
        number = await room(city)
        sure = interrupt(f"pay {sum(found) + number}?")
        paid = await pay(sum(found) + number, sure)
        return {"legs": found, "go": go, "room": number, "paid": paid}

    return trip


# --- a failure that is handled: the handler calls a task and asks, beside tasks that ask and finish --

RESCUE_ANSWERS = {"no funds for 10, take 20?": "later", "ship?": "S"}
RESCUE_RESULT = {"log": ["in", "charge-later", "pick", "ship-S", "end"]}


class NoFundsError(Exception):
    """The card is empty."""


def sync_rescue(witness: Witness, saver: Any) -> Any:
    @task
    def price(of: int) -> int:
        witness.sees(f"price-{of}")
        return of * 10

    def charge(state: State) -> State:
        witness.sees("charge")
        raise NoFundsError(f"no funds for {price(1).result()}")

    def rescue(state: State, error: NodeError) -> Command[str]:
        witness.sees("rescue")
        answer = interrupt(f"{error.error}, take {price(2).result()}?")
        return Command(update={"log": [f"{error.node}-{answer}"]}, goto="end")

    def ship(state: State) -> State:
        witness.sees("ship")
        return {"log": [f"ship-{interrupt('ship?')}"]}

    def pick(state: State) -> State:
        witness.sees("pick")
        return {"log": ["pick"]}

    def end(state: State) -> State:
        witness.sees("end")
        return {"log": ["end"]}

    return _wire_rescue(saver, charge, rescue, ship, pick, end)


def async_rescue(witness: Witness, saver: Any) -> Any:
    @task
    async def price(of: int) -> int:
        witness.sees(f"price-{of}")
        await asyncio.sleep(0)
        return of * 10

    async def charge(state: State) -> State:
        witness.sees("charge")
        raise NoFundsError(f"no funds for {await price(1)}")

    async def rescue(state: State, error: NodeError) -> Command[str]:
        witness.sees("rescue")
        answer = interrupt(f"{error.error}, take {await price(2)}?")
        return Command(update={"log": [f"{error.node}-{answer}"]}, goto="end")

    async def ship(state: State) -> State:
        witness.sees("ship")
        return {"log": [f"ship-{interrupt('ship?')}"]}

    async def pick(state: State) -> State:
        witness.sees("pick")
        return {"log": ["pick"]}

    async def end(state: State) -> State:
        witness.sees("end")
        return {"log": ["end"]}

    return _wire_rescue(saver, charge, rescue, ship, pick, end)


def _wire_rescue(saver: Any, charge: Any, rescue: Any, ship: Any, pick: Any, end: Any) -> Any:
    graph = StateGraph(State).set_node_defaults(error_handler=rescue)
    for name, node in (("charge", charge), ("ship", ship), ("pick", pick)):
        graph.add_node(name, node)
        graph.add_edge(START, name)
    graph.add_node("paid", end).add_edge("charge", "paid")
    graph.add_node("end", end)
    return graph.compile(checkpointer=saver)


# --- the people ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """A program, what goes in, who answers what, and what must come out."""

    make_sync: Callable[[Witness, Any], Any]
    make_async: Callable[[Witness, Any], Any]
    input: Any
    answers: dict[str, Any]
    result: Any


CASES = {
    "graph": Case(sync_graph, async_graph, GRAPH_INPUT, GRAPH_ANSWERS, GRAPH_RESULT),
    "entrypoint": Case(sync_trip, async_trip, TRIP_INPUT, TRIP_ANSWERS, TRIP_RESULT),
    "handler": Case(sync_rescue, async_rescue, GRAPH_INPUT, RESCUE_ANSWERS, RESCUE_RESULT),
}

Outcome = tuple[Any, BaseException | None]


def persist(case: Case) -> Generator[Any, Outcome, Any]:
    """Inputs to invoke the program with, until it ends; is sent (result, error); returns the result.

    After a failure, whose effect nobody knows, the same answer is given again; an input is given
    again only if the thread knows nothing of it.
    """
    given: Any = case.input
    while True:
        result, error = yield given
        if isinstance(error, InjectedFailureError):
            given = given if isinstance(given, Command) else None
        elif isinstance(error, EmptyInputError):
            given = case.input
        elif isinstance(error, AlreadyAnsweredError):
            assert given.resume == {error.interrupt_id: error.answer}, "an answer was changed"
            given = None
        elif error is not None:
            raise error
        elif isinstance(result, dict) and "__interrupt__" in result:
            asked = min(result["__interrupt__"], key=lambda item: str(item.value))
            given = Command(resume={asked.id: case.answers[asked.value]})
        else:
            return result
