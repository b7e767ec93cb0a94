"""The worker is killed at each line where it matters: the next one adopts the sandbox or leaves nothing of it."""

from __future__ import annotations

import signal

import httpx
import pytest

from oc.worker.faults import EFFECTS, VARIABLE
from tests.integration.worker.house import ID, House, spec


def points(deed: str) -> list[str]:
    return [f"{deed}:{effect}" for effect in EFFECTS[deed]]


def adopted_or_gone(house: House) -> None:
    if house.state() is None:
        assert house.left() == set()
        house.create()
    assert house.state() == "running"
    assert house.sh("hostname") == f"{ID}\n"
    house.remove()
    assert house.left() == set()


@pytest.mark.parametrize("point", points("create"))
def test_killed_in_a_create(house: House, point: str) -> None:
    house.start(**{VARIABLE: point})
    with pytest.raises(httpx.TransportError):
        house.put(spec())
    assert house.ended() == -signal.SIGKILL
    house.start()
    adopted_or_gone(house)


@pytest.mark.parametrize("point", points("remove"))
def test_killed_in_a_removal(house: House, point: str) -> None:
    house.start(**{VARIABLE: point})
    house.create()
    with pytest.raises(httpx.TransportError):
        house.http.delete(f"/sandboxes/{ID}")
    assert house.ended() == -signal.SIGKILL
    house.start()
    adopted_or_gone(house)


@pytest.mark.parametrize("point", points("lose"))
def test_killed_when_a_sandbox_is_lost(house: House, point: str) -> None:
    house.start(**{VARIABLE: point})
    house.create()
    house.kill_sandbox()
    assert house.ended() == -signal.SIGKILL
    house.start()
    assert house.http.get("/sandboxes").json() == [
        {"id": ID, "state": "lost", "reason": "its processes were killed", "memory_kills": 0}
    ]
    assert house.left() == {str(house.data / f"worker/sandboxes/{ID}.json"), str(house.data / f"pool/disks/{ID}")}
    house.remove()
    assert house.left() == set()


def test_killed_while_a_failed_create_is_undone(house: House) -> None:
    house.start(**{VARIABLE: "remove:network"})
    house.script({"call": "start", "error": "no such luck"})
    with pytest.raises(httpx.TransportError):
        house.put(spec())
    assert house.ended() == -signal.SIGKILL
    house.script()
    house.start()
    adopted_or_gone(house)


def test_killed_again_while_it_heals(house: House) -> None:
    house.start(**{VARIABLE: "create:agent"})
    with pytest.raises(httpx.TransportError):
        house.put(spec())
    assert house.ended() == -signal.SIGKILL
    for point in points("remove")[1:4]:
        house.process = house.spawn(**{VARIABLE: point})
        assert house.ended() == -signal.SIGKILL
    house.start()
    adopted_or_gone(house)
