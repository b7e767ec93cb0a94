from __future__ import annotations

from typing import Any

import msgspec
import pytest

from oc.api.bodies import CreateSandbox
from oc.model.errors import OpenComputerError
from oc.model.sandbox import Size
from oc.server.hosts import Host
from oc.server.wishes import wish
from oc.settings import Settings
from oc.store.sandboxes import Wish

SETTINGS = Settings()
HOST = Host(cpus=2, memory_mb=4096, memory_available_mb=4000)


def asked(**body: Any) -> Wish:
    return wish(msgspec.convert(body, CreateSandbox), SETTINGS, HOST)


@pytest.mark.parametrize(
    ("body", "size"),
    [
        ({}, Size(1.0, 1024, 20480)),
        ({"cpuCount": 2}, Size(2.0, 1024, 20480)),
        ({"memoryMB": 512}, Size(1.0, 512, 20480)),
        ({"cpuCount": 0.25, "memoryMB": 128, "diskMB": 262144}, Size(0.25, 128, 262144)),
    ],
)
def test_any_size_from_the_least_to_the_hosts(body: dict[str, Any], size: Size) -> None:
    assert asked(**body).size == size


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        ({"timeout": -1}, 400, "timeout must be non-negative (0 = no timeout)"),
        ({"timeout": 10**30}, 400, "timeout must be at most 2592000 seconds"),
        ({"cpuCount": 0}, 400, "cpuCount must be a multiple of 0.25 from 0.25 to 2 (got 0)"),
        ({"cpuCount": 0.3}, 400, "cpuCount must be a multiple of 0.25"),
        ({"cpuCount": 2.25}, 400, "cpuCount must be a multiple of 0.25"),
        ({"memoryMB": 127}, 400, "memoryMB must be from 128 to 4096 (got 127)"),
        ({"memoryMB": 4097}, 400, "memoryMB must be from 128 to 4096 (got 4097)"),
        ({"diskMB": 20479}, 400, "diskMB must be from 20480 to 262144 (got 20479)"),
        ({"envs": {"": "x"}}, 400, "envs: '' cannot name a variable"),
        ({"envs": {"A=B": "x"}}, 400, "envs: 'A=B' cannot name a variable"),
        ({"envs": {"A": "\0"}}, 400, "envs: 'A' must not contain NUL"),
        ({"envs": {"A": "x" * (64 << 10)}}, 413, "envs: 'A' is too large"),
        ({"envs": {f"A{number}": "x" * (60 << 10) for number in range(5)}}, 413, "envs are too large"),
        ({"metadata": {"a": "x" * (16 << 10)}}, 413, "metadata are too large"),
        ({"templateID": "../base"}, 404, "template not found: ../base"),
        ({"image": {"base": "x"}}, 501, "images"),
        ({"snapshot": "name"}, 501, "snapshots"),
        ({"webhooks": [{}]}, 501, "webhooks"),
    ],
)
def test_refusal_names_the_field_and_what_it_may_be(body: dict[str, Any], status: int, text: str) -> None:
    with pytest.raises(OpenComputerError) as raised:
        asked(**body)
    assert raised.value.status == status
    assert raised.value.text.startswith(text)


@pytest.mark.parametrize("name", [None, "", "base", "default", "ubuntu", "python", "node"])
def test_public_template_names_are_known(name: str | None) -> None:
    assert asked(templateID=name).template == (name or "base")
