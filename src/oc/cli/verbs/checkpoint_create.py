"""`oc checkpoint create`."""

from __future__ import annotations

from oc.cli import output
from oc.cli.api import once, path
from oc.cli.command import Argument, Command
from oc.cli.errors import UsageError
from oc.cli.values import positive

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from typing import Any

    from oc.cli.api import Api
    from oc.cli.context import Context

FULL, DISK_ONLY = "full", "disk_only"
NONE, DELETE_OLDEST = "none", "delete_oldest"


def run(context: Context, arguments: Namespace) -> int:
    api, id = context.api(), arguments.ID
    target = path("sandboxes", id, "checkpoints")
    checkpoint = api.object("POST", target, body(arguments), needs=("id", "status"), headers=once())
    if not context.json:
        _print(checkpoint, arguments.name)
    if arguments.wait:
        checkpoint = _ready(api, id, checkpoint["id"])
    if context.json:
        output.as_json(checkpoint)
    elif arguments.wait:
        output.line(f"Checkpoint ready: {checkpoint['id']} ({output.size(checkpoint.get('sizeBytes'))})")
    return 0


def body(arguments: Namespace) -> dict[str, Any]:
    """What was not given, or is the server's default, is left out (contract 12)."""
    most, policy = arguments.retention_max_count, arguments.retention_policy
    if most and policy != DELETE_OLDEST:
        raise UsageError(f"--retention-max-count needs --retention-policy {DELETE_OLDEST}")
    kind = {"kind": DISK_ONLY} if arguments.kind == DISK_ONLY else {}
    retention = {"retentionPolicy": {"mode": policy} | ({"maxCount": most} if most else {})} if policy else {}
    return {"name": arguments.name} | kind | retention


def _ready(api: Api, sandbox: str, checkpoint: str) -> dict[str, Any]:
    from oc.cli.progress import Progress
    from oc.cli.readiness import Readiness

    with Progress() as progress:
        return Readiness(api, sandbox, checkpoint, progress).wait()


def _print(checkpoint: dict[str, Any], name: str) -> None:
    id, status = output.printable(checkpoint["id"]), output.printable(checkpoint["status"])
    output.line(f"Checkpoint created: {id} (status: {status})")
    output.line(f"Name: {output.printable(checkpoint.get('name') or name)}")


COMMAND = Command(
    run,
    Argument("ID", help="sandbox, as sb-1a2b3c4d"),
    Argument("--name", metavar="NAME", required=True, help="its name, of which the sandbox has no other checkpoint"),
    Argument(
        "--kind", choices=(FULL, DISK_ONLY), default=FULL, help="with memory and processes (full, default) or not"
    ),
    Argument("--retention-policy", choices=(NONE, DELETE_OLDEST), help="what makes room for it (default: none)"),
    Argument("--retention-max-count", metavar="N", type=positive, help="keep N of its kind; the oldest go"),
    Argument("--wait", action="store_true", help="wait until it is ready"),
    notes=(
        "The sandbox stands still for a moment and then runs on, while the checkpoint is stored. Without --wait it is\n"
        "`processing` meanwhile; it can be spawned and patched as soon as it is `ready`, which a spawn waits for."
    ),
    examples=(
        'CP=$(oc checkpoint create $ID --name "python-flask" --json | jq -r .id)',
        "oc checkpoint create sb-1a2b3c4d --name before-upgrade --wait",
        "oc checkpoint create $ID --name nightly-$(date +%F) --retention-policy delete_oldest --retention-max-count 5",
    ),
)
