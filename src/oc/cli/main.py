"""The command line: finds the command, runs it, and turns what went wrong into words and an exit code."""

from __future__ import annotations

import json
import os
import sys

from oc.cli import output, parser
from oc.cli.command import GLOBAL_FLAGS
from oc.cli.commands import ROOT, Group, Verb
from oc.cli.context import Context
from oc.cli.errors import INTERRUPTED, LOCAL, READER_GONE, CliError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import NoReturn

EXAMPLES = (
    "oc config set api-key -              # then paste the key",
    "ID=$(oc create --json | jq -r .sandboxID)",
    "oc exec $ID -- uname -a",
    "oc sandbox kill $ID",
)


def main() -> NoReturn:
    """The entry point. Nothing is left to be flushed, so the interpreter need not be torn down, which takes long."""
    output.keep_standard_descriptors()
    os._exit(outcome(sys.argv[1:]))


def outcome(argv: list[str]) -> int:
    """Runs a command line and tells of what went wrong. The exit code."""
    words, behind = _split(argv)
    try:
        return run(words, behind)
    except CliError as error:
        _report(error, as_json="--json" in words)
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # of standard output: connections tell their own
        return READER_GONE
    except OSError as error:
        _report(CliError(_system_error(error)), as_json="--json" in words)
        return LOCAL


def run(words: list[str], behind: list[str] | None) -> int:
    """`behind` is what stands behind the first `--`. Raises CliError, OSError."""
    flags, rest = parser.for_globals().parse_known_args(words)
    if rest[:1] in (["--version"], ["-v"]):
        rest[0] = "version"
    if rest[:1] == ["help"]:
        flags.help, rest = True, rest[1:]
    name, entry, rest = _find(rest)
    if isinstance(entry, Group):
        return _overview(name, entry)
    command = entry.load()
    if flags.help:
        output.line(parser.help_of(name, entry.summary, command))
        return 0
    if command.passes_on:
        flags.rest = _after(words, name.split()[-1]) + ([] if behind is None else ["--", *behind])
        return command.run(Context(flags), flags)
    if command.takes_command:
        flags.command = behind
    elif behind:
        rest = [*rest, "--", *behind]
    arguments = parser.for_command(name, entry.summary, command).parse_intermixed_args(rest, flags)
    return command.run(Context(flags), arguments)


def _split(words: list[str]) -> tuple[list[str], list[str] | None]:
    if "--" not in words:
        return words, None
    at = words.index("--")
    return words[:at], words[at + 1 :]


def _after(words: list[str], verb: str) -> list[str]:
    return words[words.index(verb) + 1 :]


def _find(words: list[str]) -> tuple[str, Verb | Group, list[str]]:
    """Follows the words down the table as far as they name something. Raises UsageError."""
    names, entry = ["oc"], ROOT
    while True:
        member = entry.member(words[0]) if words else None
        if member is None:
            break
        names.append(words[0])
        words = words[1:]
        if isinstance(member, Verb):
            return " ".join(names), member, words
        entry = member
    if entry.default:
        return " ".join(names), entry.default, words
    if words:
        raise _unknown(" ".join(names), entry, words[0])
    return " ".join(names), entry, words


def _unknown(name: str, group: Group, word: str) -> UsageError:
    import difflib

    if word.startswith("-"):
        return UsageError(f"unknown flag {word} for {name}", hint=f"see: {name} --help")
    near = difflib.get_close_matches(word, group.members, 1)
    hint = f"did you mean `{name} {near[0]}`?" if near else f"see: {name} --help"
    return UsageError(f"unknown command {word!r} for {name}", hint=hint)


def _overview(name: str, group: Group) -> int:
    output.line(f"Usage: {name} COMMAND [flags]\n\n{group.summary}\n\nCommands:")
    _columns((member, entry.summary) for member, entry in group.members.items())
    output.line("\nGlobal flags:")
    _columns((", ".join(flag.names), flag.options["help"]) for flag in GLOBAL_FLAGS)
    output.line(f"\n{parser.examples(EXAMPLES if group is ROOT else _first_examples(group))}")
    output.line(f"\nMore: {name} COMMAND --help")
    return 0


def _columns(rows: Iterable[tuple[str, str]]) -> None:
    for left, right in rows:
        output.line(f"  {left:12}  {right}")


def _first_examples(group: Group) -> list[str]:
    return [member.load().examples[0] for member in group.members.values() if isinstance(member, Verb)]


def _report(error: CliError, *, as_json: bool) -> None:
    """One line each for the error and its hint; for scripts one object."""
    text = " ".join(error.text.split())
    if as_json:
        body = {"error": f"{text} ({error.hint})" if error.hint else text, "code": error.exit_code}
        message = json.dumps(body)
    else:
        label = output.coloured("Error:", wanted="NO_COLOR" not in os.environ and os.isatty(output.STDERR))
        message = f"{label} {output.printable(text)}"
        if error.hint:
            message += f"\nHint: {output.printable(error.hint)}"
    try:
        output.write(output.STDERR, output.encoded(f"{message}\n"))
    except OSError:
        return  # nobody can be told; the exit code still says it


def _system_error(error: OSError) -> str:
    what = f"{error.filename}: " if error.filename else ""
    return f"{what}{error.strerror or error}"


if __name__ == "__main__":
    main()
