"""Programs as they are, through the egress proxy; rules of what may be reached, and their changes."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.integration.egress.proxy import PYTHON
from tests.system.governed import EGRESS, Store, ask, curl, direct, python, refused, rule, sandbox
from tests.system.outside import CORP, ECHO, EVIL, HTTP, NAME, PRIVATE, SPEAKER, WEB_SOCKET, Outside, mark
from tests.system.stack import Stack, wait_for
from tests.system.time_travel import restarted_with

HTTP2 = Path(__file__).parents[1] / "integration" / "egress" / "http2.py"
TOKEN = f"plain-{mark()}"
SHORT = "abc1234"  # too short to be redacted, so that an echo shows it
SANDBOXES, BUSY, BODY_MB = 20, 5, 50


@pytest.fixture(scope="module")
def client(guarded: Stack) -> Iterator[str]:
    """A sandbox with secrets that may reach every host."""
    store = Store(guarded)
    store.set("TOKEN", TOKEN, "*.corp.example")
    store.set("SHORT", SHORT, "*.corp.example")
    with sandbox(guarded, secretStore=store.name, memoryMB=1024) as id:
        yield id


@pytest.fixture(scope="module")
def ruled(guarded: Stack) -> Iterator[str]:
    """A sandbox without secrets, whose rules each test sets."""
    with sandbox(guarded) as id:
        yield id


# --- programs


@pytest.mark.parametrize(
    ("script", "out"),
    [
        ("pip install requests websocket-client", "Successfully installed"),
        ("cd /srv && npm install is-number", "added 1 package"),
        ("apt-get update && apt-get install -y tree", "Setting up tree"),
    ],
    ids=["pip", "npm", "apt"],
)
def test_packages_install_from_the_registries_of_the_host(guarded: Stack, client: str, script: str, out: str) -> None:
    ran = guarded.sh(client, script, 300)
    assert ran.code == 0, ran.err + ran.out
    assert out in ran.out


URLLIB = """python3 -c "
import os, urllib.request as u
u.urlopen(u.Request('URL', headers={'x-key': os.environ['TOKEN']}))
" """
REQUESTS = """pip install -q requests && python3 -c "
import os, requests
requests.get('URL', headers={'x-key': os.environ['TOKEN']}).raise_for_status()
" """
FETCH = """node -e "
fetch('URL', {headers: {'x-key': process.env.TOKEN}}).then(answer => process.exit(answer.ok ? 0 : 1))
" """


@pytest.mark.parametrize(
    "script",
    ['curl -sS -H "X-Key: $TOKEN" URL', URLLIB, REQUESTS, FETCH],
    ids=["curl", "urllib", "requests", "fetch"],
)
def test_a_program_sends_the_value(guarded: Stack, outside: Outside, client: str, script: str) -> None:
    path = f"/echo/{mark()}"
    ran = guarded.sh(client, script.replace("URL", f"https://api.corp.example{path}"), 120)
    assert ran.code == 0, ran.err
    assert outside.only(path).header("x-key") == TOKEN


def test_git_clones_with_a_token(guarded: Stack, outside: Outside, client: str) -> None:
    outside.repository()
    url = "https://git:$TOKEN@git.corp.example/git/repository.git"
    ran = guarded.sh(client, f'rm -rf r && git clone -q "{url}" r && git -C r log --format=%s')
    assert (ran.code, ran.out) == (0, "first of the tests\n"), ran.err
    seen = outside.requests("/git/repository.git/info/refs?service=git-upload-pack")
    assert seen[-1].basic() == f"git:{TOKEN}"


def test_web_sockets(guarded: Stack, outside: Outside, client: str) -> None:
    script = f"""
import os, websocket
socket = websocket.create_connection('wss://api.corp.example:{WEB_SOCKET}/', header=['X-Key: ' + os.environ['TOKEN']])
socket.send('my key is ' + os.environ['TOKEN'])
print(socket.recv())
socket.close()
"""
    assert guarded.sh(client, "pip install -q websocket-client", 120).code == 0
    ran = python(guarded, client, script)
    sealed = guarded.sh(client, "echo $TOKEN").out.strip()
    assert ran.out == f"my key is {sealed}\n", ran.err
    assert outside.messages[-1] == f"my key is {TOKEN}"


def test_http2(guarded: Stack, outside: Outside, client: str) -> None:
    certificate = outside.authority.directory / "*.corp.example.pem"
    server = subprocess.Popen(
        ["ip", "netns", "exec", NAME, PYTHON, HTTP2, "serve", certificate, CORP], stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        url = f"https://api.corp.example:{port}/echo"
        ran = guarded.sh(client, f'curl -sS --http2 -w "%{{http_version}}" -H "x-key: $SHORT" {url}')
    finally:
        server.kill()
        server.communicate()
    assert f"x-key: {SHORT}\n" in ran.out, ran.err
    assert ran.out.endswith("2")


def test_other_protocols_pass_too(guarded: Stack, client: str) -> None:
    """Also those in which the server speaks first."""
    script = f"""
import socket
for port in ({ECHO}, {SPEAKER}):
    peer = socket.create_connection(('api.corp.example', port), 60)
    if port == {ECHO}:
        peer.sendall(bytes([0, 1, 2]))
    print(peer.recv(100))
"""
    ran = python(guarded, client, script)
    assert ran.out == "b'\\x00\\x01\\x02'\nb'220 speaks first\\r\\n'\n", ran.err


# --- rules


def issuer(stack: Stack, id: str) -> str:
    ran = direct(stack, id, "-kv", "https://api.corp.example/echo/issuer")
    return next(line for line in ran.err.splitlines() if "issuer" in line)


def test_tls_is_opened_only_where_there_are_secrets(guarded: Stack, client: str, ruled: str) -> None:
    rule(guarded, ruled, allowHosts=["*.corp.example"])
    assert "OpenComputer" in issuer(guarded, client)
    assert issuer(guarded, ruled).endswith("CN=tests")


@pytest.mark.parametrize(
    ("rules", "reached", "not_reached"),
    [
        ({"allowHosts": ["api.corp.example"]}, ["api.corp.example"], ["www.corp.example", "evil.example", EVIL, CORP]),
        ({"allowHosts": ["*.corp.example"]}, ["a.corp.example"], ["corp.example", "evil.example", CORP]),
        ({"allowHosts": ["*"]}, ["evil.example", "corp.example"], [EVIL, "private.corp.example"]),
        ({"allowCidrs": [f"{EVIL}/31"]}, [EVIL], [CORP, "api.corp.example"]),
        ({"allowHosts": ["corp.example"], "allowCidrs": [f"{EVIL}/32"]}, ["corp.example", EVIL], ["evil.example"]),
        ({"denyAll": True}, [], ["api.corp.example", EVIL, CORP]),
        ({}, [], ["api.corp.example", EVIL]),
    ],
    ids=["name", "wildcard", "any host", "network", "both", "deny", "nothing"],
)
def test_rules(guarded: Stack, ruled: str, rules: dict[str, Any], reached: list[str], not_reached: list[str]) -> None:
    """Programs that know of no proxy, which get what the filter lets them."""
    rule(guarded, ruled, **rules)
    script = "; ".join(
        f"echo {host} $(curl -s -o /dev/null --max-time 60 -w %{{http_code}} http://{host}/echo/rules)"
        for host in (*reached, *not_reached)
    )
    ran = guarded.sh(ruled, script)
    codes = dict(line.split() for line in ran.out.splitlines())
    assert {host for host, code in codes.items() if code == "200"} == set(reached), codes


def test_rules_are_told_and_can_be_given_on_the_command_line(guarded: Stack) -> None:
    made = guarded.oc("create", "--allow-host", "*.corp.example", "--json")
    assert made.code == 0, made.err
    id = made.json()["sandboxID"]
    try:
        told = ask(guarded, "GET", f"/sandboxes/{id}/egress")
        assert (told["governed"], told["denyAll"], told["allowHosts"]) == (True, False, ["*.corp.example"])
        assert curl(guarded, id, "http://api.corp.example/echo/cli").code == 0
        assert guarded.oc("sandbox", "egress", id, "--deny-all").code == 0
        assert curl(guarded, id, "http://api.corp.example/echo/cli").code != 0
        refused(guarded, id, "api.corp.example")
        assert "api.corp.example" in guarded.oc("sandbox", "egress", id, "--refusals").out
        assert guarded.oc("sandbox", "egress", id, "--clear").code == 0
        assert curl(guarded, id, f"http://{EVIL}/echo/cli").code == 0
    finally:
        guarded.kill(id)


def test_a_private_network_opens_only_if_the_host_says_so(guarded: Stack, ruled: str) -> None:
    """Who has a key of the API decides about sandboxes, not about networks of the host."""
    rule(guarded, ruled, allowCidrs=["0.0.0.0/0"])
    assert "refused" in curl(guarded, ruled, f"http://{PRIVATE}/echo/private").out
    refused(guarded, ruled, PRIVATE, port=HTTP)
    with restarted_with(guarded, egress_private=f"{PRIVATE}/32"):
        wait_for(lambda: "GET /echo" in curl(guarded, ruled, f"http://{PRIVATE}/echo/private").out, "it to open")


@contextlib.contextmanager
def background(stack: Stack, id: str, script: str) -> Iterator[None]:
    """A shell script inside that runs for as long as the block, and longer if it likes."""
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(stack.sh, id, script, 120)
        yield
        running.result()


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_change_ends_connections_that_are_open(guarded: Stack, ruled: str, scheme: str) -> None:
    rule(guarded, ruled, allowHosts=["*.corp.example"])
    held = f"curl -skN --max-time 100 {scheme}://api.corp.example/hold > /dev/shm/held; echo $? > /dev/shm/code"
    guarded.sh(ruled, "rm -f /dev/shm/held /dev/shm/code")
    with background(guarded, ruled, held):
        wait_for(lambda: guarded.sh(ruled, "cat /dev/shm/held").out == "held\n", "an answer to begin")
        rule(guarded, ruled, allowHosts=["other.example"])
    assert guarded.sh(ruled, "cat /dev/shm/code").out.strip() not in ("0", "28")  # 28: only its time was over


def test_a_rule_ends_connections_from_before_there_were_any(guarded: Stack, outside: Outside) -> None:
    script = f"""
import os, socket, time
peer = socket.create_connection(('{EVIL}', {ECHO}), 60)
peer.sendall(b'before')
print(peer.recv(100))
open('/dev/shm/open', 'w').close()
while not os.path.exists('/dev/shm/go'):
    time.sleep(0.05)
peer.settimeout(2)
peer.sendall(b'AFTERWARDS')
try:
    print(peer.recv(100))
except OSError:
    print('cut')
"""
    with sandbox(guarded) as id, outside.tap() as tap, ThreadPoolExecutor(1) as pool:
        running = pool.submit(python, guarded, id, script, 120)
        wait_for(lambda: guarded.sh(id, "ls /dev/shm").out.startswith("open"), "a connection")
        rule(guarded, id, allowHosts=["*.corp.example"])
        guarded.sh(id, "touch /dev/shm/go")
        assert running.result().out == "b'before'\ncut\n"
        assert tap.has(b"before")
        assert not tap.has(b"AFTERWARDS")


def test_a_sandbox_that_may_send_nothing_from_the_start(guarded: Stack) -> None:
    with sandbox(guarded, networkEnabled=False) as id:
        assert curl(guarded, id, "http://api.corp.example/echo/1").code != 0
        assert ask(guarded, "GET", f"/sandboxes/{id}/egress")["denyAll"] is True


# --- load


def test_large_bodies_and_slow_readers_cost_the_proxy_no_memory(guarded: Stack) -> None:
    store = Store(guarded, "*.corp.example")
    store.set("TOKEN", TOKEN)

    def make(_: int) -> str:
        return made.enter_context(sandbox(guarded, secretStore=store.name, memoryMB=256))

    with contextlib.ExitStack() as made, ThreadPoolExecutor(SANDBOXES) as pool:
        ids = list(pool.map(make, range(SANDBOXES)))
        list(pool.map(lambda id: transfer(guarded, id, 1), ids))
        before = memory(guarded)
        with contextlib.ExitStack() as slow:
            for id in ids:
                slow.enter_context(background(guarded, id, SLOWLY))
            for id in ids:
                wait_for(partial(reads, guarded, id), "a slow reader")
            list(pool.map(lambda id: transfer(guarded, id, BODY_MB), ids[:BUSY]))
            during = memory(guarded)
            for id in ids:
                guarded.sh(id, "touch /dev/shm/over")
    assert during - before < 100, f"{before} MiB, then {during}"


SLOWLY = """
python3 - <<'E'
import os, time, urllib.request
answer = urllib.request.urlopen('https://api.corp.example/big/50')
answer.read(65536)
open('/dev/shm/slow', 'w').write('x')
while not os.path.exists('/dev/shm/over'):
    answer.read(16)
    time.sleep(0.1)
E
"""


def reads(stack: Stack, id: str) -> bool:
    return stack.sh(id, "cat /dev/shm/slow").out == "x"


def transfer(stack: Stack, id: str, megabytes: int) -> None:
    """There and back."""
    script = f"""
head -c {megabytes}M /dev/zero > /dev/shm/body
sum=$(sha256sum < /dev/shm/body | cut -d' ' -f1)
[ "$(curl -sS -H Expect: -T /dev/shm/body https://api.corp.example/take)" = "$sum {megabytes << 20}" ] || exit 1
rm /dev/shm/body
[ "$(curl -sS https://api.corp.example/big/{megabytes} | wc -c)" = {megabytes << 20} ] || exit 2
"""
    ran = stack.sh(id, script, 300)
    assert ran.code == 0, ran


def memory(stack: Stack) -> int:
    """The proxy's, resident, in MiB."""
    status = Path(f"/proc/{stack.pid(EGRESS)}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) // 1024
