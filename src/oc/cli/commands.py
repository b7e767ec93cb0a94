"""Every command: its name, the module under `verbs` that has its `COMMAND`, and what it is for.

A module is imported only when its command is called. To add a command, write its module and name it here.
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from oc.cli.command import Command


class Verb:
    def __init__(self, module: str, summary: str) -> None:
        self.module = module
        self.summary = summary

    def load(self) -> Command:
        command: Command = import_module(f"oc.cli.verbs.{self.module}").COMMAND
        return command


class Group:
    """`default` is what the group's own name does when no member's name follows. Aliases are not shown."""

    def __init__(
        self,
        summary: str,
        members: dict[str, Verb | Group],
        *,
        aliases: Mapping[str, str] | None = None,
        default: Verb | None = None,
    ) -> None:
        self.summary = summary
        self.members = members
        self.aliases = aliases or {}
        self.default = default

    def member(self, name: str) -> Verb | Group | None:
        return self.members.get(self.aliases.get(name, name))


CREATE = Verb("sandbox_create", "Create a sandbox")
LIST = Verb("sandbox_list", "List sandboxes")

ROOT = Group(
    "Disposable Linux sandboxes on your own machine.",
    {
        "create": CREATE,
        "ls": LIST,
        "exec": Group(
            "Run a command in a sandbox",
            {
                "list": Verb("exec_list", "List the sessions of a sandbox"),
                "attach": Verb("exec_attach", "Watch a session: what it has written, then what it writes"),
                "kill": Verb("exec_kill", "Send a signal to a session"),
            },
            default=Verb("exec_run", "Run a command in a sandbox"),
        ),
        "sandbox": Group(
            "Create, show, change and kill sandboxes",
            {
                "create": CREATE,
                "list": LIST,
                "get": Verb("sandbox_get", "Show a sandbox"),
                "kill": Verb("sandbox_kill", "Kill a sandbox; its disk is gone with it"),
                "set-timeout": Verb("sandbox_set_timeout", "Set after how much idle time a sandbox ends"),
            },
            aliases={"ls": "list"},
        ),
        "config": Group(
            "Show and set which server is used, and with which key",
            {
                "show": Verb("config_show", "Show the settings in use"),
                "set": Verb("config_set", "Save a setting"),
            },
        ),
        "whoami": Verb("whoami", "Show whose key is in use"),
        "doctor": Verb("doctor", "Check this machine as a host of sandboxes"),
        "server": Verb("server", "Run the API server on this machine"),
        "worker": Verb("worker", "Run the worker, which runs sandboxes on this machine"),
        "completion": Verb("completion", "Print a script that completes commands in your shell"),
        "version": Verb("version", "Print the version"),
    },
)


def walk(group: Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Verb]]:
    """Every command with the words that call it."""
    if group.default:
        yield path, group.default
    for name, member in group.members.items():
        if isinstance(member, Group):
            yield from walk(member, (*path, name))
        else:
            yield (*path, name), member
