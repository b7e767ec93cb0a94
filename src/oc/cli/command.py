"""What a command is. The parser, the help and the completion come from it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable
    from typing import Any

    from oc.cli.context import Context


class Argument:
    """What `argparse` is told: a positional's name or a flag's names, and its options."""

    def __init__(self, *names: str, **options: Any) -> None:
        self.names = names
        self.options = options

    @property
    def is_flag(self) -> bool:
        return self.names[0].startswith("-")


class Command:
    """`run` gets the parsed arguments and gives the exit code.

    `takes_command`: what stands behind `--` is another program's and comes as `command`, untouched.
    `passes_on`: all that stands behind its name is another program's and comes as `rest`, untouched.
    """

    def __init__(
        self,
        run: Callable[[Context, Namespace], int],
        *arguments: Argument,
        examples: tuple[str, ...],
        usage: str = "",
        notes: str = "",
        takes_command: bool = False,
        passes_on: bool = False,
    ) -> None:
        self.run = run
        self.arguments = arguments
        self.examples = examples
        self.usage = usage
        self.notes = notes
        self.takes_command = takes_command
        self.passes_on = passes_on

    @property
    def synopsis(self) -> str:
        if self.usage:
            return self.usage
        words = [argument.names[0] for argument in self.arguments if not argument.is_flag]
        return " ".join([*words, "[flags]"])


GLOBAL_FLAGS = (
    Argument("--json", action="store_true", help="print JSON, errors too"),
    Argument("--api-key", metavar="KEY", help="API key (default: OPENCOMPUTER_API_KEY, then the saved one)"),
    Argument("--api-url", metavar="URL", help="server (default: OPENCOMPUTER_API_URL, then the saved one)"),
    Argument("--no-color", action="store_true", help="print without colours"),
    Argument("-h", "--help", action="store_true", help="show help for the command"),
)
