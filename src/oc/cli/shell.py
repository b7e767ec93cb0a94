"""A visit to a terminal in a sandbox, from taking the user's own to giving it back."""

from __future__ import annotations

from oc.cli import output
from oc.cli.api import path
from oc.cli.errors import CliError
from oc.cli.interrupt import Detached
from oc.cli.shell_attachment import ShellAttachment, ShellPatience, User
from oc.cli.shell_keys import Keys, TerminalGone
from oc.cli.shell_signals import Ended, Signals
from oc.cli.shell_window import Window

TYPE_CHECKING = False
if TYPE_CHECKING:
    from oc.cli.api import Api
    from oc.cli.terminal import Terminal

END_S = 5.0


def visit(api: Api, sandbox: str, session: str, terminal: Terminal, *, again: bool) -> int:
    """The exit code. The session ends with the visit, unless the user detaches or the connection is lost for good.

    Raises CliError, and OSError when nothing can be written.
    """
    target = path("sandboxes", sandbox, "pty", session)
    come_back = f"oc shell {sandbox} --attach {session}"
    with Window(api, target, terminal) as window, Signals(terminal, window) as signals:
        user = User(terminal, window, Keys())
        patience = ShellPatience(api.origin.url, f"the shell may still run; back with: {come_back}", user)
        attachment = ShellAttachment(api, sandbox, target, user, patience, again=again)
        try:
            code = _converse(attachment, terminal)
        except Detached:
            output.note(f"the shell runs on; back with: {come_back}")
            return 0
        except CliError:
            raise
        except BaseException as why:
            signals.ignore()  # one seldom comes alone: a closed window hangs up twice, by the kernel and by its shell
            _end(api, target)
            if isinstance(why, Ended | TerminalGone):
                return why.exit_code
            raise
        signals.ignore()
        _end(api, target)
    return code & 0xFF


def _converse(attachment: ShellAttachment, terminal: Terminal) -> int:
    cut_short = True
    try:
        terminal.take()
        code = attachment.run()
        cut_short = False
    finally:
        terminal.give_back(cut_short=cut_short)
    return code


def _end(api: Api, target: str) -> None:
    try:
        api.call("DELETE", target, answer_s=END_S)
    except CliError:
        return  # one that has exited is forgotten after a while anyway; of others `oc shell --list` tells
