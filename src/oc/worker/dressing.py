"""What a sandbox's disk has from its host: certificates, mirrors, resolver and our agent.

It changes more often than the base image and costs a second, so it is a layer of its own. It is put on images that no
sandbox has touched, never on a sandbox's disk: a link in there could lead anywhere.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from oc.host import apt, ca, registries
from oc.model.errors import Unavailable
from oc.settings import Settings

AGENT = "/.oc/agent"
PIP = ("break-system-packages = true", "disable-pip-version-check = true", "root-user-action = ignore")
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
ADDED = "/usr/local/share/ca-certificates"
EGRESS = f"{ADDED}/opensandbox-proxy.crt"  # contract 2.11
# Programs that bring certificates of their own: node, and Python's requests, httpx and a pip that upgraded itself.
TRUST_VARIABLES = ("NODE_EXTRA_CA_CERTS", "PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")


@dataclass(frozen=True, slots=True)
class File:
    data: bytes
    mode: int = 0o644


@dataclass(frozen=True, slots=True)
class Dressing:
    files: dict[str, File]  # by their paths in the sandbox
    environment: dict[str, str]

    def key(self, base: str) -> str:
        """Changes with anything in it, and with the base image under it."""
        parts = [[path, file.mode, hashlib.sha256(file.data).hexdigest()] for path, file in self.files.items()]
        text = json.dumps([base, sorted(parts), self.script])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def script(self) -> str:
        """What is to be run in the image once it has the files; empty when nothing is."""
        return "update-ca-certificates" if any(path.startswith(ADDED) for path in self.files) else ""

    def archive(self) -> bytes:
        """The files as a tar, all root's; extracted, each takes the place of what is there, a link included."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            for path, file in self.files.items():
                entry = tarfile.TarInfo(path[1:])
                entry.size, entry.mode = len(file.data), file.mode
                tar.addfile(entry, io.BytesIO(file.data))
        return buffer.getvalue()


def of_host(settings: Settings, suite: str) -> Dressing:
    """Reads the host's configuration. Raises Unavailable when the agent has not been built."""
    try:
        agent = settings.agent.read_bytes()
    except FileNotFoundError as error:
        raise Unavailable(f"there is no agent at {settings.agent}", hint="build it: make -C agent") from error
    certificates = ca.extra_certificates()
    files = {
        AGENT: File(agent, 0o755),
        "/etc/resolv.conf": File(f"nameserver {settings.network[1]}\n".encode()),
        "/etc/pip.conf": File(_pip().encode()),
        **dict(_npm()),
        **dict(_apt(suite)),
        **dict(_egress(settings)),
        **{f"{ADDED}/host-{n}.crt": File(text.encode()) for n, text in enumerate(certificates)},
    }
    trust = dict.fromkeys(TRUST_VARIABLES, BUNDLE) if certificates else {}
    return Dressing(files, {"LANG": "C.UTF-8", **trust})


def _egress(settings: Settings) -> Iterator[tuple[str, File]]:
    """The authority of the egress proxy, which a sandbox with secrets talks TLS with."""
    if settings.egress_certificate.exists():
        yield EGRESS, File(settings.egress_certificate.read_bytes())


def _pip() -> str:
    """A sandbox is its own environment: pip may install beside Debian's packages, also as root."""
    indexes = registries.pip()
    lines = [
        "[global]",
        "break-system-packages = true",
        "disable-pip-version-check = true",
        "root-user-action = ignore",
    ]
    if indexes.index_url:
        lines.append(f"index-url = {indexes.index_url}")
    if indexes.extra_index_urls:
        lines.append("extra-index-url =" + "".join(f"\n    {url}" for url in indexes.extra_index_urls))
    return "\n".join(lines) + "\n"


def _npm() -> Iterator[tuple[str, File]]:
    if registry := registries.npm():
        yield "/etc/npmrc", File(f"registry={registry}\n".encode())


def _apt(suite: str) -> Iterator[tuple[str, File]]:
    """The host's mirrors, with their keys; without any, the image keeps those that it was made from."""
    found = apt.debian_sources(suite)
    for key in {source.signed_by for source in found if source.signed_by not in {None, apt.KEYRING}}:
        yield str(key), File(Path(str(key)).read_bytes())
    own = [replace(source, signed_by=None) if source.signed_by == apt.KEYRING else source for source in found]
    if own:
        yield "/etc/apt/sources.list", File("".join(f"{source.line()}\n" for source in own).encode())
