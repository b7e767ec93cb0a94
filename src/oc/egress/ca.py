"""Our certificate authority, and what we trust ourselves."""

from __future__ import annotations

import os
import shutil
import ssl
import tempfile
from pathlib import Path

from mitmproxy.certs import CertStore
from mitmproxy.options import CONF_BASENAME, KEY_SIZE

CONFDIR = "mitmproxy"
PUBLIC = "ca.crt"
NAME = "OpenComputer egress"


def prepare(state: Path) -> Path:
    """Makes the authority at the first start; returns mitmproxy's directory. The key is readable by this user only."""
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    state.chmod(0o700)
    directory = state / CONFDIR
    for unfinished in state.glob(f".{CONFDIR}-*"):
        shutil.rmtree(unfinished)
    if not directory.exists():
        made = Path(tempfile.mkdtemp(prefix=f".{CONFDIR}-", dir=state))
        CertStore.create_store(made, CONF_BASENAME, KEY_SIZE, organization="OpenComputer", cn=NAME)
        for path in made.iterdir():
            sync(path)
        sync(made)
        made.rename(directory)
        sync(state)
    replace(state / PUBLIC, (directory / f"{CONF_BASENAME}-ca-cert.pem").read_bytes())
    return directory


def trusted(state: Path, extra: Path | None) -> Path:
    """One file with the authorities of this system and those of `extra`."""
    system = ssl.get_default_verify_paths()
    bundles = [Path(path) for path in (system.cafile, extra) if path]
    target = state / "trusted.crt"
    replace(target, b"\n".join(bundle.read_bytes() for bundle in bundles))
    return target


def replace(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_bytes(data)
    temporary.chmod(0o644)
    sync(temporary)
    temporary.rename(path)
    sync(path.parent)


def sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
