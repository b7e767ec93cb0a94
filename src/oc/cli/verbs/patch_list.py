"""`oc patch list`."""

from __future__ import annotations

from oc.cli import output
from oc.cli.api import path
from oc.cli.command import Argument, Command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from typing import Any

    from oc.cli.context import Context

HEAD = ("ID", "SEQ", "DESCRIPTION", "STRATEGY", "CREATED")


def run(context: Context, arguments: Namespace) -> int:
    target = path("sandboxes", "checkpoints", arguments.CHECKPOINT, "patches")
    patches = context.api().array("GET", target, needs=("id", "sequence"))
    return context.show(patches, lambda: _print(patches))


def _print(patches: list[dict[str, Any]]) -> None:
    if patches:
        output.table(HEAD, map(_row, patches))
    else:
        output.line("No patches found.")


def _row(patch: dict[str, Any]) -> tuple[object, ...]:
    return (
        patch["id"],
        patch["sequence"],
        patch.get("description") or "-",
        patch.get("strategy") or "-",
        output.instant(patch.get("createdAt")),
    )


COMMAND = Command(
    run,
    Argument("CHECKPOINT", help="its id, as oc checkpoint list shows it"),
    notes="In the order in which they are run.",
    examples=("oc patch list $CP", "oc patch list $CP --json | jq -r '.[].id'"),
)
