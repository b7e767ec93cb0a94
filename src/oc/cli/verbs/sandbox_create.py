"""`oc create`, `oc sandbox create`."""

from __future__ import annotations

from oc.cli import egress, output
from oc.cli.api import once
from oc.cli.command import Argument, Command
from oc.cli.errors import UsageError
from oc.cli.values import merged, natural, pairs, processors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from typing import Any

    from oc.cli.context import Context

SHORTEST_TOKEN = 16  # contract 2.1.1


def run(context: Context, arguments: Namespace) -> int:
    needs = ("sandboxID", "status")
    sandbox = context.api().object("POST", "/sandboxes", body(arguments), needs=needs, headers=once())
    return context.show(sandbox, lambda: _print(sandbox))


def body(arguments: Namespace) -> dict[str, Any]:
    """What was not given is left out, but the timeout (contract 12)."""
    optional = {
        "cpuCount": arguments.cpu,
        "memoryMB": arguments.memory,
        "envs": merged(arguments.env),
        "metadata": merged(arguments.metadata),
        "secretStore": arguments.secret_store,
        "previewAuth": _preview_auth(arguments),
        "egress": egress.rules(arguments),
    }
    return {"timeout": arguments.timeout} | {name: value for name, value in optional.items() if value}


def _preview_auth(arguments: Namespace) -> dict[str, str] | None:
    token: str | None = arguments.preview_auth_token
    if token is not None and len(token) < SHORTEST_TOKEN:
        raise UsageError(f"--preview-auth-token must have at least {SHORTEST_TOKEN} characters")
    wanted = arguments.preview_auth or token
    return {"scheme": "bearer", "token": token or "auto"} if wanted else None


def _print(sandbox: dict[str, Any]) -> None:
    output.line(f"Created sandbox {sandbox['sandboxID']} (status: {output.printable(sandbox['status'])})")
    if token := sandbox.get("previewAuthToken"):
        output.line(f"Preview auth token (shown once): {output.printable(token)}")


COMMAND = Command(
    run,
    Argument(
        "--timeout", metavar="S", type=natural, default=0, help="hibernate after S idle seconds; 0: never (default)"
    ),
    Argument("--cpu", metavar="N", type=processors, default=0, help="vCPUs"),
    Argument("--memory", metavar="MB", type=natural, default=0, help="memory in MB"),
    Argument("--env", metavar="K=V", type=pairs, action="append", default=[], help="environment; may be repeated"),
    Argument("--metadata", metavar="K=V", type=pairs, action="append", default=[], help="your notes; may be repeated"),
    Argument("--secret-store", metavar="NAME", help="store whose secrets the sandbox may use"),
    *egress.FLAGS,
    Argument("--preview-auth", action="store_true", help="let previews of ports in only with a token"),
    Argument("--preview-auth-token", metavar="T", help="that token, at least 16 characters (default: a new one)"),
    notes="--env and --metadata also take several, as A=1,B=2.",
    examples=(
        "oc create --cpu 1 --memory 512 --timeout 300",
        "ID=$(oc create --json | jq -r .sandboxID)",
        "oc sandbox create --env KEY=VALUE --env KEY2=VALUE2 --metadata project=demo",
    ),
)
