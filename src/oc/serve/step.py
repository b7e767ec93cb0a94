"""What a person sees of long work: each step with its reason, its progress and how long it took."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

INDENT = "    "


@contextmanager
def step(title: str, reason: str) -> Iterator[None]:
    """Says what is done and why, and how long it took unless it failed: then its error says so."""
    print(f"\n==> {title}\n{INDENT}{reason}", flush=True)
    started = time.monotonic()
    yield
    progress(f"done ({time.monotonic() - started:.1f} s)")


def progress(text: str) -> None:
    print("\n".join(f"{INDENT}{line}" for line in text.splitlines()), flush=True)
