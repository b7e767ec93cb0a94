"""One host has one spelling, and private addresses none that passes."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from oc.egress.addresses import public
from oc.egress.names import authority, normal
from oc.egress.policy import Patterns, Policy


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Example.COM", "example.com"),
        ("example.com.", "example.com"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("a_b.example", "a_b.example"),
        ("127.0.0.1", ip_address("127.0.0.1")),
        ("[::1]", ip_address("::1")),
        ("[::ffff:10.0.0.1]", ip_address("10.0.0.1")),
        ("::ffff:127.0.0.1", ip_address("127.0.0.1")),
    ],
)
def test_spellings_of_a_host_are_one(text: str, name: object) -> None:
    assert normal(text) == name


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "a..b",
        "2130706433",
        "0x7f000001",
        "0x7f.0.0.1",
        "0177.0.0.1",
        "127.1",
        "127.0.0.1.1",
        "127.0.0.0x1",
        "[::1",
        "[fe80::1%eth0]",
        "user@example.com",
        "exa mple.com",
        "example.com/",
        "example.com%00.evil",
        "-a.com",
        "a" * 64 + ".com",
        "a." * 130 + "com",
    ],
)
def test_what_programs_read_differently_is_no_host(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - its texts are nobody's concern
        normal(text)


@pytest.mark.parametrize("text", ["a:b", "a:0", "a:65536", "user@a:1", "user:pw@a:1", "a:1:2", "[::1]x:1", "a:1/x"])
def test_odd_authorities_are_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        authority(text)


def test_an_authority_has_a_host_and_perhaps_a_port() -> None:
    assert authority("Example.com:8443") == ("example.com", 8443)
    assert authority("[::1]:1") == (ip_address("::1"), 1)
    assert authority("example.com") == ("example.com", None)


@pytest.mark.parametrize(
    "text",
    [
        *("0.0.0.0", "0.1.2.3", "10.1.2.3", "100.64.0.1", "127.0.0.1", "127.255.0.1", "169.254.169.254", "172.16.0.1"),
        *("192.0.0.8", "192.168.1.1", "198.18.0.1", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255"),
        *("::", "::1", "fe80::1", "fc00::1", "ff02::1", "fec0::1", "64:ff9b::7f00:1", "2002:7f00:1::", "2001::1"),
        "168.63.129.16",
    ],
)
def test_no_address_inside_is_public(text: str) -> None:
    address = normal(text)
    assert not isinstance(address, str)
    assert not public(address)


@pytest.mark.parametrize("text", ["93.184.216.34", "1.1.1.1", "2606:2800:220:1:248:1893:25c8:1946"])
def test_addresses_of_the_internet_are_public(text: str) -> None:
    assert public(ip_address(text))


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("example.com", "example.com", True),
        ("EXAMPLE.com.", "example.com", True),
        ("example.com", "a.example.com", False),
        ("*.example.com", "a.b.example.com", True),
        ("*.example.com", "example.com", False),
        ("*.example.com", "badexample.com", False),
        ("*", "anything", True),
        ("a.*.com", "a.b.com", False),
        ("*example.com", "badexample.com", False),
    ],
)
def test_patterns(pattern: str, name: str, matches: bool) -> None:
    assert Patterns.of([pattern]).match(name) is matches


@pytest.mark.parametrize(
    ("address", "opens"),
    [("203.0.113.7", True), ("10.1.2.3", True), ("10.2.0.1", False), ("127.0.0.1", False), ("169.254.169.254", False)],
)
def test_a_network_opens_the_internet_and_what_the_host_adds(address: str, opens: bool) -> None:
    policy = Policy("sb-1", False, None, (ip_network("0.0.0.0/0"),), (), private=(ip_network("10.1.0.0/16"),))
    assert policy.opens(ip_address(address)) is opens


def test_deny_all_closes_names_and_addresses() -> None:
    policy = Policy("sb-1", True, None, (ip_network("10.0.0.0/8"),), ())
    assert not policy.names("example.com")
    assert not policy.opens(ip_address("10.0.0.1"))
