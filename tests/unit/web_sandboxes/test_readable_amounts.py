"""Times and amounts as people read them, and numbers as they type them."""

from __future__ import annotations

from unittest.mock import patch

import pytest

from oc.api.timestamps import SECOND, rfc3339
from oc.web import amounts, typed

NOW = 1_800_000_000 * SECOND


@pytest.mark.parametrize(
    ("seconds", "text"), [(-3, "0 s"), (0, "0 s"), (59, "59 s"), (61, "1 min"), (7199, "1 h"), (90_000, "1 d")]
)
def test_an_age_is_told_in_its_largest_unit(seconds: int, text: str) -> None:
    instant = NOW - seconds * SECOND
    with patch.object(amounts, "now", lambda: NOW):
        assert amounts.age(instant) == text
        assert amounts.age(rfc3339(instant) or "") == text


@pytest.mark.parametrize(("seconds", "text"), [(0, "0 s"), (90, "1 min 30 s"), (3600, "1 h"), (86_460, "1 d 1 min")])
def test_a_duration_is_exact(seconds: int, text: str) -> None:
    assert amounts.duration(seconds) == text


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 B"), (999, "999 B"), (1 << 10, "1 KiB"), (854 << 20, "854 MiB"), (5 << 40, "5 TiB")]
)
def test_a_size_has_three_figures(number: int, text: str) -> None:
    assert amounts.size(number) == text


@pytest.mark.parametrize(
    ("text", "number"), [("", None), (" 5 ", 5), ("0.25", 0.25), ("many", "many"), ("1e400", "1e400"), ("nan", "nan")]
)
def test_a_number_that_is_none_is_left_to_the_api(text: str, number: object) -> None:
    assert typed.number(text) == number
