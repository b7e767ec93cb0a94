"""`oc whoami`."""

from __future__ import annotations

from oc.cli import output
from oc.cli.command import Command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace

    from oc.cli.context import Context


def run(context: Context, arguments: Namespace) -> int:
    api = context.api()
    who = api.object("GET", "/whoami", needs=("org_id",))
    lines = (
        ("User", who.get("email") or who.get("user_id") or "-"),
        ("Workspace", who.get("org_name") or "-"),
        ("Org ID", who["org_id"]),
        ("API", api.origin.url),
    )
    return context.show(who | {"api_url": api.origin.url}, lambda: output.fields(lines))


COMMAND = Command(run, examples=("oc whoami", "oc whoami --json | jq -r .org_id"))
