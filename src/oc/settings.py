"""One table of settings: each has a name, a default, a parser and a sentence. From it come the TOML file
(`/etc/opencomputer.toml` or `OC_CONFIG`), the environment (`OC_*`), the flags (`--data-dir`) and their documentation.

Flags win over the environment, the environment over the file, the file over the defaults.
"""

# ruff: noqa: RUF009 - `_setting` is a dataclasses.field
from __future__ import annotations

import dataclasses
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from ipaddress import IPv4Network, ip_address, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from oc.model.errors import BadRequest

CONFIG_FILE = Path("/etc/opencomputer.toml")
EGRESS_PYTHON = Path(__file__).resolve().parents[2] / ".venv-egress" / "bin" / "python"
AGENT = Path(__file__).resolve().parents[2] / "agent" / "build" / "oc-agent"


def _positive(text: str) -> int:
    value = int(text)
    if value <= 0:
        raise ValueError("must be above 0")
    return value


def _natural(text: str) -> int:
    value = int(text)
    if value < 0:
        raise ValueError("must not be negative")
    return value


def _listen(text: str) -> str:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError("must be HOST:PORT")
    return text


def _public_url(text: str) -> str:
    parts = urlsplit(text)
    plain = parts.path in ("", "/") and not parts.query and not parts.fragment and "@" not in parts.netloc
    if text and not (parts.scheme in ("http", "https") and parts.hostname and plain):
        raise ValueError("must be http://HOST[:PORT] or https://HOST[:PORT]")
    return text.rstrip("/")


def _domain(text: str) -> str:
    if not re.fullmatch(r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", text):
        raise ValueError("must be a host name in lower case, such as preview.example.com")
    return text


def _instance(text: str) -> str:
    if not (1 <= len(text) <= 4 and text.isalnum() and text.islower()):
        raise ValueError("must be 1 to 4 lowercase letters and digits")
    return text


def _runtime(text: str) -> str:
    if text not in {"auto", "gvisor", "fake"}:
        raise ValueError("must be one of: auto, gvisor, fake")
    return text


def _network(text: str) -> IPv4Network:
    network = IPv4Network(text)
    if not 16 <= network.prefixlen <= 24:
        raise ValueError("must be a network of /16 to /24, such as 10.201.0.0/16")
    return network


def _addresses(text: str) -> str:
    return ",".join(str(ip_address(word)) for word in text.replace(",", " ").split())


def _networks(text: str) -> str:
    return ",".join(str(ip_network(word)) for word in text.replace(",", " ").split())


def _setting(default: Any, parse: Callable[[str], Any], doc: str) -> Any:
    return dataclasses.field(default=default, metadata={"parse": parse, "doc": doc})


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    data_dir: Path = _setting(Path("/var/lib/opencomputer"), Path, "Where everything that must last is kept.")
    run_dir: Path = _setting(Path("/run/opencomputer"), Path, "Sockets, pid files and mount points; lost at a reboot.")
    listen: str = _setting("127.0.0.1:8080", _listen, "HOST:PORT of the API.")
    instance: str = _setting(
        "oc", _instance, "Begins the names of all that is made on the host; one for each worker there."
    )
    public_url: str = _setting(
        "", _public_url, "How people reach this server, as https://oc.example.com; empty: http://LISTEN."
    )
    domain: str = _setting("localhost", _domain, "Parent domain of preview URLs: SANDBOX-pPORT.DOMAIN.")
    region: str = _setting("local", str, "What the API calls this host's region.")
    runtime: str = _setting(
        "auto", _runtime, "What isolates sandboxes: auto, gvisor (or fake: no isolation, for tests)."
    )
    agent: Path = _setting(AGENT, Path, "The in-sandbox agent, one static program.")
    network: IPv4Network = _setting(
        IPv4Network("10.201.0.0/16"), _network, "Addresses of sandboxes; the first is their gateway."
    )
    dns: str = _setting(
        "", _addresses, "Name servers, separated by commas, that names in sandboxes are asked of; empty: the host's."
    )
    server_uid: int = _setting(61184, _positive, "Numeric user that the server runs as when it is started by root.")
    egress_uid: int = _setting(
        61185, _positive, "Numeric user that the egress proxy runs as when it is started by root."
    )
    egress_python: Path = _setting(EGRESS_PYTHON, Path, "Python of the egress proxy's own environment.")
    egress_upstream_ca: str = _setting(
        "", str, "File of further authorities (PEM) that servers on the outside may have their certificates of."
    )
    egress_hosts: str = _setting(
        "", str, "File of names and addresses, as hosts(5), that the egress proxy looks at before it asks DNS."
    )
    egress_private: str = _setting(
        "",
        _networks,
        "Networks beside the internet, separated by commas, that rules of sandboxes may open; empty: none.",
    )
    pool_mb: int = _setting(
        0, _natural, "Size of the disk pool, made when data_dir cannot clone files; 0: most of what is free."
    )
    default_cpus: float = _setting(1.0, float, "vCPUs of a sandbox that does not say.")
    default_memory_mb: int = _setting(1024, _positive, "Memory of a sandbox that does not say, in MB.")
    default_disk_mb: int = _setting(20480, _positive, "Disk of a sandbox that does not say, in MB; also the smallest.")
    max_disk_mb: int = _setting(262144, _positive, "Largest disk that may be asked for, in MB.")
    max_sandboxes: int = _setting(100, _positive, "Running sandboxes that an organization may have at once.")
    disk_reserve_mb: int = _setting(
        2048, _natural, "Space that must stay free in the pool for a sandbox to be created."
    )
    blobs: str = _setting(
        "", str, "Where artifacts are kept: a directory, or s3://BUCKET/PREFIX; empty: data_dir/blobs."
    )
    artifact_cache_mb: int = _setting(
        20480, _natural, "Artifacts that are kept on this host beside the blob store, in MB."
    )
    freeze_seconds: int = _setting(600, _natural, "How long a hibernated sandbox stays in memory before it is stored.")
    bin_dir: Path = _setting(Path("/usr/local/bin"), Path, "Where `oc-host up` links the commands.")
    oidc_issuer: str = _setting("", str, "OpenID Connect provider that people sign in with; empty: none.")
    oidc_client_id: str = _setting("", str, "This server's name at that provider.")
    oidc_client_secret: str = _setting("", str, "Its secret there; better set by OC_OIDC_CLIENT_SECRET than by a flag.")
    oidc_domains: str = _setting(
        "", str, "E-mail domains, separated by commas, whose people may join by OpenID Connect without an invitation."
    )
    master_key: str = _setting(
        "",
        str,
        "64 hex digits that secrets are encrypted with, after a comma those of former ones; empty: a file in data_dir. "
        "Better set by OC_MASTER_KEY than by a flag.",
    )
    audit_days: int = _setting(90, _natural, "How long the audit log is kept, in days; 0: for ever.")
    log_level: str = _setting("info", str, "debug, info, warning or error.")

    @property
    def worker_socket(self) -> Path:
        return self.run_dir / "worker.sock"

    @property
    def tunnel_socket(self) -> Path:
        """Where the worker lets the server through to ports in sandboxes."""
        return self.run_dir / "tunnels.sock"

    @property
    def master_key_file(self) -> Path:
        return self.data_dir / "server" / "master-key"

    @property
    def egress_directory(self) -> Path:
        """What governed sandboxes may send, for the proxy to read."""
        return self.run_dir / "egress"

    @property
    def egress_state(self) -> Path:
        return self.data_dir / "egress"

    @property
    def egress_certificate(self) -> Path:
        """Of the authority that sandboxes trust."""
        return self.egress_state / "ca.crt"

    @property
    def egress_events(self) -> Path:
        """Where the proxy tells what it has refused."""
        return self.run_dir / "egress-events.sock"

    @property
    def database(self) -> Path:
        return self.data_dir / "server" / "opencomputer.db"


def load(flags: Mapping[str, str] | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Reads the settings. Raises BadRequest that names the setting, where it was set and what it may be."""
    environ = os.environ if environ is None else environ
    path = Path(environ.get("OC_CONFIG", CONFIG_FILE))
    values: dict[str, tuple[str, str]] = {name: (value, str(path)) for name, value in _file(path).items()}
    for field in dataclasses.fields(Settings):
        variable = f"OC_{field.name.upper()}"
        if variable in environ:
            values[field.name] = environ[variable], variable
    for name, value in (flags or {}).items():
        values[name] = value, f"--{name.replace('_', '-')}"
    return Settings(**{name: _parse(name, value, source) for name, (value, source) in values.items()})


def _file(path: Path) -> dict[str, str]:
    try:
        table = tomllib.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadRequest(f"settings file {path} is not TOML: {error}") from error
    return {name: str(value) for name, value in table.items()}


def _parse(name: str, value: str, source: str) -> Any:
    fields = {field.name: field for field in dataclasses.fields(Settings)}
    if name not in fields:
        raise BadRequest(f"unknown setting {name} in {source}", hint=f"known settings: {', '.join(sorted(fields))}")
    field = fields[name]
    try:
        return field.metadata["parse"](value)
    except ValueError as error:
        raise BadRequest(f"setting {name} from {source} is {value!r}: {error}", hint=field.metadata["doc"]) from error
