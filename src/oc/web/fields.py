"""What people type into forms about themselves, checked."""

from __future__ import annotations

import re

from oc.model.errors import BadRequest

LONGEST_EMAIL, LONGEST_NAME = 254, 100
# ASCII only: lower-casing maps some other letters onto it ("K", the Kelvin sign), and so one person onto another.
EMAIL = re.compile(r"[!-?A-~]{1,64}@[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")


def email(text: str) -> str:
    """In lower case. Raises BadRequest."""
    text = text.strip()
    if len(text) > LONGEST_EMAIL or not EMAIL.fullmatch(text):
        raise BadRequest("this is not an e-mail address", hint="it looks like name@example.com")
    return text.lower()


def name(text: str) -> str:
    """Of a person or a thing; empty is one. Raises BadRequest."""
    text = " ".join(text.split())
    if len(text) > LONGEST_NAME:
        raise BadRequest(f"the name is longer than {LONGEST_NAME} characters")
    if not text.isprintable():
        raise BadRequest("the name has characters that cannot be seen")
    return text
