"""`oc-host serve` as a whole: what it starts again, how it ends, and what a new one finds of a killed one."""

from __future__ import annotations

import signal
import socket
from pathlib import Path

import pytest

from tests.integration.serve.host import Host, ended, kill, wait_for


def test_server_is_not_root_and_has_no_capabilities(host: Host) -> None:
    host.serve()
    status = dict(
        line.split(":\t", 1)
        for line in Path(f"/proc/{host.pid('server')}/status").read_text().splitlines()
        if ":\t" in line
    )
    assert status["Uid"].split() == ["61184"] * 4
    assert status["Groups"].split() == []
    assert {status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {"0" * 16}
    assert status["NoNewPrivs"] == "1"


@pytest.mark.parametrize("role", ["server", "worker"])
def test_killed_part_is_started_again(host: Host, role: str) -> None:
    host.serve()
    before = host.pid(role)
    kill(before)
    wait_for(lambda: host.pid(role) != before and host.ready(), f"a new {role}")


def test_children_of_a_killed_supervisor_end_and_a_new_one_takes_over(host: Host) -> None:
    service = host.serve()
    children = [host.pid("server"), host.pid("worker")]
    service.kill()
    service.wait()
    host.serve()
    wait_for(lambda: all(ended(pid) for pid in children), "the former children to have ended")


def test_it_ends_with_its_children_when_it_is_told_to(host: Host) -> None:
    service = host.serve()
    children = [host.pid("server"), host.pid("worker")]
    service.send_signal(signal.SIGTERM)
    assert service.wait(120) == 0
    assert all(ended(pid) for pid in children)


def test_second_service_of_one_run_directory_is_refused(host: Host) -> None:
    service = host.serve()
    second = host.run("serve")
    assert second.returncode == 1
    assert f"service runs already, as process {service.pid}" in second.stderr
    assert host.ready()


def test_port_that_is_taken_is_said_so(host: Host) -> None:
    with socket.create_server(("127.0.0.1", host.port)):
        refused = host.run("serve")
    assert refused.returncode == 1
    assert f"Error: port {host.port} of 127.0.0.1 is taken" in refused.stderr
    assert "--listen" in refused.stderr


def test_down_ends_a_running_service_and_leaves_the_data_directory(host: Host) -> None:
    service = host.serve()
    down = host.run("down")
    assert down.returncode == 0, down.stderr
    assert service.wait(120) == 0
    assert not host.run_dir.exists()
    assert (host.data_dir / "server" / "opencomputer.db").exists()
    assert host.run("down").returncode == 0  # again, with nothing there


def test_doctor_sees_the_service(host: Host) -> None:
    host.serve()
    told = host.run("doctor").stdout
    assert f"answers at {host.url}" in told
    assert "NOT isolated" in told
