from __future__ import annotations

import pytest

from oc.model.errors import BadRequest
from oc.server.preview_names import Names, normal, place
from oc.settings import Settings

PUBLIC = Settings(public_url="https://oc.example.com", domain="preview.example.net", listen="127.0.0.1:8080")
ID = "sb-1a2b3c4d"


@pytest.mark.parametrize(
    ("host", "found"),
    [
        (f"{ID}-p3000.localhost", (ID, 3000)),
        (f"{ID}-p3000.localhost:8080", (ID, 3000)),
        (f"{ID.upper()}-P3000.LocalHost.", (ID, 3000)),
        (f"{ID}-p65535.any.parent.example", (ID, 65535)),
        (f"{ID}-p1.a", (ID, 1)),
        (f"{ID}-p3000", None),
        (f"{ID}-p3000.", None),
        (f"{ID}-p0.localhost", None),
        (f"{ID}-p080.localhost", None),
        (f"{ID}-p65536.localhost", None),
        (f"{ID}-p99999999999999999999.localhost", None),
        (f"{ID}-p٣.localhost", None),
        (f"{ID}-p3000x.localhost", None),
        (f"{ID}.localhost", None),
        ("sb-1a2b3c4-p3000.localhost", None),
        ("sb-1a2b3c4g-p3000.localhost", None),
        (f"x{ID}-p3000.localhost", None),
        (f"www.{ID}-p3000.localhost", None),
        (f"{ID}-p3000..localhost", None),
        (f"{ID}-p3000.localhost\n", None),
        (f"{ID}-p3000.localhost/x", None),
        (f"{ID}-p3000.localhost@evil.example", None),
        (f"{ID}-p3000.localhost:80:80", None),
        (f"{ID}-p3000.127.0.0.1", None),
        (f"{ID}-p3000.{'a.' * 120}example", None),
        ("[::1]:8080", None),
        ("", None),
    ],
)
def test_host_says_sandbox_and_port_or_is_no_preview(host: str, found: tuple[str, int] | None) -> None:
    assert place(normal(host)) == found


@pytest.mark.parametrize(
    ("settings", "own", "brought"),
    [
        (PUBLIC, f"https://{ID}-p80.preview.example.net", "https://app.example.org"),
        (Settings(listen="127.0.0.1:8081"), f"http://{ID}-p80.localhost:8081", "http://app.example.org:8081"),
        (Settings(listen="[::1]:80"), f"http://{ID}-p80.localhost", "http://app.example.org"),
        (
            Settings(public_url="https://oc.example.com:8443"),
            f"https://{ID}-p80.localhost:8443",
            "https://app.example.org:8443",
        ),
    ],
)
def test_url_is_where_people_reach_this_server(settings: Settings, own: str, brought: str) -> None:
    names = Names(settings)
    assert names.url(names.hostname(ID, 80)) == own
    assert names.url("app.example.org") == brought


@pytest.mark.parametrize("name", ["App.Example.org", "app.example.org.", "xn--bcher-kva.example", "a-b.c.d.example"])
def test_name_that_somebody_brings_is_kept_in_lower_case(name: str) -> None:
    kept = Names(PUBLIC).custom(name)
    assert kept == name.lower().removesuffix(".")
    assert Names(PUBLIC).may_be_custom(kept)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("bücher.example", "xn--"),
        ("app.example.org:443", "port"),
        ("https://app.example.org", "scheme"),
        ("192.0.2.1", "address"),
        ("2001:db8::1", "port"),
        ("app", "two"),
        ("app..example.org", "labels"),
        ("-app.example.org", "labels"),
        ("app_1.example.org", "labels"),
        ("app.example.org\n", "labels"),
        ("*.example.org", "labels"),
        ("app.example.123", "labels"),
        (f"{'a' * 64}.example.org", "labels"),
        (f"{'a.' * 130}org", "253"),
        ("preview.example.net", "own"),
        (f"{ID}-p80.preview.example.net", "own"),
        ("oc.example.com", "own"),
        ("example.com", "own"),
        ("www.oc.example.com", "own"),
        ("example.net", "own"),
        ("app.localhost", "own"),
    ],
)
def test_name_that_cannot_be_brought_is_refused_with_the_reason(name: str, why: str) -> None:
    with pytest.raises(BadRequest, match=r"^domain ") as refused:
        Names(PUBLIC).custom(name)
    assert why in refused.value.text


@pytest.mark.parametrize(
    "name", ["oc.example.com", "localhost", "preview.example.net", "x.preview.example.net", "127.0.0.1", "host", ""]
)
def test_own_names_are_not_looked_up(name: str) -> None:
    assert not Names(PUBLIC).may_be_custom(name)
