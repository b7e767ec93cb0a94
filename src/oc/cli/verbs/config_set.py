"""`oc config set`."""

from __future__ import annotations

import os

from oc.cli import config, output
from oc.cli.command import Argument, Command
from oc.cli.errors import CliError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace

    from oc.cli.context import Context

SETTINGS = {"api-key": "api_key", "api-url": "api_url"}


def run(context: Context, arguments: Namespace) -> int:
    setting = arguments.KEY
    if setting not in SETTINGS:
        raise UsageError(f"unknown setting {setting!r}: it must be one of {', '.join(SETTINGS)}")
    value = (_from_stdin() if arguments.VALUE == "-" else arguments.VALUE).strip()
    if not value and arguments.VALUE == "-":
        raise CliError("standard input holds no value")
    if setting == "api-url":
        _check_url(value)
    config.store(SETTINGS[setting], value)
    return context.show({"updated": setting}, lambda: output.line(f"{setting} updated"))


def _from_stdin() -> str:
    """A line, so that a secret is in no list of processes and in no shell's history."""
    if os.isatty(output.STDIN):
        from getpass import getpass

        return getpass("Value: ")
    with os.fdopen(output.STDIN, "rb", closefd=False) as stdin:
        return stdin.readline().decode("utf-8", "replace")


def _check_url(value: str) -> None:
    """Raises CliError."""
    from oc.cli.origin import Origin

    Origin(value)


COMMAND = Command(
    run,
    Argument("KEY", help="api-key or api-url"),
    Argument("VALUE", help="the value; - reads it from standard input"),
    examples=("oc config set api-key -", "oc config set api-key osb_...", "oc config set api-url http://10.0.0.5:8080"),
)
