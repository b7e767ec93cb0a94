"""`oc-host keys`, with no service and beside one."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

from tests.integration.serve.host import Host, wait_for


def whoami(host: Host, key: str) -> str:
    request = urllib.request.Request(f"{host.url}/api/whoami", headers={"X-API-Key": key})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return str(json.load(answer)["org_name"])


def refused(host: Host, key: str) -> bool:
    try:
        whoami(host, key)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code == 401
    return False


def test_key_works_until_it_is_revoked(host: Host) -> None:
    key = host.run("keys", "create", "--org", "acme", "--name", "first").stdout.strip()
    host.serve()
    assert whoami(host, key) == "acme"
    (row,) = json.loads(host.run("keys", "list", "--org", "acme", "--json").stdout)
    assert (row["prefix"], row["name"]) == (key[:8], "first")
    assert host.run("keys", "revoke", row["id"]).returncode == 0
    wait_for(lambda: refused(host, key), "the key to be refused")


def test_database_belongs_to_the_server_whoever_makes_it(host: Host) -> None:
    host.run("keys", "create")
    assert {path.stat().st_uid for path in (host.data_dir / "server").iterdir()} == {61184}


def test_unknown_key_cannot_be_revoked(host: Host) -> None:
    ran = host.run("keys", "revoke", "no-such-key")
    assert ran.returncode == 1
    assert "no key no-such-key" in ran.stderr
