"""A session from attaching to its exit code, with what the user may do meanwhile."""

from __future__ import annotations

from oc.cli import output
from oc.cli.api import path
from oc.cli.attachment import Attachment
from oc.cli.errors import INTERRUPTED
from oc.cli.interrupt import Detached, Interrupts
from oc.cli.patience import Patience

TYPE_CHECKING = False
if TYPE_CHECKING:
    from oc.cli.api import Api
    from oc.cli.stdin import Input


def watch(api: Api, sandbox: str, session: str, *, input: Input, whole: bool) -> int:
    """The exit code. Raises CliError, and OSError when the output cannot be written."""
    target = path("sandboxes", sandbox, "exec", session)
    patience = Patience(api.origin.url, again(sandbox, session))
    try:
        with Interrupts(api, sandbox, session):
            code = Attachment(api, target, patience, input=input, whole=whole).run()
    except Detached:
        output.note(again(sandbox, session))
        return INTERRUPTED
    return code & 0xFF


def again(sandbox: str, session: str) -> str:
    return f"the command may still be running; watch it with: oc exec attach {sandbox} {session}"
