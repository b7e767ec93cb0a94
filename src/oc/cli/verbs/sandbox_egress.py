"""`oc sandbox egress`."""

from __future__ import annotations

from oc.cli import egress, output
from oc.cli.api import path
from oc.cli.command import Argument, Command
from oc.cli.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from typing import Any

    from oc.cli.api import Api
    from oc.cli.context import Context

HEAD = ("TIME", "TARGET", "REASON")


def run(context: Context, arguments: Namespace) -> int:
    api, target = context.api(), path("sandboxes", arguments.ID, "egress")
    if arguments.refusals:
        refusals = api.array("GET", f"{target}/refusals", needs=("host", "reason"))
        return context.show(refusals, lambda: _print(refusals))
    answer = _ask(api, target, arguments)
    return context.show(answer, lambda: output.fields(egress.lines(answer)))


def _ask(api: Api, target: str, arguments: Namespace) -> dict[str, Any]:
    rules = egress.rules(arguments)
    if arguments.clear and rules is not None:
        raise UsageError("--clear goes with no other flag")
    needs = ("sandboxID", "governed")
    if arguments.clear:
        return api.object("DELETE", target, needs=needs)
    if rules is not None:
        return api.object("PUT", target, rules, needs=needs)
    return api.object("GET", target, needs=needs)


def _print(refusals: list[dict[str, Any]]) -> None:
    if refusals:
        output.table(HEAD, map(egress.refusal, refusals))
    else:
        output.line("Nothing was refused.")


COMMAND = Command(
    run,
    Argument("ID", help="sandbox, as sb-1a2b3c4d"),
    *egress.FLAGS,
    Argument("--clear", action="store_true", help="take back what was said; its secret stores still count"),
    Argument("--refusals", action="store_true", help="list what it has tried to reach and was refused, latest first"),
    notes=(
        "Without flags, shows what the sandbox may reach. What is said takes the place of what was said before, and\n"
        "holds at once, for connections that are open as well."
    ),
    examples=(
        "oc sandbox egress sb-1a2b3c4d",
        "oc sandbox egress sb-1a2b3c4d --allow-host pypi.org --allow-host '*.pythonhosted.org'",
        "oc sandbox egress sb-1a2b3c4d --refusals",
    ),
)
