"""What a hostile sandbox can reach: the outside, and nothing else. Targets are stand-ins that the tests made."""

from __future__ import annotations

import base64
import contextlib
import http.server
import json
import subprocess
import threading
from collections.abc import Iterator

import pytest

from tests.system.stack import Stack

PROBE = "import socket; s = socket.create_connection(({host!r}, {port}), 3); print('reached')"


def reaches(stack: Stack, id: str, host: str, port: int) -> bool:
    return "reached" in stack.sh(id, f'python3 -c "{PROBE.format(host=host, port=port)}"').out


@pytest.fixture(scope="module")
def pair(stack: Stack) -> Iterator[tuple[str, str]]:
    ids = stack.create(), stack.create()
    yield ids
    stack.kill(*ids)


def address(stack: Stack, id: str) -> str:
    return stack.sh(id, "hostname -I || ip -4 -o addr show eth0").out.split()[0]


@contextlib.contextmanager
def listening(host: str) -> Iterator[int]:
    """A web server of the host, on every address or one of them."""
    server = http.server.ThreadingHTTPServer((host, 0), http.server.SimpleHTTPRequestHandler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="module")
def private_host() -> Iterator[str]:
    """A neighbour of the host on a private address, behind a veth, that answers on port 80."""
    name, host_end, there = "ocprivate", "10.99.0.1", "10.99.0.2"
    commands = [
        f"ip netns add {name}",
        f"ip link add {name}0 type veth peer name eth0 netns {name}",
        f"ip addr add {host_end}/24 dev {name}0",
        f"ip link set {name}0 up",
        f"ip -n {name} addr add {there}/24 dev eth0",
        f"ip -n {name} link set eth0 up",
        f"ip -n {name} link set lo up",
        f"ip -n {name} route add default via {host_end}",
    ]
    subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
    for command in commands:
        subprocess.run(command.split(), check=True)
    server = subprocess.Popen(
        ["ip", "netns", "exec", name, "python3", "-m", "http.server", "80"], stderr=subprocess.DEVNULL
    )
    try:
        yield there
    finally:
        server.kill()
        server.wait()
        subprocess.run(["ip", "netns", "del", name], check=True)


def test_another_sandbox_is_out_of_reach(stack: Stack, pair: tuple[str, str]) -> None:
    one, other = pair
    stack.sh(other, "nohup python3 -m http.server 8000 >/dev/null 2>&1 & sleep 1")
    assert reaches(stack, other, "127.0.0.1", 8000)
    assert not reaches(stack, one, address(stack, other), 8000)
    assert not reaches(stack, one, address(stack, other), 1023)


def test_the_host_is_out_of_reach(stack: Stack, pair: tuple[str, str]) -> None:
    gateway = f"10.{220 + stack.slot}.0.1"
    with listening("0.0.0.0") as port:
        for host in (gateway, "127.0.0.1", host_address()):
            assert not reaches(stack, pair[0], host, port), host
    for host in (gateway, host_address()):
        assert not reaches(stack, pair[0], host, stack.port)


def host_address() -> str:
    route = subprocess.run(
        ["ip", "-4", "-o", "addr", "show", "scope", "global"], capture_output=True, text=True, check=True
    )
    return route.stdout.split()[3].split("/")[0]


def test_private_neighbours_and_link_local_addresses_are_out_of_reach(
    stack: Stack, pair: tuple[str, str], private_host: str
) -> None:
    subprocess.run(
        ["curl", "-sf", "-o", "/dev/null", "--retry", "20", "--retry-connrefused", "--retry-delay", "1", private_host],
        check=True,
    )
    assert not reaches(stack, pair[0], private_host, 80)
    for other in ("169.254.169.252", "169.254.170.2", "168.63.129.16"):  # 169.254.169.254 is ours (test_scaling)
        assert not reaches(stack, pair[0], other, 80)


def test_the_agent_does_not_answer_without_its_token(stack: Stack, pair: tuple[str, str]) -> None:
    """From inside, where its port can be reached: a guess gets nothing but the end of the connection."""
    script = (
        "import socket, struct\n"
        "s = socket.create_connection(('127.0.0.1', 1023), 10)\n"
        "payload = struct.pack('>HI', 1, 32) + bytes(32)\n"
        "s.sendall(struct.pack('>IBI', 5 + len(payload), 1, 0) + payload)\n"
        "s.settimeout(30)\n"
        "try: print(len(s.recv(100)))\n"
        "except ConnectionResetError: print(0)\n"
    )
    ran = stack.sh(pair[0], f"python3 - <<'E'\n{script}E")
    assert ran.out == "0\n", ran.err
    assert stack.sh(pair[0], "echo still here").out == "still here\n"


def test_no_secret_of_ours_is_inside(stack: Stack, pair: tuple[str, str]) -> None:
    ran = stack.sh(pair[0], "env; cat /proc/1/environ /proc/1/cmdline | tr '\\0' '\\n'; mount; ls -a /")
    record = json.loads((stack.data_dir / "worker" / "sandboxes" / f"{pair[0]}.json").read_text())
    assert base64.b64decode(record["token"]).hex() not in ran.out
    assert stack.key not in ran.out
    assert str(stack.data_dir) not in ran.out
    assert str(stack.run_dir) not in ran.out


def test_tokens_and_keys_are_on_no_command_line_and_in_no_log(stack: Stack, pair: tuple[str, str]) -> None:
    commands = subprocess.run(["ps", "axww", "-o", "args"], capture_output=True, text=True, check=True).stdout
    assert stack.key not in commands
    assert stack.key not in stack.tail()
    assert "OC_AGENT_TOKEN" not in commands


def test_internal_sockets_and_files_are_closed_to_others(stack: Stack, pair: tuple[str, str]) -> None:
    stranger = ["setpriv", "--reuid", "12345", "--regid", "12345", "--clear-groups"]
    socket_path = str(stack.run_dir / "worker.sock")
    for command in (
        ["curl", "-s", "--unix-socket", socket_path, "http://worker/sandboxes"],
        ["ls", str(stack.data_dir / "worker")],
        ["cat", str(stack.data_dir / "server" / "opencomputer.db")],
        ["curl", "-s", "--max-time", "3", f"http://{address(stack, pair[0])}:1023"],
    ):
        assert subprocess.run([*stranger, *command], capture_output=True, check=False).returncode != 0, command
