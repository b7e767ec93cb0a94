"""Commands that the host's program has under the same name: `oc` becomes that program."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from oc.cli.command import Command
from oc.cli.errors import CliError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace

    from oc.cli.context import Context

PROGRAM = "oc-host"


def hand_over(verb: str, *, examples: tuple[str, ...]) -> Command:
    def run(context: Context, arguments: Namespace) -> int:
        program = find()
        os.execv(program, [program, verb, *arguments.rest])  # noqa: S606 - no shell is wanted

    return Command(
        run,
        examples=examples,
        usage="[flags]",
        notes=f"This is `{PROGRAM} {verb}`, which takes all flags: see {PROGRAM} {verb} --help.",
        passes_on=True,
    )


def find() -> str:
    """Beside the interpreter that runs us, or on PATH. Raises CliError that says how to get it."""
    import shutil

    beside = shutil.which(PROGRAM, path=str(Path(sys.executable).parent))
    if found := beside or shutil.which(PROGRAM):
        return found
    raise CliError(
        f"{PROGRAM} is not installed: this machine has the command line only",
        hint="on a Linux machine that is to run sandboxes: pip install 'opencomputer[worker]'",
    )
