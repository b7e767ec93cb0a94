"""`oc sandbox hibernate`."""

from __future__ import annotations

from oc.cli import output
from oc.cli.api import path
from oc.cli.command import Argument, Command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from typing import Any

    from oc.cli.context import Context


def run(context: Context, arguments: Namespace) -> int:
    id = arguments.ID
    answer = context.api().object("POST", path("sandboxes", id, "hibernate"), needs=("status",))
    # Scripts written for the reference command line look for a small d, which the API does not have.
    return context.show({"sandboxId": id} | answer, lambda: _print(id, answer))


def _print(id: str, answer: dict[str, Any]) -> None:
    output.line(f"Sandbox {id} hibernated.")
    if answer.get("sizeBytes"):
        output.line(f"Size: {output.size(answer['sizeBytes'])}")


COMMAND = Command(
    run,
    Argument("ID", help="sandbox, as sb-1a2b3c4d"),
    notes="It takes no CPU time any more, and soon no memory. Any use of it, as oc exec, wakes it.",
    examples=("oc sandbox hibernate sb-1a2b3c4d",),
)
