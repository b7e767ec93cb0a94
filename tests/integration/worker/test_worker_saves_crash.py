"""The worker is killed in the middle of saving and restoring: nobody loses what they were told is safe."""

from __future__ import annotations

import shutil
import signal
from typing import Any

import httpx
import pytest

from oc.worker.faults import EFFECTS, VARIABLE
from tests.integration.worker.house import ID, House, spec

ONE, TWO = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
MARK = "mark"


def write(house: House, text: str) -> None:
    """To the sandbox's disk, which is a directory here: what is run in a fake sandbox sees the host's."""
    (house.data / "pool" / "disks" / ID / MARK).write_text(text)


def read(house: House) -> str:
    return (house.data / "pool" / "disks" / ID / MARK).read_text()


def ask(house: House, deed: str, artifact: str = ONE) -> Any:
    answer = house.http.post(f"/sandboxes/{ID}/{deed}", json={"artifact": artifact})
    assert answer.status_code == 200, answer.text
    return answer.json()


def from_artifact(artifact: str = ONE) -> dict[str, Any]:
    return spec(origin={"kind": "checkpoint", "id": artifact, "memory": True})


def killed(house: House, deed: str) -> None:
    with pytest.raises(httpx.TransportError):
        ask(house, deed)
    assert house.ended() == -signal.SIGKILL
    house.start()


def answers(house: House) -> None:
    assert house.sh("hostname") == f"{ID}\n"


def clean(house: House) -> None:
    house.remove()
    assert house.left() == set()


@pytest.mark.parametrize("effect", EFFECTS["save"])
def test_killed_in_a_checkpoint_it_runs_on_and_can_be_asked_again(house: House, effect: str) -> None:
    house.start(**{VARIABLE: f"save:{effect}"})
    house.create()
    write(house, "before")
    killed(house, "checkpoint")
    answers(house)
    assert ask(house, "checkpoint")["id"] == ONE
    write(house, "after")
    ask(house, "restore")
    assert read(house) == "before"
    clean(house)


@pytest.mark.parametrize("effect", EFFECTS["save"])
def test_killed_in_a_hibernation_it_runs_or_is_whole(house: House, effect: str) -> None:
    house.start(**{VARIABLE: f"save:{effect}"})
    house.create()
    write(house, "before")
    killed(house, "hibernate")
    ask(house, "hibernate")
    assert house.state() is None
    assert house.left() == set()
    assert house.put(from_artifact()).status_code == 200
    assert read(house) == "before"
    clean(house)


@pytest.mark.parametrize("effect", EFFECTS["remove"])
def test_killed_while_a_hibernation_lets_go_it_is_whole(house: House, effect: str) -> None:
    house.start(**{VARIABLE: f"remove:{effect}"})
    house.create()
    write(house, "before")
    killed(house, "hibernate")
    ask(house, "hibernate")
    assert house.left() == set()
    assert house.put(from_artifact()).status_code == 200
    assert read(house) == "before"
    clean(house)


@pytest.mark.parametrize("point", [f"restore:{effect}" for effect in EFFECTS["restore"]] + ["create:runtime:2"])
def test_killed_in_a_restore_it_is_as_before_the_call(house: House, point: str) -> None:
    house.start(**{VARIABLE: point})
    house.create()
    write(house, "old")
    ask(house, "checkpoint")
    write(house, "new")
    killed(house, "restore")
    answers(house)
    assert read(house) == "new"
    ask(house, "restore")
    assert read(house) == "old"
    clean(house)


@pytest.mark.parametrize("effect", EFFECTS["create"])
def test_killed_in_a_fork_there_is_one_or_none(house: House, effect: str) -> None:
    house.start(**{VARIABLE: f"create:{effect}:2"})
    house.create()
    write(house, "old")
    ask(house, "hibernate")
    with pytest.raises(httpx.TransportError):
        house.put(from_artifact())
    assert house.ended() == -signal.SIGKILL
    house.start()
    assert house.put(from_artifact()).status_code == 200
    assert read(house) == "old"
    clean(house)


@pytest.mark.parametrize("point", ["freeze:record", "freeze:runtime", "thaw:record"])
def test_killed_in_a_freeze_it_comes_back(house: House, point: str) -> None:
    house.start(**{VARIABLE: point})
    house.create()
    if point.startswith("thaw"):
        ask(house, "freeze")
    with pytest.raises(httpx.TransportError):
        house.put(spec()) if point.startswith("thaw") else ask(house, "freeze")
    assert house.ended() == -signal.SIGKILL
    house.start()
    assert house.put(spec()).json()["state"] == "running"
    answers(house)
    clean(house)


@pytest.mark.parametrize("effect", EFFECTS["reboot"])
def test_killed_in_a_reboot_it_boots(house: House, effect: str) -> None:
    house.start(**{VARIABLE: f"reboot:{effect}"})
    house.create()
    write(house, "kept")
    killed(house, "reboot")
    answers(house)
    assert read(house) == "kept"
    clean(house)


def test_restore_that_fails_leaves_it_as_it_was(house: House) -> None:
    house.start()
    house.create()
    write(house, "old")
    ask(house, "checkpoint")
    write(house, "new")
    (house.data / "pool" / "artifacts" / ONE / "disk.img").write_bytes(b"damaged")
    answer = house.http.post(f"/sandboxes/{ID}/restore", json={"artifact": ONE})
    assert answer.status_code == 500, house.log.read_text()[-3000:]
    answers(house)
    assert read(house) == "new"
    clean(house)


def test_frozen_stands_still_until_it_is_ensured(house: House) -> None:
    house.start()
    house.create()
    assert ask(house, "freeze")["state"] == "frozen"
    answer = house.http.post(f"/sandboxes/{ID}/exec/run", json={"cmd": "true"})
    assert answer.status_code == 503
    assert house.put(spec()).json()["state"] == "running"
    answers(house)
    clean(house)


def test_artifact_is_stored_and_comes_from_the_blob_store_when_this_host_has_it_no_more(house: House) -> None:
    house.start()
    house.create()
    write(house, "old")
    ask(house, "hibernate")
    house.wait_for(lambda: house.http.get(f"/artifacts/{ONE}").json()["state"] == "stored")
    house.end()
    shutil.rmtree(house.data / "pool" / "artifacts" / ONE)
    house.start()
    assert house.http.get(f"/artifacts/{ONE}").status_code == 404
    assert house.put(from_artifact()).status_code == 200
    assert read(house) == "old"
    house.remove()
    assert house.http.delete(f"/artifacts/{ONE}").status_code == 204
    answer = house.put(from_artifact())
    assert answer.status_code == 404, answer.text
