"""Each example does what its first lines say, also when it is killed in the middle."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from .terminal import EXAMPLES, Shell

PAYMENTS = str(EXAMPLES / "payments.py")
LARGE = ["P-1003", "P-1006", "P-1008", "P-1010"]


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def audit(shell: Shell) -> list[list[str]]:
    """The lines of the audit file."""
    with (shell.folder / "audit.csv").open(newline="") as file:
        return list(csv.reader(file))


def test_payments_asks_about_the_large_ones_only(shell: Shell) -> None:
    said = shell.type(
        ["run", PAYMENTS],
        *("approve", "", ""),  # P-1003
        *("reject", "", "too dear"),  # P-1006
        *("pay less", "15000", ""),  # P-1008
        *("approve", "", ""),  # P-1010
    )
    assert said.code == 0, said.err
    lines = audit(shell)
    with (EXAMPLES / "payments.csv").open(newline="") as file:
        everything = [row["id"] for row in csv.DictReader(file)]
    assert [line[0] for line in lines] == [one for one in everything if one != "P-1006"]
    amounts = {line[0]: (line[2], line[3]) for line in lines}
    assert amounts["P-1008"] == ("15000.00", "person")
    assert amounts["P-1001"] == ("84.20", "limit")
    assert [one for one in everything if amounts.get(one, ("", "person"))[1] == "person"] == LARGE


def test_payments_asks_again_when_a_decision_makes_no_sense(shell: Shell) -> None:
    with shell.terminal("run", PAYMENTS) as terminal:
        for text in ("pay less", "", ""):
            terminal.answer(text)
        assert "82,000.00 to ACME" in terminal.wait_for("to pay less, say how much")
        for text in ("pay less", "90000", ""):
            terminal.answer(text)
        terminal.wait_for("90,000.00 is not less than 82,000.00")


def test_payments_killed_at_every_question_pays_each_bill_once(shell: Shell) -> None:
    for number, bill in enumerate(LARGE):
        with shell.terminal("run", PAYMENTS) as terminal:
            terminal.wait_for(bill)
            for text in ("approve", "", ""):
                terminal.answer(text)
            following = LARGE[number + 1] if number + 1 < len(LARGE) else None
            if following is None:
                assert terminal.rest().code == 0
            else:
                terminal.wait_for(following)
                terminal.kill()
    paid = [line[0] for line in audit(shell)]
    assert len(paid) == len(set(paid)) == 12


def test_draft_is_revised_until_it_is_accepted(shell: Shell) -> None:
    draft = ["run", str(EXAMPLES / "draft.py"), "--input", '{"topic": "tea"}', "--json"]
    said = shell.run(*draft)
    for answer in ("more milk", "less sugar", "accept"):
        asked = said.lines[-1]["interrupts"][0]["id"]
        said = shell.run("answer", asked, answer, "--json")
    assert said.code == 0, said.err
    output = said.lines[-1]["output"]
    assert output["wishes"] == ["more milk", "less sugar"]
    assert "(2) less sugar." in output["draft"]


def test_tool_calls_are_approved_edited_or_rejected(shell: Shell) -> None:
    said = shell.run(
        "run", str(EXAMPLES / "tool_review.py"), "--input", '{"wish": "tidy"}', "--json"
    )
    for answer in (
        '{"decision": "reject", "reason": "keep it"}',
        '{"decision": "edit", "arguments": {"to": "team@example.org"}}',
    ):
        asked = said.lines[-1]["interrupts"][0]["id"]
        said = shell.run("answer", asked, answer, "--json")
    assert said.code == 0, said.err
    assert said.lines[-1]["output"]["log"] == [
        "list_files(folder=/reports): done",
        "delete_file: rejected, keep it",
        "send_mail(to=team@example.org, text=All tidy.): done",
    ]


def test_the_form_ends_when_all_four_are_answered_in_any_order(shell: Shell) -> None:
    said = shell.run("run", str(EXAMPLES / "form.py"), "--input", '{"name": "Ada"}', "--json")
    asked = {item["title"]: item["id"] for item in said.lines[-1]["interrupts"]}
    assert list(asked) == ["Day for Ada", "Seats", "Food", "Guests"]
    answers = {"Guests": '["Grace"]', "Food": "yes", "Day for Ada": "Friday", "Seats": "2"}
    for number, (title, text) in enumerate(answers.items(), 1):
        said = shell.run("answer", asked[title], text, "--json")
        assert said.code == (0 if number == len(answers) else 3), said.err
    assert said.lines[-1]["output"]["booking"] == {
        "day": "Friday",
        "seats": 2,
        "vegetarian": True,
        "guests": ["Grace"],
    }


def test_the_form_is_filled_at_a_terminal(shell: Shell) -> None:
    said = shell.type(
        ["run", str(EXAMPLES / "form.py"), "--input", '{"name": "Ada"}', "--json"][:-1],
        *("Friday", "2", "no", "Grace", ""),
    )
    assert said.code == 0, said.err
    assert "Grace" in said.out


def test_the_essay_is_written_once_for_each_round(shell: Shell) -> None:
    said = shell.type(
        ["run", str(EXAMPLES / "essay.py"), "--input", '"pauses"'],
        *("no", "silence", "yes", ""),
    )
    assert said.code == 0, said.err
    assert "It also considers silence." in said.out
    assert "rounds  2" in said.out


def test_no_letter_is_sent_twice_and_a_person_says_whether_one_was(shell: Shell) -> None:
    addresses = ["ada@example.org", "nowhere", "grace@example.invalid", "joan@example.invalid"]
    letters = ["run", str(EXAMPLES / "letters.py")]
    said = shell.run(*letters, "--input", json.dumps(addresses), "--json")
    assert said.code == 3, said.err
    assert said.lines[-1]["interrupts"][0]["title"] == "Did `send` happen?"
    said = shell.type(letters, "1", "found in the outbox", "3")
    assert said.code == 0, said.err
    assert (shell.folder / "outbox.txt").read_text().split() == [
        address for address in addresses if "@" in address
    ]
    for told in ("receipt for ada@example.org", "found in the outbox", "joan@example.invalid"):
        assert told in said.out
