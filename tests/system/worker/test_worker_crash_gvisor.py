"""The worker with real sandboxes, killed where it matters: the next one adopts or leaves nothing on the host."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from oc.settings import AGENT
from oc.worker.faults import VARIABLE
from tests.integration.worker.house import ID, House
from tests.system.base import DISK_MB, shared_pool
from tests.system.conftest import _slot
from tests.system.leaks import leaks
from tests.system.stack import Stack

CREATES = ["disk", "mount", "network", "runtime", "agent", "running", "end"]
REMOVALS = ["runtime", "network", "mount", "disk", "forget"]
LOSSES = ["runtime", "network", "mount", "end"]


class GvisorHouse(House):
    """The worker of a stack, without its server."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        super().__init__(stack.data_dir, AGENT)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.data, self.run, self.log = self.stack.data_dir, self.stack.run_dir, self.stack.data_dir / "worker.log"
        self.socket = self.run / "worker.sock"
        self.http = self._client()

    def environment(self) -> dict[str, str]:
        return {name: value for name, value in self.stack.environment.items() if name.startswith("OC_")}

    def create(self, id: str = ID, **changes: Any) -> None:
        super().create(id, size={"cpus": 1.0, "memory_mb": 256, "disk_mb": DISK_MB}, **changes)

    def clear(self) -> None:
        if self.process is not None:
            self.end()
        self.http.close()


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    made = Stack(shared_pool(), _slot(3))
    made.down()
    made._share_templates()
    yield made
    made.down()


@pytest.fixture
def house(stack: Stack) -> Iterator[GvisorHouse]:
    made = GvisorHouse(stack)
    yield made
    made.clear()


def restarted(house: GvisorHouse) -> None:
    assert house.ended() == -signal.SIGKILL
    house.start()


def adopted_or_gone(house: GvisorHouse) -> None:
    if house.state() is None:
        assert leaks(house.stack) == {}
        house.create()
    assert house.sh("hostname") == f"{ID}\n"
    assert leaks(house.stack, ID) == {}
    house.remove()
    assert leaks(house.stack) == {}


@pytest.mark.parametrize("effect", CREATES)
def test_killed_in_a_create(house: GvisorHouse, effect: str) -> None:
    house.start(**{VARIABLE: f"create:{effect}"})
    with pytest.raises(httpx.TransportError):
        house.create()
    restarted(house)
    adopted_or_gone(house)


@pytest.mark.parametrize("effect", REMOVALS)
def test_killed_in_a_removal(house: GvisorHouse, effect: str) -> None:
    house.start(**{VARIABLE: f"remove:{effect}"})
    house.create()
    with pytest.raises(httpx.TransportError):
        house.http.delete(f"/sandboxes/{ID}")
    restarted(house)
    adopted_or_gone(house)


@pytest.mark.parametrize("effect", LOSSES)
def test_killed_when_a_sandbox_is_lost(house: GvisorHouse, effect: str) -> None:
    house.start(**{VARIABLE: f"lose:{effect}"})
    house.create()
    house.stack.kill_runtime(ID)
    restarted(house)
    assert house.state() == "lost"
    assert leaks(house.stack) == {"disks": {f"{ID}.img"}, "journals": {f"{ID}.json"}}
    house.remove()
    assert leaks(house.stack) == {}
