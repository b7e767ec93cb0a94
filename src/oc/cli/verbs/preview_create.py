"""`oc preview create`."""

from __future__ import annotations

from oc.cli import output
from oc.cli.api import path
from oc.cli.command import Argument, Command
from oc.cli.values import natural

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from typing import Any

    from oc.cli.context import Context

LINES = (
    ("Hostname", "hostname"),
    ("Port", "port"),
    ("SSL", "sslStatus"),
    ("Custom", "customHostname"),
    ("URL", "url"),
)


def run(context: Context, arguments: Namespace) -> int:
    domain = {"domain": arguments.domain} if arguments.domain else {}
    body = {"port": arguments.port, "authConfig": {}} | domain
    preview = context.api().object(
        "POST", path("sandboxes", arguments.SANDBOX, "preview"), body, needs=("hostname", "port")
    )
    return context.show(preview, lambda: _print(preview))


def _print(preview: dict[str, Any]) -> None:
    output.line("Preview URL created:")
    output.fields((f"  {label}", preview[key]) for label, key in LINES if preview.get(key))


COMMAND = Command(
    run,
    Argument("SANDBOX", help="sandbox, as sb-1a2b3c4d"),
    Argument("--port", metavar="N", type=natural, required=True, help="port that something listens on in the sandbox"),
    Argument("--domain", metavar="NAME", help="a host name of your own that leads to this server"),
    notes=(
        "What listens may be bound to 127.0.0.1 only. The first request wakes a sandbox that sleeps. A port that has\n"
        "a preview URL keeps it; with --domain it gets that name.\n\n"
        "Anyone may open it, unless the sandbox was created with --preview-auth or `oc preview rotate-auth` has made\n"
        "a token since."
    ),
    examples=(
        "oc preview create sb-1a2b3c4d --port 3000",
        "oc preview create $ID --port 8080 --domain myapp.example.com",
        "URL=$(oc preview create $ID --port 3000 --json | jq -r .url)",
    ),
)
