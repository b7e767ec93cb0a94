"""The worker is killed while a sandbox gets another size: it has the old one or the new, and can be asked again."""

from __future__ import annotations

import signal

import httpx
import pytest

from oc.worker.faults import EFFECTS, VARIABLE
from tests.integration.worker.house import ID, House, spec

NEW = {"cpus": 0.5, "memory_mb": 128}


def limited(house: House) -> str:
    """What the runtime was told last."""
    return (house.run / "fake" / ID / "size").read_text()


@pytest.mark.parametrize("effect", EFFECTS["resize"])
def test_killed_in_a_resize(house: House, effect: str) -> None:
    house.start(**{VARIABLE: f"resize:{effect}"})
    house.create()
    with pytest.raises(httpx.TransportError):
        house.http.post(f"/sandboxes/{ID}/resize", json=NEW)
    assert house.ended() == -signal.SIGKILL
    house.start()
    assert house.put(spec()).status_code == 200  # as it was: it is not recorded before it is done
    assert limited(house) == "1 64"
    assert house.http.post(f"/sandboxes/{ID}/resize", json=NEW).status_code == 200
    assert limited(house) == "0.5 128"
    assert house.put(spec()).status_code == 409
    assert house.put(spec(size={**NEW, "disk_mb": 64})).status_code == 200
    house.restart()
    assert house.sh("hostname") == f"{ID}\n"
    assert limited(house) == "0.5 128"
    house.remove()
    assert house.left() == set()


def test_a_size_that_is_none_is_refused(house: House) -> None:
    house.start()
    house.create()
    for body in ({}, {"cpus": 0, "memory_mb": 64}, {"cpus": 1, "memory_mb": -1}, {"cpus": "x", "memory_mb": 64}):
        assert house.http.post(f"/sandboxes/{ID}/resize", json=body).status_code == 400
    assert house.http.post("/sandboxes/sb-00000002/resize", json=NEW).status_code == 404
    assert house.http.get("/scale-requests").json() == []
    house.remove()
