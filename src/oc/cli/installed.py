"""Where `oc` begins when install.sh has put it in a home directory.

The interpreter is started with `-I -S`: no site directories, which take longer to look through than `oc` to start.
"""

from __future__ import annotations

import os
import sys


def start() -> None:
    """By its real name: a command that runs while a newer version is installed goes on with its own modules."""
    sys.path.append(os.path.realpath(__file__).removesuffix("/oc/cli/installed.py"))
    from oc.cli.main import main

    main()


if __name__ == "__main__":
    start()
