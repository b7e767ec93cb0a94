"""`oc completion`: a script for the shell, made from the table of commands."""

from __future__ import annotations

from oc.cli import output
from oc.cli.command import GLOBAL_FLAGS, Argument, Command
from oc.cli.commands import ROOT, Group, walk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterable, Iterator

    from oc.cli.context import Context

BASH = """\
_oc() {{
    local word place=oc
    COMPREPLY=()
    for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
        [[ $word == -- ]] && return
        case "$place $word" in {groups}) place="$place $word" ;; esac
    done
    local words
    case "$place" in
{cases}
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "${{COMP_WORDS[COMP_CWORD]}}")
}}
complete -o default -F _oc oc"""

ZSH = """\
#compdef oc
_oc() {{
    local word place=oc
    local -a choices
    for word in "${{(@)words[2,CURRENT-1]}}"; do
        [[ $word == -- ]] && {{ _normal; return }}
        case "$place $word" in {groups}) place="$place $word" ;; esac
    done
    case "$place" in
{cases}
    esac
    compadd -- $choices
}}
compdef _oc oc"""

INDENT = " " * 8


def run(context: Context, arguments: Namespace) -> int:
    output.line(SHELLS[arguments.SHELL]())
    return 0


def _places() -> dict[str, list[str]]:
    """What may follow each way of calling: `oc exec` -> list, attach, kill, --wait..."""
    places: dict[str, list[str]] = {}
    _members("oc", ROOT, places)
    for path, verb in walk(ROOT):
        flags = [name for argument in verb.load().arguments if argument.is_flag for name in argument.names]
        places.setdefault(" ".join(("oc", *path)), []).extend(flags)
    for alias, name in ROOT.aliases.items():
        places |= dict(_renamed(places, f"oc {name}", f"oc {alias}"))
    return {place: [*words, *_global_flags()] for place, words in places.items()}


def _renamed(places: dict[str, list[str]], name: str, alias: str) -> Iterator[tuple[str, list[str]]]:
    for place, words in places.items():
        if place == name or place.startswith(f"{name} "):
            yield alias + place.removeprefix(name), words


def _members(place: str, group: Group, places: dict[str, list[str]]) -> None:
    places[place] = list(group.members)
    for name, member in group.members.items():
        if isinstance(member, Group):
            _members(f"{place} {name}", member, places)


def _global_flags() -> Iterator[str]:
    return (argument.names[-1] for argument in GLOBAL_FLAGS)


def _script(template: str, case: str) -> str:
    """`case` says how the words are assigned."""
    places = _places()
    groups = "|".join(f'"{place}"' for place in places if place != "oc")
    cases = "\n".join(f'{INDENT}"{place}") {case.format(" ".join(words))} ;;' for place, words in places.items())
    return template.format(groups=groups, cases=cases)


def _bash() -> str:
    return _script(BASH, 'words="{}"')


def _zsh() -> str:
    return _script(ZSH, "choices=({})")


def _fish() -> str:
    lines = ["complete -c oc -f"]
    for place, words in _places().items():
        path = place.split()[1:]
        inside = "; and ".join(f"__fish_seen_subcommand_from {word}" for word in path) or "__fish_use_subcommand"
        lines += _fish_lines(inside, words)
    return "\n".join(lines)


def _fish_lines(condition: str, words: Iterable[str]) -> Iterator[str]:
    for word in words:
        what = f"-l {word[2:]}" if word.startswith("--") else f"-a {word}"
        yield f"complete -c oc -n '{condition}' {what}"


SHELLS = {"bash": _bash, "zsh": _zsh, "fish": _fish}

COMMAND = Command(
    run,
    Argument("SHELL", choices=tuple(SHELLS), help="bash, zsh or fish"),
    examples=(
        "source <(oc completion bash)         # in ~/.bashrc",
        "source <(oc completion zsh)          # in ~/.zshrc, after compinit",
        "oc completion fish > ~/.config/fish/completions/oc.fish",
    ),
)
