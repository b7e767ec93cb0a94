"""A real S3 server for tests: OpenStack Swift with its S3 API, as Debian's python3-swift ships it, on loopback.

One account, container and object server and a proxy, each a process that this module starts and ends.
"""

from __future__ import annotations

import datetime
import hashlib
import hmac
import socket
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

KEY, SECRET = "tests:user", "not-a-secret-but-long-enough"
PATIENCE_S = 120.0
KINDS = ("account", "container", "object")
RUN = "import sys; from swift.common.wsgi import run_wsgi; sys.exit(run_wsgi(sys.argv[1], sys.argv[2]))"
RING = "import sys; from swift.cli.ringbuilder import main; main(['swift-ring-builder', *sys.argv[1:]])"
BACKEND = """
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
user = root
swift_dir = {base}
devices = {base}/devices
mount_check = false
[pipeline:main]
pipeline = {kind}-server
[app:{kind}-server]
use = egg:swift#{kind}
"""
PROXY = """
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
user = root
swift_dir = {base}
[pipeline:main]
pipeline = cache s3api tempauth proxy-server
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:{memcached}
[filter:s3api]
use = egg:swift#s3api
s3_acl = false
location = us-east-1
[filter:tempauth]
use = egg:swift#tempauth
user_tests_user = {secret} .admin
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
"""


@dataclass
class S3Server:
    """`start` once; `stop` and `serve` again as the network would take it away and bring it back."""

    base: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    ports: dict[str, int] = field(default_factory=dict)

    def start(self) -> None:
        self.ports = {kind: _free_port() for kind in (*KINDS, "proxy", "memcached")}
        (self.base / "devices" / "d1").mkdir(parents=True)
        (self.base / "swift.conf").write_text("[swift-hash]\nswift_hash_path_suffix = tests\n")
        for kind in KINDS:
            self._ring(kind)
            self._config(kind, BACKEND)
        self._config("proxy", PROXY)
        self.serve()

    def _ring(self, kind: str) -> None:
        from_ring = ["/usr/bin/python3", "-c", RING, f"{kind}.builder"]
        device = f"r1z1-127.0.0.1:{self.ports[kind]}/d1"
        for step in (["create", "0", "1", "0"], ["add", device, "1"], ["rebalance"]):
            done = subprocess.run([*from_ring, *step], cwd=self.base, check=False, capture_output=True)
            assert done.returncode < 2, done.stdout + done.stderr  # 1 is a warning, of the one replica that we want

    def _config(self, kind: str, text: str) -> None:
        more = {"secret": SECRET, "memcached": self.ports["memcached"]}
        filled = text.format(port=self.ports[kind], base=self.base, kind=kind, **more)
        (self.base / f"{kind}.conf").write_text(filled)

    def serve(self) -> None:
        cache = ["memcached", "-u", "nobody", "-l", "127.0.0.1", "-U", "0", "-p", str(self.ports["memcached"])]
        self._run("memcached", cache)
        for kinds in (KINDS, ("proxy",)):  # a proxy that finds nobody behind it says that there is no bucket
            for kind in kinds:
                self._run(kind, ["/usr/bin/python3", "-c", RUN, str(self.base / f"{kind}.conf"), f"{kind}-server"])
            self._wait(*kinds)

    def _run(self, kind: str, argv: list[str]) -> None:
        with (self.base / f"{kind}.log").open("ab") as log:
            self.processes.append(subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log))

    def _wait(self, *kinds: str) -> None:
        """Until these servers listen."""
        deadline = time.monotonic() + PATIENCE_S
        for kind in kinds:
            while not _listens(self.ports[kind]):
                assert time.monotonic() < deadline, (self.base / "proxy.log").read_text()[-2000:]
                time.sleep(0.1)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ports['proxy']}/"

    @property
    def environment(self) -> dict[str, str]:
        return {
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_ENDPOINT_URL": self.url.rstrip("/"),
            "AWS_REGION": "us-east-1",
            "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "false",
        }

    def make_bucket(self, name: str) -> None:
        """obstore makes no buckets, as no program should that is given one."""
        deadline = time.monotonic() + PATIENCE_S
        while (status := self._put(f"/{name}")) != 200:
            assert time.monotonic() < deadline, f"status {status}"  # 503 while its parts find each other
            time.sleep(0.2)

    def _put(self, path: str) -> int:
        headers = _signed(path, self.url, datetime.datetime.now(datetime.UTC))
        request = urllib.request.Request(self.url.rstrip("/") + path, method="PUT", headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    def stop(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()
        self.processes.clear()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _signed(path: str, url: str, now: datetime.datetime) -> dict[str, str]:
    """Headers of a PUT without a body, signed as AWS Signature Version 4 says."""
    stamp, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
    host, empty = url.split("/")[2], hashlib.sha256(b"").hexdigest()
    headers = {"host": host, "x-amz-content-sha256": empty, "x-amz-date": stamp}
    names = ";".join(headers)
    canonical = "\n".join(["PUT", path, "", *(f"{name}:{value}" for name, value in headers.items()), "", names, empty])
    scope = f"{day}/us-east-1/s3/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{SECRET}".encode()
    for part in (*scope.split("/"), text):
        key = hmac.digest(key, part.encode(), "sha256")
    credential = f"Credential={KEY}/{scope}, SignedHeaders={names}, Signature={key.hex()}"
    return {**headers, "Authorization": f"AWS4-HMAC-SHA256 {credential}"}
