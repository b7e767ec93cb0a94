"""What governed sandboxes were refused, as their owners are told it."""

from __future__ import annotations

from pathlib import Path

from oc.worker.violations import KEPT, LONGEST_TEXT, Violations

ID, OTHER = "sb-00000001", "sb-00000002"


def test_tries_of_one_thing_are_one_entry_and_the_newest_comes_first() -> None:
    violations = Violations(Path("/nowhere"))
    for host in ("a.test", "a.test", "b.test", "a.test"):
        violations.note(ID, host, 53, "not allowed")
    assert [each.host for each in violations.of(ID)] == ["a.test", "b.test", "a.test"]
    assert violations.of(OTHER) == []


def test_a_hostile_sandbox_fills_neither_the_list_nor_an_entry() -> None:
    violations = Violations(Path("/nowhere"))
    for number in range(2 * KEPT):
        violations.note(ID, f"{number}.{'x' * 1000}", 53, "y" * 1000)
    kept = violations.of(ID)
    assert len(kept) == KEPT
    assert kept[0].host.startswith(f"{2 * KEPT - 1}.")
    assert max(len(kept[0].host), len(kept[0].reason)) == LONGEST_TEXT
    violations.forget(ID)
    assert violations.of(ID) == []
