"""`oc preview rotate-auth`."""

from __future__ import annotations

from oc.cli import output
from oc.cli.api import path
from oc.cli.command import Argument, Command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace

    from oc.cli.context import Context


def run(context: Context, arguments: Namespace) -> int:
    target = path("sandboxes", arguments.SANDBOX, "preview", "rotate")
    rotated = context.api().object("POST", target, needs=("previewAuthToken",))
    token = output.printable(rotated["previewAuthToken"])
    return context.show(rotated, lambda: output.line(f"Preview auth token (shown once): {token}"))


COMMAND = Command(
    run,
    Argument("SANDBOX", help="sandbox, as sb-1a2b3c4d"),
    notes=(
        "All its previews ask for this token from now on, also if they were open; the former token is dead at once.\n"
        "It goes in a header: `X-OC-Preview-Token: TOKEN`, or `Authorization: Bearer TOKEN`."
    ),
    examples=(
        "oc preview rotate-auth sb-1a2b3c4d",
        "TOKEN=$(oc preview rotate-auth $ID --json | jq -r .previewAuthToken)",
    ),
)
