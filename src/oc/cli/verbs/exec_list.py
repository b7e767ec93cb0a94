"""`oc exec list`."""

from __future__ import annotations

from oc.cli import output
from oc.cli.api import path
from oc.cli.command import Argument, Command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from typing import Any

    from oc.cli.context import Context


NEEDS = ("sessionID", "command", "running", "attachedClients")


def run(context: Context, arguments: Namespace) -> int:
    sessions = context.api().array("GET", path("sandboxes", arguments.ID, "exec"), needs=NEEDS)
    return context.show(sessions, lambda: _print(sessions))


def _print(sessions: list[dict[str, Any]]) -> None:
    for session in sessions:
        output.line(f"  {'  '.join(map(output.printable, _fields(session)))}")
    if not sessions:
        output.line("No active exec sessions.")


def _fields(session: dict[str, Any]) -> tuple[str, ...]:
    state = "running" if session["running"] else f"exited ({session.get('exitCode', -1)})"
    command = " ".join([session["command"], *(session.get("args") or [])])
    return session["sessionID"], state, command, f"clients={session['attachedClients']}"


COMMAND = Command(
    run,
    Argument("ID", help="sandbox, as sb-1a2b3c4d"),
    examples=("oc exec list sb-1a2b3c4d", "oc exec list $ID --json"),
)
