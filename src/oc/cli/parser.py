"""From words to arguments, by argparse; its errors are ours."""

from __future__ import annotations

import argparse

from oc.cli.command import GLOBAL_FLAGS
from oc.cli.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import NoReturn

    from oc.cli.command import Argument, Command

WIDTH = 110


class Formatter(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=30, width=WIDTH)

    def add_usage(
        self,
        usage: str | None,
        actions: Iterable[argparse.Action],
        groups: Iterable[argparse._MutuallyExclusiveGroup],
        prefix: str | None = None,
    ) -> None:
        super().add_usage(usage, actions, groups, "Usage: ")


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message, hint=f"see: {self.prog} --help")


def for_globals() -> Parser:
    parser = Parser(prog="oc", add_help=False, allow_abbrev=False)
    _add(parser, "Global flags", GLOBAL_FLAGS)
    return parser


def for_command(name: str, summary: str, command: Command) -> Parser:
    parser = Parser(
        prog=name,
        usage=f"{name} {command.synopsis}".replace("%", "%%"),
        description="\n\n".join(part for part in (f"{summary}.", command.notes) if part),
        epilog=examples(command.examples),
        formatter_class=Formatter,
        add_help=False,
        allow_abbrev=False,
    )
    _add(parser, "Arguments", [argument for argument in command.arguments if not argument.is_flag])
    _add(parser, "Flags", [argument for argument in command.arguments if argument.is_flag])
    return parser


def help_of(name: str, summary: str, command: Command) -> str:
    """Global flags are taken out before a command is parsed, so that they stand here for show."""
    parser = for_command(name, summary, command)
    _add(parser, "Global flags", GLOBAL_FLAGS)
    return parser.format_help().rstrip()


def examples(lines: Iterable[str]) -> str:
    return "\n".join(["Examples:", *(f"  {line}" for line in lines)])


def _add(parser: Parser, title: str, arguments: Iterable[Argument]) -> None:
    group = parser.add_argument_group(title)
    for argument in arguments:
        group.add_argument(*argument.names, **argument.options)
