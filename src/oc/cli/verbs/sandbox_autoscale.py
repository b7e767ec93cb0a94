"""`oc sandbox autoscale`."""

from __future__ import annotations

from oc.cli import output
from oc.cli.api import path
from oc.cli.command import Argument, Command
from oc.cli.errors import UsageError
from oc.cli.values import positive

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from typing import Any

    from oc.cli.context import Context


def run(context: Context, arguments: Namespace) -> int:
    wanted = _wanted(arguments)
    target = path("sandboxes", arguments.ID, "autoscale")
    method = "GET" if wanted is None else "PUT"
    answer = context.api().object(method, target, wanted, needs=("enabled", "minMemoryMB", "maxMemoryMB"))
    return context.show(answer, lambda: output.line(_text(arguments.ID, answer)))


def _wanted(arguments: Namespace) -> dict[str, Any] | None:
    """None: only to be shown. Raises UsageError."""
    bounds = arguments.min, arguments.max
    if arguments.on and arguments.off:
        raise UsageError("--on and --off exclude each other")
    if not arguments.on and bounds != (None, None):
        raise UsageError("--min and --max go with --on")
    if arguments.on and None in bounds:
        raise UsageError("--on needs --min and --max")
    if arguments.on:
        return {"enabled": True, "minMemoryMB": arguments.min, "maxMemoryMB": arguments.max}
    return {"enabled": False} if arguments.off else None


def _text(id: str, answer: dict[str, Any]) -> str:
    if not answer["enabled"]:
        return f"Autoscale of sandbox {id}: disabled"
    return f"Autoscale of sandbox {id}: enabled, {answer['minMemoryMB']} to {answer['maxMemoryMB']} MB"


COMMAND = Command(
    run,
    Argument("ID", help="sandbox, as sb-1a2b3c4d"),
    Argument("--on", action="store_true", help="let its memory follow what it uses"),
    Argument("--off", action="store_true", help="keep the memory that it has"),
    Argument("--min", metavar="MB", type=positive, help="least memory, with --on"),
    Argument("--max", metavar="MB", type=positive, help="most memory, with --on"),
    notes=(
        "Without flags, shows whether it is on. Memory is doubled when three quarters of it are in use for a minute,\n"
        "and halved when less than a quarter is for a quarter of an hour."
    ),
    examples=("oc sandbox autoscale sb-1a2b3c4d --on --min 512 --max 4096", "oc sandbox autoscale sb-1a2b3c4d"),
)
