"""`oc shell`: a terminal in a sandbox."""

from __future__ import annotations

import os

from oc.cli import output
from oc.cli.api import path
from oc.cli.command import Argument, Command
from oc.cli.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from typing import Any

    from oc.cli.api import Api
    from oc.cli.context import Context

OF_NEW_ONES = ("shell", "user", "cwd")


def run(context: Context, arguments: Namespace) -> int:
    if arguments.list:
        return _list(context, arguments.ID)
    _check(context, arguments)
    from oc.cli.shell import visit
    from oc.cli.shell_keys import KEYS
    from oc.cli.terminal import Terminal

    api, terminal = context.api(), Terminal()
    session = arguments.attach or _create(api, arguments, terminal.size)
    if os.isatty(output.STDERR):
        output.note(f"{KEYS} leaves the shell running")
    return visit(api, arguments.ID, session, terminal, again=bool(arguments.attach))


def _check(context: Context, arguments: Namespace) -> None:
    if context.json:
        raise UsageError("oc shell shows a terminal, which is not JSON", hint="for scripts: oc exec ID --wait --json")
    surplus = [name for name in OF_NEW_ONES if getattr(arguments, name)]
    if arguments.attach and surplus:
        raise UsageError(f"--attach goes to a shell that runs already; --{surplus[0]} is for a new one")
    if not os.isatty(output.STDIN):
        raise UsageError(
            "oc shell needs a terminal, and standard input is none", hint="for scripts: oc exec ID -- COMMAND"
        )


def _create(api: Api, arguments: Namespace, size: os.terminal_size) -> str:
    body: dict[str, Any] = {"cols": size.columns, "rows": size.lines}
    body |= {name: getattr(arguments, name) for name in OF_NEW_ONES if getattr(arguments, name)}
    created = api.object("POST", path("sandboxes", arguments.ID, "pty"), body, needs=("sessionID",))
    return str(created["sessionID"])


def _list(context: Context, id: str) -> int:
    needs = ("sessionID", "shell", "startedAt", "attachedClients")
    terminals = context.api().array("GET", path("sandboxes", id, "pty"), needs=needs)
    rows = [
        (one["sessionID"], one["shell"], output.instant(one["startedAt"]), one["attachedClients"]) for one in terminals
    ]
    if not rows:
        return context.show(terminals, lambda: output.line("No shells run."))
    return context.show(terminals, lambda: output.table(("SESSION", "SHELL", "STARTED", "CLIENTS"), rows))


COMMAND = Command(
    run,
    Argument("ID", help="sandbox, as sb-1a2b3c4d"),
    Argument("--shell", metavar="PATH", help="as /bin/zsh (default: /bin/bash, or else /bin/sh)"),
    Argument("--user", metavar="NAME", help="run it as this user (default: root)"),
    Argument("--cwd", metavar="DIR", help="where to start (default: the user's home)"),
    Argument("--attach", metavar="SESSION", help="go back to a shell that was left running"),
    Argument("--list", action="store_true", help="show the shells that run"),
    notes=(
        "Every key goes to the shell, Ctrl-C and Ctrl-Z too, and the exit code is the shell's. It ends with oc,\n"
        "unless you leave it with Ctrl-] then d; Ctrl-] twice types one Ctrl-]. When the connection is lost, oc\n"
        "tries again for a minute and goes on at the very byte."
    ),
    examples=(
        "oc shell sb-1a2b3c4d",
        "oc shell sb-1a2b3c4d --shell /bin/zsh --cwd /app",
        "oc shell sb-1a2b3c4d --attach 5e6f7a8b",
    ),
)
