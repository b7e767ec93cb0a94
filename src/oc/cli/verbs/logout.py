"""`oc logout`."""

from __future__ import annotations

import os

from oc.cli import config, output
from oc.cli.command import Argument, Command
from oc.cli.errors import CliError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace

    from oc.cli.context import Context


def run(context: Context, arguments: Namespace) -> int:
    login = config.login()
    if login is None:
        by_hand = config.read().get("api_key")
        what = "the saved key was set by hand" if by_hand else "you are not logged in"
        raise CliError(what, hint='oc config set api-key "" forgets it' if by_hand else "")
    if not arguments.local:
        from oc.cli.device import Server

        key = str(config.read()["api_key"])
        Server(str(login.get("api_url") or context.setting("api_url")), key).revoke()
    config.forget_login()
    if os.environ.get(config.VARIABLES["api_key"]):
        output.note(f"{config.VARIABLES['api_key']} is still set, and goes on being used")
    return context.show({"status": "logged_out"}, lambda: output.line("Logged out."))


COMMAND = Command(
    run,
    Argument("--local", action="store_true", help="forget the key without telling the server, where it stays valid"),
    notes="The key is revoked on the server, then forgotten here.",
    examples=("oc logout", "oc logout --local"),
)
