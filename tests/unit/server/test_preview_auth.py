"""The token of previews: what may be asked for at create, and what opens the door (contract 2.1.1, 2.9.2)."""

from __future__ import annotations

import re

import pytest

from oc.api.bodies import PreviewAuth
from oc.model.errors import BadRequest, Unauthorized
from oc.server.preview_door import unlock
from oc.server.wishes import preview_token
from oc.store.accounts import digest

SECRET = "correct-horse-battery"
HASH = digest(SECRET)
OWN, BEARER = (b"x-oc-preview-token", SECRET.encode()), (b"authorization", b"Bearer " + SECRET.encode())


@pytest.mark.parametrize("asked", ["", "auto"])
def test_token_is_made_up_when_none_is_given(asked: str) -> None:
    tokens = {preview_token(PreviewAuth(token=asked)) for _ in range(3)}
    assert len(tokens) == 3
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{43}", token or "") for token in tokens)


def test_token_of_ones_own_is_kept_and_none_is_none() -> None:
    assert preview_token(PreviewAuth(token="x" * 16)) == "x" * 16
    assert preview_token(None) is None


@pytest.mark.parametrize(
    ("auth", "field"),
    [
        (PreviewAuth(token="x" * 15), "previewAuth.token"),
        (PreviewAuth(token="x" * 1025), "previewAuth.token"),
        (PreviewAuth(token="fifteen letters and blanks"), "previewAuth.token"),
        (PreviewAuth(token="x" * 16 + "\n"), "previewAuth.token"),
        (PreviewAuth(token="ü" * 16), "previewAuth.token"),
        (PreviewAuth(scheme="basic", token="auto"), "previewAuth.scheme"),
        (PreviewAuth(scheme=""), "previewAuth.scheme"),
    ],
)
def test_unusable_token_is_refused_and_the_field_is_named(auth: PreviewAuth, field: str) -> None:
    with pytest.raises(BadRequest, match=f"^{field} must be"):
        preview_token(auth)


@pytest.mark.parametrize(
    ("headers", "spent"),
    [
        ([OWN], {b"x-oc-preview-token"}),
        ([BEARER], {b"authorization"}),
        ([(b"authorization", b"bEARER  " + SECRET.encode() + b" ")], {b"authorization"}),
        ([OWN, (b"authorization", b"Basic cGFnZTpwYWdl")], {b"x-oc-preview-token"}),
        ([OWN, (b"authorization", b"Bearer the-page's-own")], {b"x-oc-preview-token"}),
        ([OWN, BEARER], {b"x-oc-preview-token", b"authorization"}),
        ([(b"x-oc-preview-token", b""), BEARER], {b"authorization"}),
    ],
)
def test_token_opens_and_is_named_for_removal(headers: list[tuple[bytes, bytes]], spent: set[bytes]) -> None:
    assert unlock(HASH, headers) == spent


@pytest.mark.parametrize(
    ("headers", "text"),
    [
        ([], "preview URL requires authentication"),
        ([(b"cookie", SECRET.encode())], "preview URL requires authentication"),
        ([(b"authorization", b"Basic " + SECRET.encode())], "preview URL requires authentication"),
        ([(b"authorization", b"Bearer")], "preview URL requires authentication"),
        ([(b"x-oc-preview-token", b"wrong")], "invalid preview token"),
        ([(b"x-oc-preview-token", b"wrong"), BEARER], "invalid preview token"),
        ([(b"x-oc-preview-token", b"wrong"), OWN], "invalid preview token"),
        ([(b"authorization", b"Bearer " + HASH.encode())], "invalid preview token"),
        ([(b"authorization", b"Bearer \xff\xfe")], "invalid preview token"),
    ],
)
def test_anything_else_is_refused_as_the_contract_says(headers: list[tuple[bytes, bytes]], text: str) -> None:
    with pytest.raises(Unauthorized) as refused:
        unlock(HASH, headers)
    assert (refused.value.status, refused.value.text) == (401, text)


def test_open_door_leaves_the_headers_to_the_page() -> None:
    assert unlock(None, [OWN, BEARER]) == frozenset()
