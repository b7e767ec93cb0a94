"""Which package indexes the host's own pip and npm use, so that those in a sandbox can use the same.

Only what a sandbox can reach and may know: network addresses without credentials.
"""

from __future__ import annotations

import configparser
import logging
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

PIP_FILES = ("/etc/xdg/pip/pip.conf", "/etc/pip.conf", "~/.pip/pip.conf", "~/.config/pip/pip.conf")
NPM_FILES = ("/usr/etc/npmrc", "/usr/local/etc/npmrc", "/etc/npmrc", "~/.npmrc")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pip:
    index_url: str | None  # None: pip's own default
    extra_index_urls: tuple[str, ...]


def pip(files: Iterable[str] = PIP_FILES, environ: Mapping[str, str] = os.environ) -> Pip:
    """The indexes of pip's configuration; later files win, the environment over all (pip's manual, "Configuration")."""
    values: dict[str, str] = {}
    for file in (*files, environ.get("PIP_CONFIG_FILE", "")):
        values |= _pip_file(Path(file).expanduser())
    values |= {key: environ[name] for key in ("index-url", "extra-index-url") if (name := _variable(key)) in environ}
    index = _public([values.get("index-url", "")], "pip index")
    return Pip(index[0] if index else None, tuple(_public(values.get("extra-index-url", "").split(), "pip index")))


def _variable(key: str) -> str:
    return f"PIP_{key.upper().replace('-', '_')}"


def _pip_file(path: Path) -> dict[str, str]:
    parser = configparser.RawConfigParser()
    if not path.is_file():
        return {}
    try:
        parser.read(path)
    except (configparser.Error, UnicodeDecodeError) as error:
        log.warning("pip's configuration %s cannot be read: %s", path, type(error).__name__)
        return {}
    sections = (dict(parser[section]) for section in ("global", "install") if section in parser)
    return {key.replace("_", "-"): value for section in sections for key, value in section.items()}


def npm(files: Iterable[str] = NPM_FILES, environ: Mapping[str, str] = os.environ) -> str | None:
    """The registry of npm's configuration; None: npm's own default."""
    found = [environ.get("npm_config_registry") or environ.get("NPM_CONFIG_REGISTRY") or ""]
    found += [value for file in reversed([*files]) for value in _npm_file(Path(file).expanduser())]
    registries = _public(found, "npm registry")
    return registries[0] if registries else None


def _npm_file(path: Path) -> list[str]:
    """npmrc is `key = value` lines; the last one counts."""
    if not path.is_file():
        return []
    pairs = (line.partition("=") for line in path.read_text(errors="replace").splitlines())
    return [value.strip() for key, _, value in pairs if key.strip() == "registry"][-1:]


def _public(urls: Iterable[str], what: str) -> list[str]:
    found = []
    for url in filter(None, urls):
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"}:
            continue
        if parts.username or parts.password:
            log.warning("a %s of the host's has credentials: sandboxes are not told of it", what)
            continue
        found.append(url)
    return found
