from __future__ import annotations

from oc.store.queries import QUERIES, bind


def test_lists_are_spread_and_texts_are_not() -> None:
    sql, bound = bind("sandboxes_in", {"org_id": "ab", "statuses": ("x", "y")})
    assert "IN (:statuses_0, :statuses_1)" in sql
    assert bound == {"org_id": "ab", "statuses_0": "x", "statuses_1": "y"}


def test_statements_hold_no_values() -> None:
    """All that comes from outside is a parameter."""
    assert all("%" not in sql and "{" not in sql for sql in QUERIES.values())
