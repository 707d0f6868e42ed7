"""Pay a list of bills; a person decides about the large ones.

    caesura run examples/payments.py
    caesura run examples/payments.py --input '{"file": "bills.csv", "limit": 500}'

Payments up to the limit are made right away. For each one above it the program stops and asks:
approve, pay less, or reject. Kill it whenever you like and run the same command again: no payment
is made twice, no decision is asked for twice. What was paid stands in the file ``audit.csv``.
"""

from __future__ import annotations

import csv
import operator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypedDict

from caesura.func import task
from caesura.graph import END, START, StateGraph
from caesura.types import interrupt

HERE = Path(__file__).parent
LIMIT = 1000.0


class Payment(TypedDict):
    """One line of the CSV file."""

    id: str
    to: str
    amount: float
    reference: str


@dataclass
class Decision:
    """What a person says to a large payment."""

    decision: Literal["approve", "pay less", "reject"]
    amount: float | None = None
    reason: str | None = None


class State(TypedDict, total=False):
    """``file``, ``limit`` and ``audit`` are the input; the rest is made by the nodes."""

    file: str
    limit: float
    audit: str
    due: list[Payment]
    paid: Annotated[list[str], operator.add]
    rejected: Annotated[list[str], operator.add]
    total: float


@task
def pay(payment: Payment, approved_by: str, audit: str) -> str:
    """Make one payment: here, one line in the audit file.

    A task's result is stored, so it is not made again when the node runs again after an answer. A
    crash between the payment and the storing of its result is the one gap that no runtime can close
    from outside; so the payment's id is its idempotency key, as it would be at a bank.
    """
    if payment["id"] not in paid_before(audit):
        line = [payment["id"], payment["to"], f"{payment['amount']:.2f}", approved_by]
        with Path(audit).open("a", newline="", encoding="utf-8") as file:
            csv.writer(file).writerow(line)
    return payment["id"]


def paid_before(audit: str) -> set[str]:
    """Ids of the payments in the audit file."""
    if not Path(audit).exists():
        return set()
    with Path(audit).open(newline="", encoding="utf-8") as file:
        return {row[0] for row in csv.reader(file) if row}


def read(state: State) -> State:
    """Read the bills."""
    path = Path(state.get("file", HERE / "payments.csv"))
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    due: list[Payment] = [
        {"id": r["id"], "to": r["to"], "amount": float(r["amount"]), "reference": r["reference"]}
        for r in rows
    ]
    return {
        "due": due,
        "limit": state.get("limit", LIMIT),
        "audit": state.get("audit", "audit.csv"),
    }


def settle(state: State) -> State:
    """Pay what is small, ask about the rest, one after another."""
    paid: list[str] = []
    rejected: list[str] = []
    total = 0.0
    for payment in state["due"]:
        approved, approved_by = payment, "limit"
        if payment["amount"] > state["limit"]:
            decision = ask(payment, state["limit"])
            if decision.decision == "reject":
                rejected.append(payment["id"])
                continue
            approved, approved_by = reduced(payment, decision), "person"
        paid.append(pay(approved, approved_by, state["audit"]).result())
        total += approved["amount"]
    return {"paid": paid, "rejected": rejected, "total": round(total, 2)}


def ask(payment: Payment, limit: float) -> Decision:
    """Ask until the answer makes sense. The key keeps each answer with its own payment."""
    problem: str | None = None
    for attempt in range(1, 100):
        shown: dict[str, Any] = {**payment, "limit": limit}
        if problem is not None:
            shown["problem"] = problem
        decision = interrupt(
            shown,
            response_schema=Decision,
            key=f"{payment['id']}/{attempt}",
            title=f"Pay {payment['amount']:,.2f} to {payment['to']}?",
        )
        problem = problem_with(decision, payment)
        if problem is None:
            return decision
    raise ValueError(f"no usable decision about {payment['id']}")


def problem_with(decision: Decision, payment: Payment) -> str | None:
    """Why a decision cannot be carried out, or None."""
    if decision.decision != "pay less":
        return None
    if decision.amount is None:
        return "to pay less, say how much"
    if not 0 < decision.amount < payment["amount"]:
        return f"{decision.amount:,.2f} is not less than {payment['amount']:,.2f}"
    return None


def reduced(payment: Payment, decision: Decision) -> Payment:
    """The payment as it was approved."""
    if decision.decision == "pay less" and decision.amount is not None:
        return {**payment, "amount": decision.amount}
    return payment


builder = StateGraph(State)
builder.add_node("read", read)
builder.add_node("settle", settle)
builder.add_edge(START, "read")
builder.add_edge("read", "settle")
builder.add_edge("settle", END)
payments = builder.compile()
