"""What the egress proxy costs: beside a sandbox that is not governed, one with rules and one with secrets.

`python -m bench.egress` as root, in a checkout whose tests have run once: it starts a service of its own and an outside
in a network namespace, both in the way of the system tests. `--sandboxes 100` for much at once.
"""

from __future__ import annotations

import argparse
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.system.base import shared_pool
from tests.system.governed import EGRESS, Store
from tests.system.outside import Outside
from tests.system.stack import Stack

from bench.table import duration, heading, rate, section, show
from bench.timing import seconds

SLOT = 2  # of the stacks of the tests
HOST = "api.corp.example"
REQUESTS, CONNECTIONS, BODY_MB, BODIES = 300, 50, 100, 3
MANY_MB = 50
INSIDE = Path(__file__).with_name("egress_inside.py")


def kinds(stack: Stack) -> dict[str, dict[str, Any]]:
    """How sandboxes are made, by what is between them and the outside."""
    store = Store(stack, "*.corp.example")
    store.set("TOKEN", "a value of some length")
    return {
        "not governed": {},
        "rules (TLS passed through)": {"egress": {"allowHosts": ["*.corp.example"]}},
        "secrets (TLS intercepted)": {"secretStore": store.name},
    }


def measure(stack: Stack, what: str, body: dict[str, Any]) -> None:
    id = stack.create(**body)
    try:
        with stack.api() as api:
            api.put(f"/sandboxes/{id}/files", params={"path": "/root/inside.py"}, content=INSIDE.read_bytes())
        ran = stack.sh(id, f"python3 /root/inside.py {HOST} {REQUESTS} {CONNECTIONS} {BODY_MB} {BODIES}", 600)
        assert ran.code == 0, ran.err
        figures = json.loads(ran.out)
    finally:
        stack.kill(id)
    section(what)
    show("a request on an open connection", duration(figures["requests"]))
    show("a new connection with its first request", duration(figures["connections"]))
    show(f"a download of {BODY_MB} MB", rate([BODY_MB / each for each in figures["downloads"]]))
    show(f"an upload of {BODY_MB} MB", rate([BODY_MB / each for each in figures["uploads"]]))


def much_at_once(stack: Stack, count: int) -> None:
    store = Store(stack, "*.corp.example")
    store.set("TOKEN", "a value of some length")
    with ThreadPoolExecutor(32) as pool:
        ids = list(pool.map(lambda _: stack.create(secretStore=store.name, memoryMB=256), range(count)))
    try:
        before = memory(stack)
        with ThreadPoolExecutor(count) as pool:
            taken = seconds(lambda: list(pool.map(lambda id: download(stack, id), ids)))
        section(f"{count} sandboxes with secrets, {MANY_MB} MB each, at once")
        show("all of them", rate([count * MANY_MB / taken]))
        show("memory of the proxy before, after", f"{before} MB, {memory(stack)} MB", "flat")
    finally:
        with ThreadPoolExecutor(32) as pool:
            list(pool.map(stack.kill, ids))


def download(stack: Stack, id: str) -> None:
    ran = stack.sh(id, f"curl -sS https://{HOST}/big/{MANY_MB} | wc -c", 1800)
    assert int(ran.out) == MANY_MB << 20, ran


def memory(stack: Stack) -> int:
    status = Path(f"/proc/{stack.pid(EGRESS)}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) // 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sandboxes", type=int, default=20, help="that load the proxy at once [20]")
    arguments = parser.parse_args()
    outside = Outside()
    try:
        outside.start()
        stack = Stack(shared_pool(), SLOT, {**outside.settings, "max_sandboxes": "1000"})
        try:
            stack.start()
            print(f"Load {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs; the outside is on the same\n")
            heading()
            for what, body in kinds(stack).items():
                measure(stack, what, body)
            much_at_once(stack, arguments.sandboxes)
        finally:
            stack.down()
    finally:
        outside.close()


if __name__ == "__main__":
    main()
