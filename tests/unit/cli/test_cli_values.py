"""Values of flags: read as documented, refused in words."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Callable

import pytest

from oc.cli.values import merged, natural, pair, pairs, positive, processors


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A=1", {"A": "1"}),
        ("A=1,B=2", {"A": "1", "B": "2"}),
        ("A=1,2,B=x=y", {"A": "1,2", "B": "x=y"}),
        ("A=", {"A": ""}),
        ('"A=1,B=2"', {"A": "1,B=2"}),
        ("A=line one\nline two", {"A": "line one\nline two"}),
    ],
)
def test_pairs_are_separated_by_commas_that_begin_a_new_one(text: str, expected: dict[str, str]) -> None:
    assert merged([pairs(text)]) == expected


def test_a_single_pair_keeps_its_commas() -> None:
    assert pair("A=1,B=2") == ("A", "1,B=2")


def test_last_of_a_name_wins() -> None:
    assert merged([pairs("A=1"), pairs("A=2")]) == {"A": "2"}


@pytest.mark.parametrize("text", ["", "novalue", "=x", "novalue,A=1"])
def test_what_is_no_pair_is_named(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="KEY=VALUE"):
        pairs(text)


@pytest.mark.parametrize(
    ("read", "text"),
    [(natural, text) for text in ("", "-1", "1.5", "lots", "1e3", "٣", "9" * 30, "10s")]
    + [(positive, text) for text in ("0", "-1", "many")]
    + [(processors, text) for text in ("", "-1", "nan", "inf", "two")],
)
def test_what_is_no_number_is_refused(read: Callable[[str], object], text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="is not a"):
        read(text)


def test_processors_may_be_parts() -> None:
    assert [processors(text) for text in ("2", "2.0", "0.25")] == [2, 2, 0.25]
    assert isinstance(processors("2.0"), int)
