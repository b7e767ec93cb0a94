"""The command line as an archive that `install.sh` unpacks. Standard library only: a checkout without an environment
packs it as well."""

from __future__ import annotations

import gzip
import io
import tarfile
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
CONTENT = ("__init__.py", "cli/**/*.py", "model/__init__.py", "model/ids.py")  # what `oc` imports of this package


@cache
def archive() -> bytes:
    """A gzipped tar of `oc/...`. The same files give the same bytes, whatever their owners and times."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for path in files():
            _add(tar, path)
    return gzip.compress(packed.getvalue(), mtime=0)


def files() -> list[Path]:
    return sorted(path for pattern in CONTENT for path in PACKAGE.glob(pattern))


def _add(tar: tarfile.TarFile, path: Path) -> None:
    """With the owner, time and mode that TarInfo begins with: root's, 1970, readable by all."""
    data = path.read_bytes()
    member = tarfile.TarInfo(f"oc/{path.relative_to(PACKAGE).as_posix()}")
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))
