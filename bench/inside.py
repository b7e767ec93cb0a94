"""Runs in a sandbox: `hold MB` keeps random bytes in memory, `tick` notes every moment at which it stood still.

Only the standard library, and nothing of this repository, is there.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

HELD = Path("/run/bench-held")  # is there once all bytes are
GAPS = Path("/run/bench-gaps")  # a line for each gap, in seconds
TICK_S = 0.002
NOTED_S = 0.01


def hold(megabytes: int) -> None:
    held = [os.urandom(1 << 20) for _ in range(megabytes)]
    HELD.touch()
    time.sleep(1e6 + len(held))


def tick() -> None:
    """By the clock of the day, which goes on while a sandbox is paused."""
    with GAPS.open("a", buffering=1) as gaps:
        last = time.time()
        while True:
            time.sleep(TICK_S)
            now = time.time()
            if now - last > NOTED_S:
                gaps.write(f"{now - last:.4f}\n")
            last = now


if __name__ == "__main__":
    hold(int(sys.argv[2])) if sys.argv[1] == "hold" else tick()
