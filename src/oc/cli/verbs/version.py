"""`oc version`, `oc --version`."""

from __future__ import annotations

import oc
from oc.cli import output
from oc.cli.command import Command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace

    from oc.cli.context import Context


def run(context: Context, arguments: Namespace) -> int:
    return context.show({"version": oc.__version__}, lambda: output.line(f"oc version {oc.__version__}"))


COMMAND = Command(run, examples=("oc version",))
