"""`oc exec`: with its output live (the default), at the end (`--wait`), or not at all (`--detach`)."""

from __future__ import annotations

import os

from oc.cli import output
from oc.cli.api import path
from oc.cli.command import Argument, Command
from oc.cli.errors import SERVER, CliError, UsageError
from oc.cli.values import natural, pair

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from typing import Any

    from oc.cli.context import Context

WAIT_S = 3600  # the server's own limit, a minute, would end an `apt install`
NO_LIMIT_S = 86_400  # `exec/run` always has a limit
ANSWER_S = 86_400.0
RESULT = ("exitCode", "stdout", "stderr")


class RunError(CliError):
    """The server began to answer before it knew that it would fail (contract 2.2.1)."""

    exit_code = SERVER


def run(context: Context, arguments: Namespace) -> int:
    argv = arguments.words + (arguments.command or [])
    if not argv:
        raise UsageError("no command to run", hint="put it behind --, as: oc exec ID -- ls -l")
    if arguments.wait and arguments.detach:
        raise UsageError("--wait and --detach exclude each other")
    mode = _wait if arguments.wait else _detach if arguments.detach else _stream
    return mode(context, arguments, _body(arguments, argv))


def _body(arguments: Namespace, argv: list[str]) -> dict[str, Any]:
    optional = {
        "args": argv[1:],
        "envs": dict(arguments.env),
        "cwd": arguments.cwd,
        "timeout": arguments.timeout,
        "user": arguments.user,
    }
    return {"cmd": argv[0]} | {name: value for name, value in optional.items() if value}


def _stream(context: Context, arguments: Namespace, body: dict[str, Any]) -> int:
    from oc.cli.stdin import Input
    from oc.cli.watch import watch

    api = context.api()
    session = api.object("POST", path("sandboxes", arguments.ID, "exec"), body, needs=("sessionID",))["sessionID"]
    input = Input(output.STDIN, ended=arguments.no_stdin, ends=True)
    return watch(api, arguments.ID, session, input=input, whole=True)


def _wait(context: Context, arguments: Namespace, body: dict[str, Any]) -> int:
    body["timeout"] = WAIT_S if arguments.timeout is None else arguments.timeout or NO_LIMIT_S
    target = path("sandboxes", arguments.ID, "exec", "run")
    result = context.api().object("POST", target, body, needs=(), answer_s=ANSWER_S)
    if error := result.get("error"):
        raise RunError(str(error))
    if context.json:
        output.as_json({name: result.get(name) for name in RESULT})
        return 0
    output.write(output.STDOUT, output.encoded(result.get("stdout", "")))
    output.write(output.STDERR, output.encoded(result.get("stderr", "")))
    return int(result.get("exitCode", -1)) & 0xFF


def _detach(context: Context, arguments: Namespace, body: dict[str, Any]) -> int:
    id = arguments.ID
    session = context.api().object("POST", path("sandboxes", id, "exec"), body, needs=("sessionID",))
    return context.show(session, lambda: _started(id, str(session["sessionID"]), body["cmd"]))


def _started(id: str, session: str, command: str) -> None:
    if not os.isatty(output.STDOUT):
        output.line(session)
        return
    output.line(f"Session {session} created (command: {output.printable(command)})")
    output.line(f"Attach with: oc exec attach {id} {session}")


COMMAND = Command(
    run,
    Argument("ID", help="sandbox, as sb-1a2b3c4d"),
    Argument("words", metavar="COMMAND", nargs="*", help="what to run, behind --"),
    Argument("--wait", action="store_true", help="print the output at the end (limit: an hour, unless --timeout)"),
    Argument("--detach", action="store_true", help="start it and print the session's id"),
    Argument("--cwd", metavar="DIR", help="where to run it"),
    Argument("--env", metavar="K=V", type=pair, action="append", default=[], help="environment; may be repeated"),
    Argument("--timeout", metavar="S", type=natural, help="kill it after S seconds; 0: never"),
    Argument("--user", metavar="NAME", help="run it as this user (default: root)"),
    Argument("--no-stdin", action="store_true", help="give it no input"),
    usage="ID [flags] -- COMMAND [ARGS...]",
    notes=(
        "Output comes as it is written, input goes in, and the exit code is the command's; 255 if it was killed.\n"
        "Ctrl-C interrupts the command; a second one leaves it running and exits with 130. When the reader of the\n"
        "output goes away, oc exits with 141 and the command runs on. With --wait --json the code is in the JSON.\n\n"
        "Sessions: oc exec list ID, oc exec attach ID SESSION, oc exec kill ID SESSION."
    ),
    takes_command=True,
    examples=(
        "oc exec $ID -- ls -l /",
        "oc exec $ID --wait -- apt update",
        "oc exec $ID --cwd /app --env NODE_ENV=production -- node server.js",
        "tar c . | oc exec $ID -- tar x -C /srv",
        "SESSION=$(oc exec $ID --detach -- make build)",
    ),
)
