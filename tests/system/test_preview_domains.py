"""Custom domains: the documented Caddyfile, a real Caddy with an authority of its own, and a server in a sandbox."""

from __future__ import annotations

import os
import signal
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.system.stack import Stack, free_port, wait_for

CADDYFILE = Path(__file__).parents[2] / "docs" / "caddy" / "Caddyfile"
PUBLIC, CUSTOM = "oc.example.test", "myapp.example.test"
PAGE = "hello from a sandbox\n"
SERVE = ("python3", "-m", "http.server", "8000", "--bind", "127.0.0.1", "--directory", "/tmp/www")


class Caddy:
    """Serves HTTPS on a free port, with certificates of its own authority instead of a public one."""

    def __init__(self, home: Path, stack: Stack) -> None:
        self.home, self.port = home, free_port()
        self._variables = {
            "HOME": str(home),
            "XDG_DATA_HOME": str(home),
            "XDG_CONFIG_HOME": str(home),
            "PATH": os.environ["PATH"],
            "OC_PUBLIC_HOST": PUBLIC,
            "OC_LISTEN": f"127.0.0.1:{stack.port}",
        }
        ours = f"admin off\nlocal_certs\nskip_install_trust\nhttp_port {free_port()}\nhttps_port {self.port}\n"
        self.file = home / "Caddyfile"
        self.file.write_text(CADDYFILE.read_text().replace("{\n", "{\n" + ours, 1))

    def __enter__(self) -> Caddy:
        with (self.home / "log").open("wb") as log:
            self._process = subprocess.Popen(
                ["caddy", "run", "--adapter", "caddyfile", "--config", self.file],
                env=self._variables,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(60)

    def get(self, name: str, path: str = "/") -> httpx.Response:
        """As a browser that trusts Caddy's authority, for which `name` leads to this host."""
        trust = ssl.create_default_context(cafile=str(self.home / "caddy/pki/authorities/local/root.crt"))
        with httpx.Client(verify=trust, trust_env=False, timeout=90) as client:
            return client.get(
                f"https://127.0.0.1:{self.port}{path}", headers={"Host": name}, extensions={"sni_hostname": name}
            )

    def ready(self) -> bool:
        assert self._process.poll() is None, (self.home / "log").read_text()
        try:
            return self.get(PUBLIC, "/healthz").status_code == 200
        except (OSError, httpx.TransportError):  # no authority yet, or nobody listens
            return False


@pytest.fixture
def caddy(stack: Stack, tmp_path: Path) -> Iterator[Caddy]:
    with Caddy(tmp_path, stack) as running:
        wait_for(running.ready, "Caddy")
        yield running


def serve(stack: Stack, sandbox: str) -> None:
    assert stack.sh(sandbox, f"mkdir /tmp/www; printf '{PAGE}' > /tmp/www/index.html").code == 0
    with stack.api() as api:
        started = api.post(f"/sandboxes/{sandbox}/exec", json={"cmd": SERVE[0], "args": SERVE[1:]})
        assert started.status_code == 201, started.text


def test_custom_domain_shows_a_page_of_the_sandbox_and_wakes_it(stack: Stack, sandbox: str, caddy: Caddy) -> None:
    serve(stack, sandbox)
    created = stack.oc("preview", "create", sandbox, "--port", "8000", "--domain", CUSTOM)
    assert created.code == 0, created.err
    wait_for(lambda: caddy.get(CUSTOM).text == PAGE, "the page")
    listed = f"{sandbox}-p8000.localhost"
    assert caddy.get(listed).text == PAGE
    assert stack.oc("sandbox", "hibernate", sandbox).code == 0
    woken = caddy.get(CUSTOM)
    assert (woken.status_code, woken.text) == (200, PAGE)


def test_name_that_nobody_recorded_gets_no_certificate(stack: Stack, sandbox: str, caddy: Caddy) -> None:
    for name in ("stranger.example.test", f"{sandbox}-p8000.localhost", f"{sandbox}-p8000.example.test"):
        with pytest.raises(httpx.ConnectError, match=r"(?i)ssl|tls"):
            caddy.get(name)
    assert not list(caddy.home.rglob("*stranger*"))


def test_ask_endpoint_is_not_reached_through_caddy(stack: Stack, sandbox: str, caddy: Caddy) -> None:
    assert stack.oc("preview", "create", sandbox, "--port", "8000", "--domain", CUSTOM).code == 0
    question = f"/tls/ask?domain={CUSTOM}"
    assert httpx.get(f"{stack.url}{question}", trust_env=False, timeout=90).status_code == 200
    assert caddy.get(PUBLIC, question).status_code == 404
