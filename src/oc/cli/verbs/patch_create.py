"""`oc patch create`."""

from __future__ import annotations

import os

from oc.cli import output
from oc.cli.api import once, path
from oc.cli.command import Argument, Command
from oc.cli.errors import CliError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace

    from oc.cli.context import Context


def run(context: Context, arguments: Namespace) -> int:
    body = {"script": _script(arguments.script), "description": arguments.description}
    target = path("sandboxes", "checkpoints", arguments.CHECKPOINT, "patches")
    answer = context.api().object("POST", target, body, needs=("patch",), headers=once())
    patch = answer["patch"]
    id = output.printable(patch["id"])
    return context.show(answer, lambda: output.line(f"Patch created: {id} (sequence: {patch['sequence']})"))


def _script(file: str) -> str:
    """Raises OSError, and CliError for what is no text."""
    try:
        return _read(file).decode()
    except UnicodeDecodeError as error:
        raise CliError(f"the script {file} is not text in UTF-8: {error.reason} at byte {error.start}") from error


def _read(file: str) -> bytes:
    if file != "-":
        from pathlib import Path

        return Path(file).read_bytes()
    with os.fdopen(output.STDIN, "rb", closefd=False) as stdin:
        return stdin.read()


COMMAND = Command(
    run,
    Argument("CHECKPOINT", help="its id, as oc checkpoint list shows it"),
    Argument("--script", metavar="FILE", required=True, help="the script, for bash; - reads it from standard input"),
    Argument("--description", metavar="TEXT", default="", help="what it is for"),
    notes=(
        "Patches are run in their order, as root, when a sandbox is spawned from the checkpoint, and when such a\n"
        "sandbox wakes and has not run them yet; each may take 300 s. One that fails leaves the sandbox usable, and\n"
        "oc sandbox get says why. Sandboxes that run are left alone."
    ),
    examples=(
        'oc patch create $CP --script ./inject-config.sh --description "Add app config"',
        'echo "apt install -y curl" | oc patch create $CP --script -',
    ),
)
