"""Patterns of host names: which there may be, and what each means."""

from __future__ import annotations

import pytest

from oc.model.egress import matches
from oc.model.errors import BadRequest, TooLarge
from oc.server.patterns import MOST, patterns


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("api.example.com", "api.example.com"),
        (" API.Example.COM. ", "api.example.com"),
        ("*.example.com", "*.example.com"),
        ("*", "*"),
        ("localhost", "localhost"),
        ("_dmarc.example.com", "_dmarc.example.com"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("a" * 63 + ".example", "a" * 63 + ".example"),
    ],
)
def test_a_pattern_is_kept_in_lower_case(text: str, kept: str) -> None:
    assert patterns("f", [text]) == (kept,)


@pytest.mark.parametrize(
    "text",
    [
        "", " ", ".", "https://example.com", "example.com/path", "example.com:443", "user@example.com", "a b",
        "*example.com", "**", "*.", "*.*", "a.*.com", "-a.com", "a-.com", "a..com", ".com", "bücher.example",
        "a" * 64 + ".com", "a." * 127 + "com", "a\n", "a\0", "a\nb", "\u212a.com", "[::1]", "%2e",
    ],
)  # fmt: skip
def test_what_is_no_pattern_is_refused_by_the_name_of_its_field(text: str) -> None:
    if text == "a\n":  # blanks at the ends are typed by mistake
        assert patterns("f", [text]) == ("a",)
        return
    with pytest.raises(BadRequest, match=r"^allowedHosts: "):
        patterns("allowedHosts", [text])


def test_each_is_kept_once_in_order_and_no_more_than_there_may_be() -> None:
    assert patterns("f", ["b", "a", "B."]) == ("b", "a")
    many = [f"h{number}" for number in range(MOST + 1)]
    assert len(patterns("f", many[:-1])) == MOST
    with pytest.raises(TooLarge, match="at most 200"):
        patterns("f", many)


@pytest.mark.parametrize(
    ("pattern", "host", "does"),
    [
        ("example.com", "example.com", True),
        ("example.com", "www.example.com", False),
        ("example.com", "example.com.evil", False),
        ("*.example.com", "www.example.com", True),
        ("*.example.com", "a.b.example.com", True),
        ("*.example.com", "example.com", False),
        ("*.example.com", "evilexample.com", False),
        ("*", "example.com", True),
    ],
)
def test_what_a_pattern_matches(pattern: str, host: str, does: bool) -> None:
    assert matches(pattern, host) is does
