"""However a stream is cut, the same comes out as of the whole; and no more is held back than must be."""

from __future__ import annotations

import base64
import html
import json
import re
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oc.egress import redact, replace, swap
from oc.egress.policy import Secret
from oc.egress.replace import Stream, Words

# Few letters, so that words overlap, contain each other and begin at the ends of pieces.
TEXT = st.binary(max_size=60).map(lambda data: bytes(b"ab-"[byte % 3] for byte in data))
WORDS = st.dictionaries(TEXT.filter(bool), st.binary(max_size=5), max_size=8)


def expected(words: dict[bytes, bytes], data: bytes) -> bytes:
    longest_first = sorted(words, key=len, reverse=True)
    pattern = b"|".join(map(re.escape, longest_first)) if words else b"(?!)"
    return re.sub(pattern, lambda match: words[match[0]], data, flags=re.DOTALL)


@given(words=WORDS, pieces=st.lists(TEXT, max_size=8))
@pytest.mark.parametrize("few", [0, 64])
def test_pieces_make_what_the_whole_makes(few: int, words: dict[bytes, bytes], pieces: list[bytes]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(replace, "FEW", few)
        stream = Stream(Words(words))
        out = b"".join([*(stream.feed(piece) for piece in pieces), stream.finish()])
    assert out == expected(words, b"".join(pieces))
    assert out == Words(words).whole(b"".join(pieces))


@given(words=WORDS, pieces=st.lists(TEXT, max_size=8))
def test_only_the_beginning_of_a_word_is_held_back(words: dict[bytes, bytes], pieces: list[bytes]) -> None:
    stream = Stream(Words(words))
    for piece in pieces:
        stream.feed(piece)
        assert not stream.held or any(word.startswith(stream.held) and word != stream.held for word in words)


def secret(value: str, number: int = 1) -> Secret:
    return Secret("NAME", f"osb_sealed_{number:032x}", value, None)


@given(before=st.binary(max_size=7), value=st.text(min_size=16, max_size=40), after=st.binary(max_size=7))
def test_base64_of_anything_around_a_value_hides_it(before: bytes, value: str, after: bytes) -> None:
    words = redact.words([secret(value)])
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        encoded = encode(before + value.encode() + after)
        assert b"osb_sealed_" in words.whole(encoded)


@pytest.mark.parametrize(
    "spell",
    [
        str,
        json.dumps,
        html.escape,
        quote,
        quote_plus,
        lambda value: quote(value, safe=""),
        lambda value: re.sub("%..", lambda match: match[0].lower(), quote(value, safe="")),
        lambda value: json.dumps(value).replace("/", "\\/"),
    ],
)
def test_every_spelling_of_a_value_is_redacted(spell: object) -> None:
    value = 'top/secret+"ü" & <more>'
    assert callable(spell)
    out = redact.words([secret(value)]).whole(b"[" + spell(value).encode() + b"]")
    assert out.strip(b'["]') == secret(value).placeholder.encode()


def test_values_that_are_found_everywhere_are_left() -> None:
    assert redact.words([secret("true")]).whole(b'{"debug": true}') == b'{"debug": true}'


@pytest.mark.parametrize(
    ("kind", "written"),
    [
        ("application/json", b'a\\"b\\nc+d'),
        ("application/vnd.api+json; charset=utf-8", b'a\\"b\\nc+d'),
        ("application/x-www-form-urlencoded", b"a%22b%0Ac%2Bd"),
        ("text/plain", b'a"b\nc+d'),
    ],
)
def test_a_value_is_spelled_as_the_body_around_it_needs(kind: str, written: bytes) -> None:
    one = secret('a"b\nc+d')
    assert swap.body_words([one], kind).whole(b"<" + one.placeholder.encode() + b">") == b"<" + written + b">"


def test_basic_credentials_are_swapped_inside_their_encoding() -> None:
    one = secret("s3cret\nline")
    header = b"Basic " + base64.b64encode(b"user:" + one.placeholder.encode())
    assert base64.b64decode(swap.header(header, [one]).removeprefix(b"Basic ")) == b"user:s3cret\nline"


@pytest.mark.parametrize("value", ["two\r\nlines", "nul\0"])
def test_no_value_ends_a_header(value: str) -> None:
    one = secret(value)
    assert swap.header(b"Bearer " + one.placeholder.encode(), [one]) == b"Bearer " + one.placeholder.encode()


@pytest.mark.parametrize("header", [b"Basic %%%", b"Basic YQ", b"basic", b"Bearer x", b"Basic dXNlcjpwYXNz"])
def test_other_headers_stay_as_they_are(header: bytes) -> None:
    assert swap.header(header, [secret("s3cret")]) == header
