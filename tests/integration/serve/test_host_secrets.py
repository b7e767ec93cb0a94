"""`oc-host rotate-master-key` beside a server that runs, and what the audit log says of the host's administrator."""

from __future__ import annotations

import json
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.integration.serve.host import OC_HOST, Host, wait_for

VALUE = "sk-a-value-that-nobody-may-see"


def ask(host: Host, key: str, method: str, path: str, body: object = None) -> Any:
    headers = {"X-API-Key": key, "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{host.url}/api{path}", data, headers, method=method)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def key_file(host: Host) -> Path:
    return host.data_dir / "server" / "master-key"


def ask_for_sandbox(host: Host, key: str) -> str:
    """One that uses the secret. It fails, since the fake runtime cannot hold back what it sends."""
    with pytest.raises(urllib.error.HTTPError) as refused:
        ask(host, key, "POST", "/sandboxes", {"secretStore": "s"})
    refused.value.close()
    assert refused.value.code == 501
    (row,) = ask(host, key, "GET", "/sandboxes?status=all")
    return str(row["sandboxID"])


def readable(host: Host, key: str, sandbox: str) -> bool:
    """The server decrypts what a sandbox may use to tell which hosts get it."""
    allowed = ask(host, key, "GET", f"/sandboxes/{sandbox}/allowed-hosts")["perSecretAllowedHosts"]
    return bool(allowed == {"KEY": ["api.example.com"]})


def kill_amid_a_change(host: Host) -> None:
    before = key_file(host).read_text()
    argv: list[str | Path] = [OC_HOST, "rotate-master-key"]
    with subprocess.Popen(
        argv, env=host.environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as rotating:
        wait_for(lambda: key_file(host).read_text() != before, "the new key")
        rotating.kill()


def test_the_master_key_is_changed_beside_a_server_though_the_change_was_killed(host: Host) -> None:
    key = host.run("keys", "create").stdout.strip()
    service = host.serve()
    store = ask(host, key, "POST", "/secret-stores", {"name": "s"})["id"]
    ask(host, key, "PUT", f"/secret-stores/{store}/secrets/KEY", {"value": VALUE, "allowedHosts": ["api.example.com"]})
    sandbox = ask_for_sandbox(host, key)
    assert readable(host, key, sandbox)
    first = key_file(host).read_text().strip()
    status = key_file(host).stat()
    assert (status.st_mode & 0o777, status.st_uid) == (0o600, 61184)
    for _ in range(2):
        kill_amid_a_change(host)
        assert readable(host, key, sandbox)
    ran = host.run("rotate-master-key")
    assert (ran.returncode, ran.stdout) == (0, "1 secrets are encrypted under a new key.\n"), ran.stderr
    assert first not in key_file(host).read_text()
    assert len(key_file(host).read_text().split()) == 1
    assert readable(host, key, sandbox)
    assert service.poll() is None
    assert VALUE not in host.log.read_text()
    assert first not in host.log.read_text()


def test_what_is_done_on_the_host_is_in_the_audit_log(host: Host) -> None:
    key = host.run("keys", "create").stdout.strip()
    (own,) = json.loads(host.run("keys", "list", "--json").stdout)
    host.run("keys", "create", "--name", "second")
    (second,) = [row for row in json.loads(host.run("keys", "list", "--json").stdout) if row["name"] == "second"]
    host.run("keys", "revoke", second["id"])
    host.run("rotate-master-key")
    host.serve()
    entries = ask(host, key, "GET", "/audit")["entries"]
    assert [(entry["actor"], entry["actorKind"], entry["call"], entry["object"]) for entry in entries] == [
        ("host", "host", "rotateMasterKey", ""),
        ("host", "host", "revokeKey", second["id"]),
        ("host", "host", "createKey", second["id"]),
        ("host", "host", "createKey", own["id"]),
    ]
