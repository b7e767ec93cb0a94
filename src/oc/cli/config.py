"""Which server, and with which key: flags, environment, `~/.oc/config.json`, default, in this order."""

from __future__ import annotations

import json
import os
from pathlib import Path

from oc.cli.errors import CliError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

DEFAULT_URL = "http://127.0.0.1:8080"
VARIABLES = {"api_key": "OPENCOMPUTER_API_KEY", "api_url": "OPENCOMPUTER_API_URL"}
DEFAULTS = {"api_key": "", "api_url": DEFAULT_URL}
SHOWN = 4  # characters at either end of a key that may be seen


def path() -> Path:
    """Raises CliError where there is no home directory."""
    try:
        return Path.home() / ".oc" / "config.json"
    except RuntimeError as error:
        raise CliError(f"cannot tell where the home directory is: {error}", hint="set HOME") from error


def resolve(name: str, flag: str | None, environ: Mapping[str, str]) -> str:
    """An empty value counts as none, wherever it stands. The file is read only if it decides."""
    return flag or environ.get(VARIABLES[name]) or str(read().get(name) or DEFAULTS[name])


def read() -> dict[str, Any]:
    """What the file holds. Raises CliError if it holds anything but an object."""
    file = path()
    try:
        values = json.loads(file.read_bytes())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise _broken(file, str(error)) from error
    if not isinstance(values, dict):
        raise _broken(file, "it does not hold an object")
    return values


def _broken(file: Path, why: str) -> CliError:
    return CliError(f"{file} is not a JSON file of settings: {why}", hint=f"mend it, or remove it: rm {file}")


def store(name: str, value: str) -> None:
    """Keeps all else in the file, except the login that a former key came from."""
    values = read() | {name: value}
    if name == "api_key":
        values.pop("login", None)
    _replace(path(), json.dumps(values, indent=2) + "\n")


def login() -> dict[str, Any] | None:
    """What is known of the saved key if it came from `oc login`."""
    values = read()
    login = values.get("login")
    return login if isinstance(login, dict) and values.get("api_key") else None


def store_login(api_url: str, api_key: str, login: dict[str, Any]) -> None:
    values = read() | {"api_url": api_url, "api_key": api_key, "login": login}
    _replace(path(), json.dumps(values, indent=2) + "\n")


def forget_login() -> None:
    """With its key."""
    kept = {name: value for name, value in read().items() if name not in {"api_key", "login"}}
    _replace(path(), json.dumps(kept, indent=2) + "\n")


def _replace(file: Path, text: str) -> None:
    """At every moment there is either the old file or the new one, and only its owner can read it."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = file.resolve()  # a link, as keepers of dotfiles make, stays one
    fresh = file.with_name(f"{file.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    fresh.replace(file)


def masked(key: str) -> str:
    if len(key) <= 2 * SHOWN:
        return "*" * len(key)
    return f"{key[:SHOWN]}{'*' * (len(key) - 2 * SHOWN)}{key[-SHOWN:]}"
