"""Rows of the audit log: whose they are, and how much of them one question looks at."""

from __future__ import annotations

from pathlib import Path

import pytest

from oc.store import audit
from oc.store.audit import EVERYWHERE, LONGEST_ACTOR, LONGEST_OBJECT, Entry, Place, Question, by_host
from oc.store.store import Store
from tests.integration.store.test_store_nouns import run

NEWEST = Place(1 << 62, "")


def entry(org: str, at: int, call: str = "c", actor: str = "a", object: str = "") -> Entry:
    return Entry(org_id=org, at=at, actor=actor, actor_kind="key", call=call, object=object)


def test_what_is_done_on_the_host_is_told_to_every_organization(tmp_path: Path) -> None:
    async def test(store: Store, org: str) -> None:
        other = (await store.accounts.ensure_organization("other")).id
        await store.audit.add([by_host(EVERYWHERE, "rotateMasterKey"), by_host(org, "createKey", "k")])
        found = {id: (await store.audit.page(id, Question(), NEWEST, 10))[0] for id in (org, other)}
        assert sorted(one.call for one in found[org]) == ["createKey", "rotateMasterKey"]
        assert [(one.call, one.actor, one.address, one.status) for one in found[other]] == [
            ("rotateMasterKey", "host", "", 0)
        ]

    run(tmp_path, test)


def test_a_page_looks_at_so_many_and_says_where_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "MOST_SCANNED", 10)

    async def test(store: Store, org: str) -> None:
        await store.audit.add([entry(org, number // 3, "rare" if number in {2, 28} else "c") for number in range(35)])
        found: list[list[int]] = []
        before: Place | None = NEWEST
        while before is not None:
            entries, before = await store.audit.page(org, Question(call="rare"), before, 5)
            found.append([one.at for one in entries])
        assert found == [[9], [], [], [0]]

    run(tmp_path, test)


def test_entries_of_one_instant_are_neither_lost_nor_told_twice(tmp_path: Path) -> None:
    async def test(store: Store, org: str) -> None:
        await store.audit.add([entry(org, 1, object=str(number)) for number in range(7)])
        seen: list[str] = []
        before: Place | None = NEWEST
        while before is not None:
            entries, before = await store.audit.page(org, Question(), before, 2)
            seen += [one.object for one in entries]
        assert sorted(seen) == [str(number) for number in range(7)]

    run(tmp_path, test)


def test_marks_of_patterns_are_letters_like_others(tmp_path: Path) -> None:
    async def test(store: Store, org: str) -> None:
        await store.audit.add([entry(org, 1, actor="a_b%c!d Ä", object="x/A_B/y")])
        for actor, object, number in (
            ("a_b%c!d", "", 1), ("A_B%", "", 1), ("a%d", "", 0), ("axb", "", 0), ("!", "", 1),
            ("", "A_B", 1), ("", "x/A_B", 1), ("", "AxB", 0), ("", "A", 0), ("", "%", 0),
        ):  # fmt: skip
            entries, _ = await store.audit.page(org, Question(actor=actor, object=object), NEWEST, 10)
            assert len(entries) == number, (actor, object)

    run(tmp_path, test)


def test_texts_are_bounded(tmp_path: Path) -> None:
    async def test(store: Store, org: str) -> None:
        await store.audit.add([entry(org, 1, actor="a" * 9999, object="o" * 9999)])
        ((one,), _) = await store.audit.page(org, Question(), NEWEST, 10)
        assert (len(one.actor), len(one.object)) == (LONGEST_ACTOR, LONGEST_OBJECT)

    run(tmp_path, test)
