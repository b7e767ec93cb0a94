"""Sandboxes outlive their worker; what died is told; whatever is asked at once, the answers are clean."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.integration.worker.house import ID, PATIENCE_S, House, spec

FINE = {200, 204, 404, 409, 410, 503}


def test_made_used_and_removed(house: House) -> None:
    house.start()
    house.create(envs={"COLOUR": "blue"})
    assert house.sh("echo $COLOUR $(hostname)") == f"blue {ID}\n"
    house.sh("setsid sleep 1000 >/dev/null 2>&1 &")
    assert house.http.get("/sandboxes").json() == [house.http.get(f"/sandboxes/{ID}").json()]
    house.remove()
    assert house.left() == set()
    house.remove()
    assert house.state() is None


def test_the_fake_runtime_does_the_host_no_harm(house: House) -> None:
    before = socket.gethostname(), Path("/etc/hosts").read_bytes()
    house.start()
    house.create()
    house.sh("echo broken > /etc/hosts; echo x > /tmp/of-a-sandbox; sleep 1000 >/dev/null 2>&1 &")
    house.remove()
    assert (socket.gethostname(), Path("/etc/hosts").read_bytes()) == before
    assert not Path("/tmp/of-a-sandbox").exists()


@pytest.mark.parametrize(("end", "code"), [(signal.SIGKILL, -9), (signal.SIGTERM, 0)])
def test_sandboxes_outlive_the_worker(house: House, end: signal.Signals, code: int) -> None:
    house.start()
    house.create()
    boot = house.sh("echo kept > /root/file; cat /proc/sys/kernel/random/boot_id; stat -c %Y /proc/1")
    assert house.end(end) == code
    assert house.processes(ID)
    house.start()
    assert house.state() == "running"
    assert house.sh("cat /proc/sys/kernel/random/boot_id; stat -c %Y /proc/1; cat /root/file") == f"{boot}kept\n"
    house.create()
    house.remove()


@pytest.mark.parametrize("away", [False, True], ids=["watched", "worker away"])
def test_a_sandbox_that_dies_is_lost(house: House, away: bool) -> None:
    house.start()
    house.create()
    if away:
        house.end()
        house.kill_sandbox()
        house.start()
    else:
        house.kill_sandbox()
    house.wait_for(lambda: house.state() == "lost")
    answer = house.http.post(f"/sandboxes/{ID}/exec/run", json={"cmd": "true"})
    assert (answer.status_code, answer.json()["code"]) == (410, "gone")
    assert "its processes were killed" in answer.json()["error"]
    house.remove()
    assert house.left() == set()


def test_what_has_no_record_is_removed(house: House) -> None:
    house.start()
    house.create()
    house.end()
    (house.data / "worker" / "sandboxes" / f"{ID}.json").unlink()
    house.start()
    assert house.state() is None
    assert house.left() == set()


def test_a_create_that_fails_says_why_and_leaves_nothing(house: House) -> None:
    house.start()
    house.script({"call": "start", "id": ID, "error": "the runtime has no such luck"})
    answer = house.put(spec())
    assert (answer.status_code, answer.json()) == (500, {"error": "the runtime has no such luck", "code": "failed"})
    assert house.left() == set()
    house.create("sb-00000002")
    house.remove("sb-00000002")


def test_a_removal_that_fails_is_finished_later(house: House) -> None:
    house.start()
    house.create()
    house.script({"call": "remove", "error": "not now"})
    assert house.http.delete(f"/sandboxes/{ID}").status_code == 500
    assert house.state() == "stopping"
    house.script()
    house.wait_for(lambda: house.state() is None)
    assert house.left() == set()


def test_a_create_under_way_is_ended_by_a_removal(house: House) -> None:
    house.start()
    house.script({"call": "start", "until": str(house.directory / "never")})
    with ThreadPoolExecutor(1) as pool:
        creating = pool.submit(house.put, spec())
        house.wait_for(lambda: house.state() == "starting")
        house.remove()
        assert creating.result().status_code == 409
    assert house.left() == set()


def test_fifty_creates_at_once(house: House) -> None:
    house.start()
    ids = [f"sb-{number:08x}" for number in range(50)]
    with ThreadPoolExecutor(50) as pool:
        list(pool.map(house.create, ids))
        assert len(house.http.get("/sandboxes").json()) == 50
        assert list(pool.map(lambda id: house.sh("hostname", id), ids)) == [f"{id}\n" for id in ids]
        list(pool.map(house.remove, ids))
    assert house.left() == set()


def test_create_exec_and_kill_race_to_clean_answers(house: House) -> None:
    house.start()

    def race(number: int) -> int:
        calls = (
            lambda: house.put(spec()),
            lambda: house.http.post(f"/sandboxes/{ID}/exec/run", json={"cmd": "true"}),
            lambda: house.http.delete(f"/sandboxes/{ID}"),
        )
        return calls[number % 3]().status_code

    with ThreadPoolExecutor(12) as pool:
        assert set(pool.map(race, range(60))) <= FINE
    house.remove()
    assert house.left() == set()


BAD: list[tuple[str, Any, str]] = [
    (ID, {}, "not a spec"),
    (ID, spec("sb-00000002"), "the path names"),
    ("sb-1", spec("sb-1"), "not a sandbox id"),
    (ID, spec(size={"cpus": 0, "memory_mb": 64, "disk_mb": 64}), "above 0"),
    (ID, spec(envs={"A=B": "1"}), "'A=B' cannot be set"),
    (ID, spec(envs={"A": "nul\0"}), "'A' cannot be set"),
    (ID, spec(envs={f"A{number}": "x" * 60_000 for number in range(10)}), "larger than"),
    (ID, spec(size={"cpus": 1, "memory_mb": "64", "disk_mb": 64}), "Expected `int`"),
]


def test_bad_specs_are_refused(house: House) -> None:
    house.start()
    for id, body, words in BAD:
        answer = house.http.put(f"/sandboxes/{id}", json=body)
        assert answer.status_code == 400
        assert words in answer.json()["error"]
    answer = house.put(spec(origin={"kind": "checkpoint", "id": "../c"}))
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    answer = house.put(spec(origin={"kind": "checkpoint", "id": "11111111-1111-4111-8111-111111111111"}))
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert house.left() == set()


def test_a_full_host_refuses_with_numbers(house: House) -> None:
    house.start(OC_DISK_RESERVE_MB=str(1 << 40))
    answer = house.put(spec())
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert answer.headers["Retry-After"]
    assert f"{1 << 40} MB must stay" in answer.json()["error"]


def test_a_stream_under_way_does_not_keep_the_worker_from_ending(house: House) -> None:
    house.start()
    house.create()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(house.http.post, f"/sandboxes/{ID}/exec/run", json={"cmd": "sleep", "args": ["1000"]})
        house.wait_for(lambda: len(house.http.get(f"/sandboxes/{ID}/exec").json()) == 1)
        assert house.end(signal.SIGTERM) == 0
        assert running.exception() is not None or running.result().status_code >= 500
    assert house.processes(ID)


def test_what_the_host_has(house: House) -> None:
    house.start()
    host = house.http.get("/host").json()
    assert host.keys() == {"cpus", "memoryMB", "memoryAvailableMB", "poolFreeMB", "sandboxes", "runtime"}
    assert (host["sandboxes"], host["runtime"]) == (0, "fake")


def test_the_socket_is_for_the_servers_group(house: House) -> None:
    house.start(OC_SERVER_UID="61999")
    for path, mode in ((house.run / "worker.sock", 0o660), (house.run, 0o751)):
        status = path.stat()
        assert stat.S_IMODE(status.st_mode) == mode
        if os.geteuid() == 0:
            assert (status.st_uid, status.st_gid) == (0, 61999)


def test_a_second_worker_on_the_same_data_is_refused(house: House) -> None:
    house.start()
    with house.spawn() as second:
        assert second.wait(PATIENCE_S) != 0
    assert "another worker uses" in house.log.read_text()
    assert house.http.get("/health").status_code == 200


def test_log_lines_carry_the_requests_id_and_no_token(house: House) -> None:
    house.start()
    house.http.put(f"/sandboxes/{ID}", json=spec(envs={"SECRET": "hush"}), headers={"X-Request-Id": "req-17"})
    token = json.loads((house.data / "worker" / "sandboxes" / f"{ID}.json").read_text())["token"]
    house.remove()
    log = house.log.read_text()
    lines = [json.loads(line) for line in log.splitlines() if '"ensure"' in line]
    assert [(line["request"], line["sandbox"]) for line in lines] == [("req-17", ID)]
    assert token not in log
    assert "hush" not in log
