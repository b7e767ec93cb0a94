"""`oc exec attach`."""

from __future__ import annotations

import os

from oc.cli import output
from oc.cli.command import Argument, Command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace

    from oc.cli.context import Context


def run(context: Context, arguments: Namespace) -> int:
    from oc.cli.stdin import Input
    from oc.cli.watch import watch

    # Others may be attached, now or later: only a person at a terminal means the process when the input ends.
    ends = os.isatty(output.STDIN) and not arguments.no_stdin
    input = Input(output.STDIN, ended=arguments.no_stdin, ends=ends)
    return watch(context.api(), arguments.ID, arguments.SESSION, input=input, whole=False)


COMMAND = Command(
    run,
    Argument("ID", help="sandbox, as sb-1a2b3c4d"),
    Argument("SESSION", help="session, as oc exec list shows it"),
    Argument("--no-stdin", action="store_true", help="only watch"),
    notes=(
        "The exit code is the command's. Input is sent to it, but only Ctrl-D at a terminal ends its input.\n"
        "Ctrl-C interrupts the command; a second one leaves it running and exits with 130."
    ),
    examples=("oc exec attach sb-1a2b3c4d 5e6f7a8b",),
)
