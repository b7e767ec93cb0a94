from __future__ import annotations

import pytest

from oc.api.bodies import CreateSandbox, SetTimeout
from oc.api.decode import decode
from oc.model.errors import BadRequest


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ('{"timeout": "1"}', "timeout must be an integer (got a string)"),
        ('{"timeout": 1.5}', "timeout must be an integer (got a number)"),
        ('{"memoryMB": true}', "memoryMB must be an integer (got true or false)"),
        ('{"envs": {"A": 1}}', "each value of envs must be a string (got an integer)"),
        ('{"envs": ["A=1"]}', "envs must be an object (got an array)"),
        ('{"cpuCount": 1e999}', "cpuCount: number out of range"),
        ("[]", "the request body must be an object (got an array)"),
        ("{", "the request body is not JSON: Input data was truncated"),
        ("\ud800", "the request body is not JSON"),
        ("[" * 100_000, "the request body"),
    ],
)
def test_error_names_the_field_and_what_it_may_be(body: str, text: str) -> None:
    with pytest.raises(BadRequest) as raised:
        decode(body.encode("utf-8", "surrogatepass"), CreateSandbox)
    assert raised.value.text.startswith(text)


def test_missing_field_is_named() -> None:
    with pytest.raises(BadRequest, match="timeout is required"):
        decode(b"{}", SetTimeout)


@pytest.mark.parametrize("body", [b"", b" \n", b"{}", b'{"burst": true, "sandboxFamily": "spot"}', b'{"envs": null}'])
def test_empty_bodies_unknown_keys_and_nulls_are_fine(body: bytes) -> None:
    assert decode(body, CreateSandbox) == CreateSandbox()
