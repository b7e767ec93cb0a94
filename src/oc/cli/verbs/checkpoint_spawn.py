"""`oc checkpoint spawn`."""

from __future__ import annotations

from oc.cli import egress, output
from oc.cli.api import once, path
from oc.cli.command import Argument, Command
from oc.cli.values import natural, positive

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterable
    from typing import Any

    from oc.cli.context import Context

NEEDS = ("sandboxID", "status")
ANSWER_S = 3600.0  # it comes when all patches have run, and each may take five minutes (contract 2.7)


def run(context: Context, arguments: Namespace) -> int:
    api, count = context.api(), arguments.count
    target = path("sandboxes", "from-checkpoint", arguments.CHECKPOINT)
    body = {"timeout": arguments.timeout, "secretStore": arguments.secret_store, "egress": egress.rules(arguments)}
    body = {name: value for name, value in body.items() if value is not None}
    if count is None:
        sandbox = api.object("POST", target, body, needs=NEEDS, answer_s=ANSWER_S, headers=once())
        return context.show(sandbox, lambda: _print([sandbox]))
    body["count"] = count
    sandboxes = api.array("POST", target, body, needs=NEEDS, answer_s=ANSWER_S, headers=once())
    return context.show(sandboxes, lambda: _print(sandboxes))


def _print(sandboxes: Iterable[dict[str, Any]]) -> None:
    for sandbox in sandboxes:
        id, status = output.printable(sandbox["sandboxID"]), output.printable(sandbox["status"])
        output.line(f"Created sandbox {id} from checkpoint (status: {status})")
        if error := sandbox.get("patchError"):
            output.note(f"{id}: {error}")


COMMAND = Command(
    run,
    Argument("CHECKPOINT", help="its id, as oc checkpoint list shows it"),
    Argument(
        "--timeout", metavar="S", type=natural, default=0, help="hibernate after S idle seconds; 0: never (default)"
    ),
    Argument("--secret-store", metavar="NAME", help="store whose secrets it may use, beside its checkpoint's"),
    *egress.FLAGS,
    Argument("--count", metavar="N", type=positive, help="create N at once, all or none; --json prints an array"),
    notes=(
        "With a full checkpoint its processes run on in the new sandbox; with disk_only it boots. Patches of the\n"
        "checkpoint are run first. A checkpoint that is still processing is waited for."
    ),
    examples=(
        "FORK=$(oc checkpoint spawn $CP --json | jq -r .sandboxID)",
        "oc checkpoint spawn $CP --timeout 300",
        "oc checkpoint spawn $CP --count 10 --json | jq -r '.[].sandboxID'",
    ),
)
