"""`oc sandbox scale`."""

from __future__ import annotations

from oc.cli import output
from oc.cli.api import path
from oc.cli.command import Argument, Command
from oc.cli.values import positive, processors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace

    from oc.cli.context import Context


def run(context: Context, arguments: Namespace) -> int:
    wanted = {"memoryMB": arguments.MEMORY_MB} | ({"cpuCount": arguments.cpu} if arguments.cpu else {})
    target = path("sandboxes", arguments.ID, "scale")
    answer = context.api().object("POST", target, wanted, needs=("memoryMB", "cpuPercent"))
    text = f"Sandbox {arguments.ID} scaled: {answer['memoryMB']} MB, {answer['cpuPercent']}% CPU"
    return context.show(answer, lambda: output.line(text))


COMMAND = Command(
    run,
    Argument("ID", help="sandbox, as sb-1a2b3c4d"),
    Argument("MEMORY_MB", type=positive, help="its memory from now on, in MB, from 128 up"),
    Argument("--cpu", metavar="N", type=processors, help="its vCPUs from now on, such as 2 or 0.5"),
    notes=(
        "It runs on meanwhile; one that sleeps is woken. It cannot have less memory than it uses, nor more vCPUs than\n"
        "it was started with (or 2). Ends autoscaling."
    ),
    examples=("oc sandbox scale sb-1a2b3c4d 4096", "oc sandbox scale sb-1a2b3c4d 2048 --cpu 2"),
)
