"""What may be a password, an e-mail address and a name; and how passwords are kept."""

from __future__ import annotations

import asyncio

import pytest

from oc.model.errors import BadRequest
from oc.web import fields, passwords
from oc.web.passwords import Passwords


def test_a_password_is_kept_by_argon2id_and_matches_however_it_was_composed() -> None:
    async def work() -> None:
        words = Passwords()
        hash = await words.hash("caf\u00e9 au lait")
        assert hash.startswith("$argon2id$")
        assert not words.is_outdated(hash)
        assert await words.match(hash, "cafe\u0301 au lait")
        assert not await words.match(hash, "cafe au lait")
        assert not await words.match(None, "nobody's password")
        assert not await words.match("not a hash", "cafe au lait")

    asyncio.run(work())


def test_a_hash_of_weaker_parameters_is_outdated() -> None:
    weak = "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$DlEOoGPrCjmE8yeqSkkdCw"
    assert Passwords().is_outdated(weak)


@pytest.mark.parametrize("password", ["", "123456789", "x" * 201, " Ada@Example.com "])
def test_passwords_that_may_not_be(password: str) -> None:
    with pytest.raises(BadRequest):
        passwords.check(password, "ada@example.com")


@pytest.mark.parametrize(
    "email", ["", "x", "@x", "x@", "a b@c", "a@b@c", "\u212a@x.org", "a@\u212a", "a@b\x00", "x" * 255 + "@x"]
)
def test_what_is_no_address(email: str) -> None:
    with pytest.raises(BadRequest):
        fields.email(email)


def test_addresses_are_kept_in_lower_case() -> None:
    assert fields.email(" Ada.Lovelace+oc@Example.COM\n") == "ada.lovelace+oc@example.com"


def test_names_are_one_line_that_can_be_seen() -> None:
    assert fields.name("  Ada \n Lovelace ") == "Ada Lovelace"
    for bad in ("\u202eecilA", "a\x00b", "x" * 101):
        with pytest.raises(BadRequest):
            fields.name(bad)
