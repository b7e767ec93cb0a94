"""Attributes of devices that come and go (sysfs(5))."""

from __future__ import annotations

import errno
from pathlib import Path


def read(attribute: Path) -> str | None:
    """The attribute's text without its line end; None when its device has gone, before or while it was read."""
    try:
        return attribute.read_text(errors="surrogateescape").removesuffix("\n")
    except OSError as error:
        if error.errno in {errno.ENOENT, errno.ENODEV}:
            return None
        raise
