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
        "shell": Verb("shell", "Open a shell in a sandbox, on your terminal"),
        "sandbox": Group(
            "Create, show, change and kill sandboxes",
            {
                "create": CREATE,
                "list": LIST,
                "get": Verb("sandbox_get", "Show a sandbox"),
                "kill": Verb("sandbox_kill", "Kill a sandbox; its disk is gone with it"),
                "hibernate": Verb("sandbox_hibernate", "Put a sandbox to sleep, with its memory and processes"),
                "wake": Verb("sandbox_wake", "Wake a sandbox; any use of it does so, too"),
                "reboot": Verb("sandbox_reboot", "Boot a sandbox again from its disk; its processes are lost"),
                "power-cycle": Verb("sandbox_power_cycle", "Stop a sandbox hard and boot it again from its disk"),
                "scale": Verb("sandbox_scale", "Give a sandbox other memory or CPUs, while it runs"),
                "autoscale": Verb("sandbox_autoscale", "Let the memory of a sandbox follow what it uses"),
                "lock": Verb("sandbox_lock", "Keep a sandbox at its size"),
                "unlock": Verb("sandbox_unlock", "Let a sandbox be scaled again"),
                "lock-status": Verb("sandbox_lock_status", "Show whether a sandbox may be scaled"),
                "egress": Verb("sandbox_egress", "Show or say what a sandbox may reach"),
                "allowed-hosts": Verb(
                    "sandbox_allowed_hosts", "Show which hosts its secret stores let a sandbox reach"
                ),
                "set-timeout": Verb("sandbox_set_timeout", "Set after how much idle time a sandbox hibernates"),
            },
            aliases={"ls": "list"},
        ),
        "checkpoint": Group(
            "Save sandboxes as they are, go back to that, and make copies of it (also: cp)",
            {
                "create": Verb("checkpoint_create", "Save a sandbox as it is now; it runs on"),
                "list": Verb("checkpoint_list", "List the checkpoints of a sandbox"),
                "tree": Verb("checkpoint_tree", "Draw which checkpoint was made of what, and what was made of it"),
                "restore": Verb("checkpoint_restore", "Put a sandbox back to one of its checkpoints"),
                "spawn": Verb("checkpoint_spawn", "Create sandboxes that go on where a checkpoint stood"),
                "delete": Verb("checkpoint_delete", "Delete a checkpoint; sandboxes made of it live on"),
                "publish": Verb("checkpoint_publish", "Let other organizations create sandboxes from a checkpoint"),
                "unpublish": Verb("checkpoint_unpublish", "Keep a checkpoint to its own organization"),
            },
        ),
        "patch": Group(
            "Scripts that are run in sandboxes made from a checkpoint",
            {
                "create": Verb("patch_create", "Add a script to a checkpoint"),
                "list": Verb("patch_list", "List the patches of a checkpoint"),
                "delete": Verb("patch_delete", "Delete a patch; where it has run it is not undone"),
            },
        ),
        "preview": Group(
            "Open ports of a sandbox in a browser",
            {
                "create": Verb("preview_create", "Give a port of a sandbox a URL"),
                "list": Verb("preview_list", "List the preview URLs of a sandbox"),
                "delete": Verb("preview_delete", "Take a preview URL off the list"),
                "rotate-auth": Verb("preview_rotate_auth", "Let previews in with a new token only"),
            },
        ),
        "secret-store": Group(
            "Keep secrets for sandboxes, and say which hosts may be reached with them",
            {
                "create": Verb("secret_store_create", "Create a secret store"),
                "list": Verb("secret_store_list", "List secret stores"),
                "get": Verb("secret_store_get", "Show a secret store"),
                "update": Verb("secret_store_update", "Rename a secret store, or change its hosts"),
                "delete": Verb("secret_store_delete", "Delete a secret store and its secrets"),
            },
            aliases={"ls": "list"},
        ),
        "secret": Group(
            "Set the secrets of a store; no sandbox ever sees their values",
            {
                "set": Verb("secret_set", "Set a secret"),
                "list": Verb("secret_list", "List the secrets of a store"),
                "delete": Verb("secret_delete", "Delete a secret"),
            },
            aliases={"ls": "list"},
        ),
        "audit": Verb("audit", "Show who did what, newest first"),
        "config": Group(
            "Show and set which server is used, and with which key",
            {
                "show": Verb("config_show", "Show the settings in use"),
                "set": Verb("config_set", "Save a setting"),
            },
        ),
        "login": Verb("login", "Get a key by approving it in the browser"),
        "logout": Verb("logout", "Revoke the key that came from a login, and forget it"),
        "whoami": Verb("whoami", "Show whose key is in use"),
        "doctor": Verb("doctor", "Check this machine as a host of sandboxes"),
        "server": Verb("server", "Run the API server on this machine"),
        "worker": Verb("worker", "Run the worker, which runs sandboxes on this machine"),
        "completion": Verb("completion", "Print a script that completes commands in your shell"),
        "version": Verb("version", "Print the version"),
    },
    aliases={"cp": "checkpoint"},
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
