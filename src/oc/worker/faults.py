"""Crash points: places where tests kill the worker, to see that the next one heals what this one began.

`OC_CRASH_AT=create:disk` kills the process when it is about to make a sandbox's disk; `create:disk:3`, at the third.
The point before an effect is also the one after the effect above it; `end` comes after the last.
"""

from __future__ import annotations

import os
import signal
from collections import Counter

VARIABLE = "OC_CRASH_AT"

EFFECTS = {
    "create": ("record", "disk", "mount", "network", "runtime", "agent", "running", "end"),
    "remove": ("record", "runtime", "network", "mount", "disk", "forget", "end"),
    "save": ("begin", "memory", "disk", "commit", "end"),
    "restore": ("record", "runtime", "network", "mount", "disk", "running"),
    "freeze": ("record", "runtime"),
    "thaw": ("record",),
    "reboot": ("record", "runtime", "network", "mount"),
    "resize": ("runtime", "agent", "record"),
    "lose": ("record", "runtime", "network", "mount", "end"),
}
POINTS = frozenset(f"{deed}:{effect}" for deed, effects in EFFECTS.items() for effect in effects)

_passed: Counter[str] = Counter()


def here(point: str) -> None:
    """Ends the process, as `kill -9` would, if this is the point that the environment names."""
    if point not in POINTS:
        raise ValueError(f"{point} is not a crash point")
    wanted = os.environ.get(VARIABLE)
    if wanted is None:
        return
    _passed[point] += 1
    if wanted in {point, f"{point}:{_passed[point]}"}:
        os.kill(os.getpid(), signal.SIGKILL)
