from __future__ import annotations

import pytest
from starlette.requests import Request

from oc.api.calls import CALLS
from oc.server.target import forwarded, returned, target

READ = next(call for call in CALLS if call.name == "readFile")


@pytest.mark.parametrize(
    ("query", "passed"),
    [
        ("path=%2Fa%20b&x=1", "path=%2Fa%20b&x=1"),
        ("api_key=osb_1&path=/a", "path=/a"),
        ("path=/a&api%5Fkey=osb_1&token=t", "path=/a"),
        ("path=api_key", "path=api_key"),
        ("", ""),
    ],
)
def test_query_goes_on_as_it_was_written_without_credentials(query: str, passed: str) -> None:
    request = Request(
        {"type": "http", "headers": [], "query_string": query.encode(), "path_params": {"id": "sb-00000000"}}
    )
    assert target(request, READ) == "/sandboxes/sb-00000000/files" + (f"?{passed}" if passed else "")


def test_credentials_and_headers_of_one_hop_stay_here() -> None:
    sent = [
        (b"host", b"public"),
        (b"connection", b"close, X-Hop"),
        (b"x-hop", b"1"),
        (b"te", b"trailers"),
        (b"x-api-key", b"osb_1"),
        (b"authorization", b"Bearer osb_1"),
        (b"cookie", b"session=1"),
        (b"x-request-id", b"forged"),
        (b"content-type", b"text/plain"),
    ]
    assert forwarded(sent, "mine") == [
        (b"host", b"worker"),
        (b"content-type", b"text/plain"),
        (b"x-request-id", b"mine"),
    ]


def test_answers_lose_only_what_is_of_their_hop() -> None:
    sent = [(b"Date", b"now"), (b"Transfer-Encoding", b"chunked"), (b"Content-Length", b"3"), (b"X-Own", b"1")]
    assert returned(sent) == [(b"content-length", b"3"), (b"x-own", b"1")]
