"""Token buckets, and whose they are."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from starlette.requests import HTTPConnection

from oc.model.errors import TooMany
from oc.server.peer import address
from oc.web import limits
from oc.web.limits import Limit, network


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    made = SimpleNamespace(at=0.0)
    monkeypatch.setattr(limits, "time", SimpleNamespace(monotonic=lambda: made.at))
    return made


def test_a_bucket_is_emptied_and_fills_again_drop_by_drop(clock: SimpleNamespace) -> None:
    limit = Limit(3, period_s=30)
    for _ in range(3):
        limit.take("a")
    with pytest.raises(TooMany) as refused:
        limit.take("a")
    assert refused.value.details == {"retry_after": 10}
    limit.take("b")
    clock.at = 9.5
    with pytest.raises(TooMany):
        limit.take("a")
    clock.at = 10.0
    limit.take("a")
    with pytest.raises(TooMany):
        limit.take("a")
    clock.at = 1000.0
    for _ in range(3):
        limit.take("a")


def test_what_is_given_back_can_be_taken_again_and_no_more(clock: SimpleNamespace) -> None:
    limit = Limit(1)
    limit.give_back("a")
    limit.take("a")
    limit.give_back("a")
    limit.give_back("a")
    limit.take("a")
    with pytest.raises(TooMany):
        limit.take("a")


def test_no_more_keys_are_remembered_than_there_may_be(clock: SimpleNamespace) -> None:
    limit = Limit(1, most=2)
    for key in "abc":
        limit.take(key)
    limit.take("a")  # forgotten
    with pytest.raises(TooMany):
        limit.take("c")


def connection(peer: str, forwarded: str = "") -> HTTPConnection:
    headers = [(b"x-forwarded-for", forwarded.encode())] if forwarded else []
    return HTTPConnection({"type": "http", "client": (peer, 1), "headers": headers})


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("192.0.2.1", "", "192.0.2.1"),
        ("192.0.2.1", "198.51.100.1", "192.0.2.1"),  # a stranger says so
        ("127.0.0.1", "198.51.100.1, 192.0.2.2", "192.0.2.2"),
        ("::1", "2001:db8::5", "2001:db8::5"),
        ("127.0.0.1", "unknown", "127.0.0.1"),
        ("127.0.0.1", "<script>", "127.0.0.1"),
        ("127.0.0.1", "fe80::1%<b>", "127.0.0.1"),
    ],
)
def test_whose_address_counts(peer: str, forwarded: str, expected: str) -> None:
    assert address(connection(peer, forwarded)) == expected


def test_all_addresses_of_an_ipv6_customer_count_as_one() -> None:
    assert network(connection("2001:db8:1:2::1")) == network(connection("2001:db8:1:2:ffff::")) == "2001:db8:1:2::/64"
    assert network(connection("192.0.2.1")) == "192.0.2.1"
