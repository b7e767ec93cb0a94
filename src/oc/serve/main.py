"""`oc-host VERB [settings]`: one module per verb, imported when it is called."""

from __future__ import annotations

import dataclasses
import importlib
import os
import signal
import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from functools import partial

from oc.model.errors import OpenComputerError
from oc.serve.verb import Verb
from oc.settings import Settings, load

VERBS = {
    "up": ("oc.serve.up", "set this host up, start the service and make a first sandbox (make up)"),
    "down": ("oc.serve.down", "stop the service and every sandbox; only the data directory stays (make down)"),
    "serve": ("oc.serve.supervise", "run server and worker, in the foreground"),
    "server": ("oc.serve.server", "run the server alone"),
    "egress": ("oc.serve.egress", "run the egress proxy alone"),
    "worker": ("oc.serve.worker", "run the worker alone"),
    "doctor": ("oc.serve.doctor", "say what this host can and cannot do, and how to mend it"),
    "rotate-master-key": ("oc.serve.rotate", "encrypt every secret under a new master key"),
    "keys": ("oc.serve.keys", "create, list and revoke API keys"),
}
# `su` without a login shell leaves root without the directories that nft, ip and mkfs are in.
SYSTEM_PROGRAMS = ("/usr/local/sbin", "/usr/sbin", "/sbin")

Formatter = partial(RawDescriptionHelpFormatter, max_help_position=30, width=110)


def main(argv: Sequence[str] | None = None) -> int:
    _settle_process()
    arguments = list(sys.argv[1:] if argv is None else argv)
    name = arguments[0] if arguments else ""
    if name not in VERBS:
        return _usage(name)
    try:
        return _run(name, arguments[1:])
    except OpenComputerError as error:
        print("\n  ".join([f"Error: {error.text}", *([error.hint] if error.hint else [])]), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def _run(name: str, argv: list[str]) -> int:
    verb: Verb = importlib.import_module(VERBS[name][0]).VERB
    parser = ArgumentParser(
        prog=f"oc-host {name}", description=VERBS[name][1], formatter_class=Formatter, allow_abbrev=False
    )
    verb.arguments(parser)
    add_settings(parser)
    arguments = parser.parse_args(argv)
    return verb.run(load(given(arguments)), arguments)


def _usage(name: str) -> int:
    lines = [f"  {verb:<18} {summary}" for verb, (_, summary) in VERBS.items()]
    text = "\n".join(["Usage: oc-host VERB [settings]", "", *lines, "", "oc-host VERB --help lists the settings."])
    if name in {"-h", "--help", "help"}:
        print(text)
        return 0
    print(f"Error: unknown verb {name}\n\n{text}" if name else text, file=sys.stderr)
    return 1


def _settle_process() -> None:
    """Signal masks and ignored signals are inherited; whoever started us may have had reasons that are not ours."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for number in (signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    present = os.environ.get("PATH", "/usr/bin:/bin").split(":")
    os.environ["PATH"] = ":".join([*present, *(path for path in SYSTEM_PROGRAMS if path not in present)])


# --- flags from the table of settings ---------------------------------------------------------------------------------


def add_settings(parser: ArgumentParser) -> None:
    """A flag for each setting; what is not given stays None, and is decided by environment, file and default."""
    group = parser.add_argument_group("settings")
    for field in dataclasses.fields(Settings):
        text = f"{field.metadata['doc']} [{field.default}]".replace("%", "%%")
        group.add_argument(f"--{field.name.replace('_', '-')}", metavar="VALUE", help=text)


def given(arguments: Namespace) -> dict[str, str]:
    """The settings that were given as flags."""
    values = {field.name: getattr(arguments, field.name) for field in dataclasses.fields(Settings)}
    return {name: value for name, value in values.items() if value is not None}


if __name__ == "__main__":
    sys.exit(main())
