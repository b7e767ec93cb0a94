"""What is derived from the table of calls."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import combinations
from typing import Any

from oc.api import page
from oc.api.calls import CALLS
from oc.api.openapi import document
from oc.api.timestamps import rfc3339


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield from [value] if key == "$ref" else references(value)
    elif isinstance(node, list):
        for item in node:
            yield from references(item)


def test_document_describes_every_call_and_refers_to_nothing_missing() -> None:
    made = document()
    described = {operation["operationId"] for path in made["paths"].values() for operation in path.values()}
    assert described == {call.name for call in CALLS}
    assert set(references(made)) <= {f"#/components/schemas/{name}" for name in made["components"]["schemas"]}


def test_literal_paths_come_before_parameters_that_would_take_them() -> None:
    for earlier, later in combinations(CALLS, 2):
        shape = re.sub(r"{\w+}", "[^/]+", earlier.path)
        hidden = earlier.method == later.method and re.fullmatch(shape, later.path)
        assert not hidden, f"{earlier.name} hides {later.name}"


def test_every_call_says_how_it_is_refused_without_a_key() -> None:
    assert all(401 in call.problems for call in CALLS)


def test_page_shows_every_call_and_asks_no_other_host() -> None:
    text = page.render()
    assert all(f"id={call.name}" in text for call in CALLS)
    assert not re.search(r"(src|href)=\"?(https?:)?//", text)


def test_times_are_what_go_clients_parse() -> None:
    assert rfc3339(0) == "1970-01-01T00:00:00.000000Z"
    assert rfc3339(None) is None
