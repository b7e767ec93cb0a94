"""`oc checkpoint list`."""

from __future__ import annotations

from oc.cli import output
from oc.cli.api import path
from oc.cli.command import Argument, Command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from typing import Any

    from oc.cli.context import Context

HEAD = ("ID", "NAME", "STATUS", "SIZE", "CREATED")


def run(context: Context, arguments: Namespace) -> int:
    checkpoints = context.api().array("GET", path("sandboxes", arguments.ID, "checkpoints"), needs=("id",))
    return context.show(checkpoints, lambda: _print(checkpoints, colour=context.colour))


def _print(checkpoints: list[dict[str, Any]], *, colour: bool) -> None:
    if checkpoints:
        output.table(HEAD, map(_row, checkpoints), colour=colour)
    else:
        output.line("No checkpoints found.")


def _row(checkpoint: dict[str, Any]) -> tuple[object, ...]:
    return (
        checkpoint["id"],
        checkpoint.get("name") or "-",
        checkpoint.get("status") or "-",
        output.size(checkpoint.get("sizeBytes")),
        output.instant(checkpoint.get("createdAt")),
    )


COMMAND = Command(
    run,
    Argument("ID", help="sandbox, as sb-1a2b3c4d; also one that was killed"),
    examples=("oc checkpoint list sb-1a2b3c4d", "oc checkpoint list $ID --json | jq -r '.[0].id'"),
)
