"""What a patch is for each kind of change, and that it is the smallest."""

from __future__ import annotations

from typing import Any

import pytest

from caesura.core.patch import GONE, apply, diff, shadow

A, B, C, D = ({"id": n} for n in "abcd")


@pytest.mark.parametrize(
    ("old", "new", "change"),
    [
        ([A, B], [A, B, C], ("l", 2, 0, [C])),
        ([A, B, C], [A, C], ("l", 1, 1, [])),
        ([A, B, C], [A, D, C], ("l", 1, 1, [D])),
        ([A, C], [A, B, C], ("l", 1, 0, [B])),
        ([A, A], [A], ("l", 1, 1, [])),
        ([A], [B], ("s", [B])),
        ([], [A], ("l", 0, 0, [A])),
        ([A, B], [], ("s", [])),
        ({"k": A}, {"k": A, "n": B}, ("d", {"n": ("s", B)}, [])),
        ({"k": A, "n": B}, {"k": A}, ("d", {}, ["n"])),
        ({"k": A, "m": [A]}, {"k": A, "m": [A, B]}, ("d", {"m": ("l", 1, 0, [B])}, [])),
        ({"k": A, "n": B}, {"n": B, "k": A}, ("s", {"n": B, "k": A})),
        (1, 2, ("s", 2)),
        ([A], {"k": A}, ("s", {"k": A})),
    ],
)
def test_a_change_becomes_its_smallest_patch(old: Any, new: Any, change: Any) -> None:
    assert diff(shadow(old), new) == change
    assert apply(old, change) == new


@pytest.mark.parametrize("value", [[A, B], {"k": {"deep": [A]}}, "text", None, 7])
def test_no_change_is_no_patch(value: Any) -> None:
    assert diff(shadow(value), value) is None


def test_a_list_changed_in_place_is_noticed() -> None:
    value = [A]
    before = shadow(value)
    value.append(B)
    assert diff(before, value) == ("l", 1, 0, [B])


def test_a_nested_dict_changed_in_place_is_noticed() -> None:
    value = {"k": {"deep": [A]}}
    before = shadow(value)
    value["k"]["deep"].append(B)
    change = diff(before, value)
    assert change is not None
    assert apply({"k": {"deep": [A]}}, change) == {"k": {"deep": [A, B]}}


def test_comparing_never_calls_the_code_of_values() -> None:
    class Touchy:
        def __eq__(self, other: object) -> bool:
            raise AssertionError("compared by value")

        __hash__ = None  # type: ignore[assignment]

    one, two = Touchy(), Touchy()
    assert diff(shadow([one]), [one, two]) == ("l", 1, 0, [two])
    change = diff(shadow({"k": one, "same": A}), {"k": two, "same": A})
    assert change is not None
    assert change[0] == "d"


def test_applying_leaves_the_old_value_alone_unless_told_otherwise() -> None:
    old: dict[str, Any] = {"m": [A], "gone": 1}
    change = ("d", {"m": ("l", 1, 0, [B])}, ["gone"])
    assert apply(old, change) == {"m": [A, B]}
    assert old == {"m": [A], "gone": 1}
    assert apply(old, change, in_place=True) is old
    assert old == {"m": [A, B]}


def test_an_unknown_patch_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown patch kind 'g'"):
        apply([], GONE)
