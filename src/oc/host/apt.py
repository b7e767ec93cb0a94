"""From where the host's own apt fetches Debian, as sources for a Debian of any suite.

On a Debian host: its mirrors, archive and security apart, with the suites renamed. On any other host (Ubuntu) nothing
of its sources holds Debian, so there are none: `mmdebstrap` without sources uses its built-in default, and needs the
package debian-archive-keyring.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ETC_APT = Path("/etc/apt")
OS_RELEASE = Path("/etc/os-release")
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
POCKETS = ("", "-updates", "-security")  # the parts of a stable suite


@dataclass(frozen=True, slots=True)
class Source:
    uri: str
    suite: str
    components: tuple[str, ...]
    signed_by: Path | None

    def line(self) -> str:
        """One-line format of sources.list(5)."""
        option = f"[signed-by={self.signed_by}] " if self.signed_by else ""
        return f"deb {option}{self.uri} {self.suite} {' '.join(self.components)}"


def sources(suite: str = "bookworm", etc_apt: Path = ETC_APT, os_release: Path = OS_RELEASE) -> str:
    """Text of a sources.list for a suite of Debian, from the host's mirrors; empty when the host has none of Debian."""
    return "".join(f"{source.line()}\n" for source in debian_sources(suite, etc_apt, os_release))


def debian_sources(suite: str = "bookworm", etc_apt: Path = ETC_APT, os_release: Path = OS_RELEASE) -> list[Source]:
    """The same as data; their keyrings are the host's files."""
    release = dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', os_release.read_text(), re.MULTILINE))
    if release.get("ID") != "debian":
        return []
    own = release.get("VERSION_CODENAME", "")
    renamed = {f"{name}{pocket}": f"{suite}{pocket}" for name in (own, "stable") for pocket in POCKETS}
    found = [
        Source(source.uri, renamed[source.suite], source.components, source.signed_by or _default_key())
        for source in configured(etc_apt)
        if source.suite in renamed and source.uri.startswith(("http://", "https://"))
    ]
    return list(dict.fromkeys(found))


def _default_key() -> Path | None:
    return KEYRING if KEYRING.exists() else None


def configured(etc_apt: Path = ETC_APT) -> Iterator[Source]:
    """All binary sources of apt's configuration that are switched on and need no credentials."""
    files = [etc_apt / "sources.list", *sorted((etc_apt / "sources.list.d").glob("*"))]
    for file in files:
        if file.is_file() and file.suffix in {".list", ".sources"}:
            text = file.read_text(errors="replace")
            found = _stanzas(text) if file.suffix == ".sources" else _lines(text)
            yield from (source for source in found if "@" not in source.uri)


def _lines(text: str) -> Iterator[Source]:
    """One-line format: `deb [option=value ...] uri suite component...`."""
    for match in re.finditer(r"^deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)([^#\n]*)", text, re.MULTILINE):
        options = dict(option.partition("=")[::2] for option in (match[1] or "").split())
        yield Source(match[2], match[3], tuple(match[4].split()), _key(options.get("signed-by", "")))


def _stanzas(text: str) -> Iterator[Source]:
    """Deb822 format: fields in paragraphs, continued by indented lines, `#` lines are comments."""
    kept = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for stanza in re.split(r"\n\s*\n", kept):
        pairs = re.findall(r"^([\w-]+):((?:.*)(?:\n[ \t].*)*)", stanza, re.MULTILINE)
        fields = {name.lower(): value.strip() for name, value in pairs}
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() in {"no", "false"}:
            continue
        components, key = tuple(fields.get("components", "").split()), _key(fields.get("signed-by", ""))
        for uri in fields.get("uris", "").split():
            yield from (Source(uri, suite, components, key) for suite in fields.get("suites", "").split())


def _key(text: str) -> Path | None:
    """A keyring's path; a key given in the text itself or by its fingerprint is left to the host's defaults."""
    return Path(text) if text.startswith("/") and len(text.split()) == 1 else None
