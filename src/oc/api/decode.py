"""JSON to struct. What is wrong is said by field name (contract 0.3, 0.4: empty bodies and unknown keys are fine)."""

from __future__ import annotations

import re
from typing import TypeVar

import msgspec

from oc.model.errors import BadRequest

MAX_BODY = 1 << 20  # bytes
T = TypeVar("T")
_WRONG_TYPE = re.compile(r"Expected `(?P<wanted>[^`]+)`, got `(?P<got>[^`]+)`(?: - at `(?P<place>[^`]+)`)?")
_MISSING = re.compile(r"Object missing required field `(?P<field>[^`]+)`")
WORDS = {
    "object": "an object",
    "array": "an array",
    "str": "a string",
    "int": "an integer",
    "float": "a number",
    "bool": "true or false",
    "null": "null",
}


def decode(body: bytes, kind: type[T]) -> T:
    """Raises BadRequest that names the field and what it may be."""
    try:
        return msgspec.json.decode(body.strip() or b"{}", type=kind)
    except msgspec.ValidationError as error:
        raise BadRequest(explain(str(error))) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"the request body is not JSON: {error}", hint="send a JSON object") from error


def explain(text: str) -> str:
    """The library's message in the words of someone who wrote the JSON by hand."""
    if missing := _MISSING.match(text):
        return f"{missing['field']} is required"
    if (found := _WRONG_TYPE.fullmatch(text)) is None:
        what, _, place = text.partition(" - at ")
        return f"{place.strip('`').removeprefix('$.') or 'the request body'}: {what[:1].lower()}{what[1:]}"
    wanted = " or ".join(WORDS.get(word, word) for word in found["wanted"].split(" | ") if word != "null")
    return f"{_subject(found['place'])} must be {wanted} (got {WORDS.get(found['got'], found['got'])})"


def _subject(place: str | None) -> str:
    if place is None:
        return "the request body"
    field = place.removeprefix("$.")
    return f"each value of {field.removesuffix('[...]')}" if field.endswith("[...]") else field
