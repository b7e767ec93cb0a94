"""The egress proxy's first steps, in its own environment: it gives up root before any library of its is loaded.

`python -m oc.serve.egress_start UID PARENT prepare STATE` makes the certificate authority; with other words behind
PARENT it becomes the proxy. PARENT is the process to end with, 0 for none.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from oc.serve import privileges


def main(uid: int, parent: int, argv: list[str]) -> int:
    privileges.become(uid)
    if parent:
        privileges.die_with(parent, signal.SIGTERM)
    if argv[0] == "prepare":
        from oc.egress import ca

        ca.prepare(Path(argv[1]))
        return 0
    from oc.egress.main import main as proxy

    return proxy(argv)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]))
