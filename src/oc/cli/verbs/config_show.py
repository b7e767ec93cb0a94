"""`oc config show`."""

from __future__ import annotations

from oc.cli import config, output
from oc.cli.command import Command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace

    from oc.cli.context import Context


def run(context: Context, arguments: Namespace) -> int:
    url, key, file = context.setting("api_url"), config.masked(context.setting("api_key")), str(config.path())
    lines = (("API URL", url), ("API Key", key), ("Config file", file))
    context.show({"api_url": url, "api_key": key, "config_file": file}, lambda: output.fields(lines))
    if not key and not context.json:
        from oc.cli.api import key_wanted

        output.note(f"no API key is set: {key_wanted(url)}")
    return 0


COMMAND = Command(
    run,
    notes="Flags and the environment count; most of the key is hidden.",
    examples=("oc config show", "OPENCOMPUTER_API_URL=http://10.0.0.5:8080 oc config show"),
)
