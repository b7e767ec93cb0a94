"""`oc login`."""

from __future__ import annotations

import os

from oc.cli import config, output
from oc.cli.command import Argument, Command
from oc.cli.errors import ApiError, CliError, Unreachable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from typing import Any

    from oc.cli.context import Context
    from oc.cli.device import Asked, Server

LONGEST_HOST = 60


def run(context: Context, arguments: Namespace) -> int:
    from oc.cli.device import Server

    _refuse_other_keys(arguments)
    server, former = Server(context.setting("api_url")), config.login()
    if former and not arguments.force and _same_server(former, server):
        if who := _identity(context, server.url):
            return _tell(context, who, former, "Logged in already")
        former = None  # its key is dead
    elif not arguments.force:
        _refuse_what_is_saved(former)
    if not server.is_private:
        output.note(f"warning: {server.url} is plain http: whoever is on the way can read your new key")
    former_key = config.read().get("api_key")
    login = _log_in(server, open_browser=not arguments.no_browser)
    who = _identity(context, server.url)
    if who is None:
        raise CliError("the server does not take the key that it has just made", hint="run oc login again")
    if former:
        _revoke(str(former.get("api_url") or server.url), str(former_key))
    return _tell(context, who, login, "Logged in")


def _refuse_other_keys(arguments: Namespace) -> None:
    """Raises CliError."""
    if arguments.api_key:
        raise CliError("login makes a key of its own", hint="leave --api-key out")
    if os.environ.get(config.VARIABLES["api_key"]):
        variable = config.VARIABLES["api_key"]
        raise CliError(f"{variable} is set and would win over a login", hint=f"unset {variable}")


def _refuse_what_is_saved(former: dict[str, Any] | None) -> None:
    """Raises CliError."""
    if former:
        where = former.get("api_url")
        raise CliError(f"you are logged in to {where}", hint="oc logout, or oc login --force to replace that login")
    if config.read().get("api_key"):
        raise CliError("a key is saved that was set by hand", hint="oc login --force replaces it")


def _same_server(former: dict[str, Any], server: Server) -> bool:
    return str(former.get("api_url", "")).rstrip("/").removesuffix("/api") == server.url


def _log_in(server: Server, *, open_browser: bool) -> dict[str, Any]:
    """Returns the login as it is saved."""
    asked = server.ask()
    output.note(f"open {asked.page_with_code}")
    output.note(f"and approve the login if it shows the code {asked.user_code}")
    if open_browser:
        _open(asked)
    granted = server.wait(asked, f"oc on {_host()}")
    credential = granted.credential
    login = {
        "credential_id": credential["id"],
        "key_prefix": credential["key_prefix"],
        "name": credential["name"],
        "api_url": server.url,
    }
    config.store_login(server.url, granted.key, login)
    return login


def _open(asked: Asked) -> None:
    """A convenience: where there is no browser, the address is on the terminal."""
    import shutil
    import subprocess
    import sys

    program = shutil.which("open" if sys.platform == "darwin" else "xdg-open")
    if program is None:
        return
    nothing = subprocess.DEVNULL
    argv = [program, asked.page_with_code]
    subprocess.Popen(argv, stdin=nothing, stdout=nothing, stderr=nothing, start_new_session=True)


def _host() -> str:
    name = os.uname().nodename.partition(".")[0]
    return "".join(mark for mark in name if mark.isprintable())[:LONGEST_HOST] or "this machine"


def _identity(context: Context, url: str) -> dict[str, Any] | None:
    """Whose the saved key is; None if the server does not take it."""
    from oc.cli.api import Api
    from oc.cli.origin import Origin

    api = Api(Origin(url), context.setting("api_key"))
    try:
        return api.object("GET", "/whoami", needs=("org_id",)) | {"api_url": url}
    except ApiError as error:
        if error.status != 401:
            raise
        return None


def _revoke(url: str, key: str) -> None:
    from oc.cli.device import Server

    try:
        Server(url, key).revoke()
    except (ApiError, Unreachable) as error:
        output.note(f"warning: the former key was not revoked: {error.text}")


def _tell(context: Context, who: dict[str, Any], login: dict[str, Any], title: str) -> int:
    credential = {"id": login.get("credential_id"), "key_prefix": login.get("key_prefix"), "name": login.get("name")}

    def human() -> None:
        output.line(f"{title}.")
        lines = (("User", who.get("email") or "-"), ("Workspace", who.get("org_name") or "-"), ("API", who["api_url"]))
        output.fields(lines)
        output.line("Next: oc create")

    return context.show(who | {"credential": credential}, human)


COMMAND = Command(
    run,
    Argument("--no-browser", action="store_true", help="only print the address to open"),
    Argument("--force", action="store_true", help="replace the key or the login that is saved"),
    notes="Asks the server for a key, which you approve in the browser. The key is saved, not shown.",
    examples=("oc login", "oc login --no-browser", "oc login --api-url https://oc.example.com"),
)
