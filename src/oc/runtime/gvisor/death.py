"""Of what a sandbox died, from what it left: the kernel's count of kills for memory, and its runtime's last words."""

from __future__ import annotations

import json
import re

from oc.runtime.driver import Death
from oc.runtime.gvisor.bundle import Bundle

MEMORY = "it ran out of memory: the host's kernel killed it at its memory limit"
OUTSIDE = "its runtime was killed from outside the sandbox"
WORDS = 400  # characters that are passed on
EXIT = re.compile(r"application exiting with (.*)")


def cause(bundle: Bundle, oom_kills: int) -> Death:
    if oom_kills:
        return Death(MEMORY)
    if panic := first_line(bundle.log("panic")):
        return Death(f"its runtime crashed: {panic}")
    if found := EXIT.findall(bundle.log("boot")):
        return Death(f"its first process ended: {first_line(found[-1])}")
    return Death(OUTSIDE)


def last_words(bundle: Bundle) -> str:
    """Why a start failed; empty when nothing was said about it. `errors` has lines of JSON."""
    return "; ".join(map(_message, bundle.log("errors").splitlines()[-1:])) or first_line(bundle.log("panic"))


def _message(line: str) -> str:
    try:
        return first_line(str(json.loads(line)["msg"]))
    except (ValueError, LookupError, TypeError):  # cut off, or of a build that writes text
        return first_line(line)


def first_line(text: str) -> str:
    """What follows it, if anything, is where in runsc's source that was."""
    return next(iter(text.strip().splitlines()), "")[:WORDS]
