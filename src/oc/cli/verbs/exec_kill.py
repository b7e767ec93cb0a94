"""`oc exec kill`."""

from __future__ import annotations

from oc.cli import output
from oc.cli.api import path
from oc.cli.command import Argument, Command
from oc.cli.values import natural

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace

    from oc.cli.context import Context

SIGKILL = 9


def run(context: Context, arguments: Namespace) -> int:
    session = arguments.SESSION
    target = path("sandboxes", arguments.ID, "exec", session, "kill")
    context.api().call("POST", target, {"signal": arguments.signal})
    sent = {"sessionID": session, "signal": arguments.signal}
    return context.show(sent, lambda: output.line(f"Session {session} killed"))


COMMAND = Command(
    run,
    Argument("ID", help="sandbox, as sb-1a2b3c4d"),
    Argument("SESSION", help="session, as oc exec list shows it"),
    Argument("--signal", metavar="N", type=natural, default=SIGKILL, help="the signal's number (default: 9, KILL)"),
    examples=("oc exec kill sb-1a2b3c4d 5e6f7a8b", "oc exec kill $ID $SESSION --signal 15"),
)
