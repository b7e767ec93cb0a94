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
    if arguments.if_unset and (why := _kept(setting)):
        return context.show({"kept": setting}, lambda: output.line(f"{setting} not changed: {why}"))
    config.store(SETTINGS[setting], value)
    return context.show({"updated": setting}, lambda: output.line(f"{setting} updated"))


def _kept(setting: str) -> str:
    """Why what is saved stays as it is; empty if it does not."""
    values = config.read()
    if saved := values.get(SETTINGS[setting]):
        return "one is set already" if setting == "api-key" else f"it is {saved} already"
    if setting == "api-url" and values.get("api_key"):  # which no other server must get to see
        return f"the saved key is for {config.DEFAULT_URL}"
    return ""


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
    Argument("--if-unset", action="store_true", help="leave alone what is saved already"),
    examples=("oc config set api-key -", "oc config set api-key osb_...", "oc config set api-url http://10.0.0.5:8080"),
)
