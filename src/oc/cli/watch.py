"""A session from attaching to its exit code, with what the user may do meanwhile."""

from __future__ import annotations

from oc.cli import output
from oc.cli.attachment import Attachment, again
from oc.cli.errors import INTERRUPTED
from oc.cli.interrupt import Detached, Interrupts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from oc.cli.api import Api
    from oc.cli.stdin import Input


def watch(api: Api, sandbox: str, session: str, *, input: Input, whole: bool) -> int:
    """The exit code. Raises CliError, and OSError when the output cannot be written."""
    try:
        with Interrupts(api, sandbox, session):
            code = Attachment(api, sandbox, session, input=input, whole=whole).run()
    except Detached:
        output.note(again(sandbox, session))
        return INTERRUPTED
    return code & 0xFF
