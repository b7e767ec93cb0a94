"""Secret stores, rules of egress and what was refused, as programs set and read them through the API."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator
from typing import Any

from tests.system.outside import mark
from tests.system.stack import Ran, Stack, wait_for

EGRESS = "oc.serve.egress_start"  # in the command line of the proxy


def ask(stack: Stack, method: str, path: str, expected: int = 200, **body: Any) -> Any:
    with stack.api() as api:
        answer = api.request(method, path, json=body or None)
    assert answer.status_code == expected, f"{method} {path}: {answer.status_code} {answer.text}"
    return answer.json() if answer.content else None


class Store:
    """A secret store, and the values that the test has put there."""

    def __init__(self, stack: Stack, *allowlist: str) -> None:
        self.stack = stack
        self.name = f"store-{mark()[:8]}"
        made = ask(stack, "POST", "/secret-stores", 201, name=self.name, egressAllowlist=list(allowlist))
        self.path = f"/secret-stores/{made['id']}"

    def set(self, name: str, value: str, *hosts: str) -> None:
        ask(self.stack, "PUT", f"{self.path}/secrets/{name}", value=value, allowedHosts=list(hosts))

    def delete(self, name: str) -> None:
        ask(self.stack, "DELETE", f"{self.path}/secrets/{name}", 204)

    def allow(self, *hosts: str) -> None:
        ask(self.stack, "PUT", self.path, egressAllowlist=list(hosts))


@contextlib.contextmanager
def sandbox(stack: Stack, **body: Any) -> Iterator[str]:
    id = stack.create(**{"memoryMB": 512} | body)
    try:
        yield id
    finally:
        stack.kill(id)


def rule(stack: Stack, id: str, **rules: Any) -> Any:
    return ask(stack, "PUT", f"/sandboxes/{id}/egress", **rules)


def refusals(stack: Stack, id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ask(stack, "GET", f"/sandboxes/{id}/egress/refusals")
    return found


def refused(stack: Stack, id: str, host: str, **expected: Any) -> dict[str, Any]:
    """Waits until a refusal of that host is listed, since reports come by datagrams."""

    def found() -> dict[str, Any] | None:
        listed = (entry for entry in refusals(stack, id) if entry["host"] == host)
        return next((entry for entry in listed if expected.items() <= entry.items()), None)

    entry: dict[str, Any] = wait_for(found, f"a refusal of {host} to be listed")
    return entry


def curl(stack: Stack, id: str, *argv: str, timeout: int = 90) -> Ran:
    return stack.sh(id, f"curl -sS --max-time 60 {shlex.join(argv)}", timeout)


def direct(stack: Stack, id: str, *argv: str) -> Ran:
    """A curl that knows of no proxy."""
    return curl(stack, id, "--noproxy", "*", *argv)


def python(stack: Stack, id: str, script: str, timeout: int = 90) -> Ran:
    """Runs a program of several lines."""
    return stack.sh(id, f"python3 - <<'END_OF_PROGRAM'\n{script}\nEND_OF_PROGRAM", timeout)
