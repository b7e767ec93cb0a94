"""What the administrator has added to the host's trust store: behind a proxy that opens TLS, sandboxes need it too."""

from __future__ import annotations

import re
from pathlib import Path

ADDITIONS = (  # update-ca-certificates(8), update-ca-trust(8)
    Path("/usr/local/share/ca-certificates"),
    Path("/etc/pki/ca-trust/source/anchors"),
)
LARGEST_BYTES = 1 << 20  # a file beyond that is no list of a few certificates
CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----\s[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----")


def extra_certificates(directories: tuple[Path, ...] = ADDITIONS) -> list[str]:
    """PEM certificates of those directories, each once. Nothing else in the files, such as a key, is taken."""
    files = [file for directory in directories for file in sorted(directory.rglob("*")) if _is_certificate_file(file)]
    found = (match for file in files for match in CERTIFICATE.findall(file.read_text(errors="replace")))
    return list(dict.fromkeys(f"{certificate}\n" for certificate in found))


def _is_certificate_file(file: Path) -> bool:
    return file.suffix in {".crt", ".pem"} and file.is_file() and file.stat().st_size <= LARGEST_BYTES
