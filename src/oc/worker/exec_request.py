"""What a client asks to have run (contract 2.2.1, 2.3.1), checked field by field."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

from oc.model.errors import BadRequest, TooLarge
from oc.wire.messages import MAX_TEXT, Start

LONGEST_S = 30 * 86_400
MAX_TEXTS = 768 << 10  # bytes of arguments and environment together, so that a Start stays below MAX_FRAME
LENGTH_BYTES = 4  # that each text costs on the wire besides itself
SHELL = ("/bin/sh", "-c")
SHELL_CHARACTERS = frozenset("|&;<>()$`\\\"'*?[]{}~=!#\n\r\t")  # contract 2.2.1
_PLACE = re.compile(r"(.*) - at `\$\.?(.*)`", re.DOTALL)

T = TypeVar("T")
Seconds = Annotated[int, Meta(le=LONGEST_S)]
User = Annotated[str, Meta(pattern=r"^([A-Za-z0-9_][A-Za-z0-9_.-]{0,31})?\Z")]


class Command(msgspec.Struct, frozen=True):
    """Field names are the contract's; `user` is ours. `null` is as good as absent: Go clients send it."""

    cmd: str | None = None
    args: list[str] | None = None
    envs: dict[str, str] | None = None
    cwd: str | None = None
    user: User | None = None
    timeout: Seconds | None = None
    linger: Seconds | None = msgspec.field(default=None, name="maxRunAfterDisconnect")

    @property
    def argv(self) -> tuple[str, ...]:
        """Without arguments, a command line is split on blanks, or goes to the shell where it needs one."""
        cmd = self.cmd or ""
        if self.args:
            return cmd, *self.args
        if SHELL_CHARACTERS.isdisjoint(cmd):
            return tuple(cmd.split())
        return *SHELL, cmd

    def start(self, session: str, *, stdin: bool, timeout_s: int, linger_s: int) -> Start:
        return Start(
            session=session,
            argv=self.argv,
            env=tuple(f"{name}={value}" for name, value in (self.envs or {}).items()),
            cwd=self.cwd or "",
            user=self.user or "",
            terminal=0,
            rows=0,
            cols=0,
            input=int(stdin),
            timeout_ms=timeout_s * 1000,
            linger_ms=linger_s * 1000,
        )


def parse(body: bytes) -> Command:
    """Raises BadRequest and TooLarge; the text names the field and what it may be."""
    command = decode(body, Command)
    if not (command.cmd or "").strip():
        raise BadRequest("cmd is required", hint='send a JSON object such as {"cmd": "ls", "args": ["-l"]}')
    check(command)
    return command


def check(command: Command) -> None:
    """What every process needs, whatever it is. Raises as `parse` does."""
    if command.cwd and not command.cwd.startswith("/"):
        raise BadRequest("cwd must be an absolute path")
    for name in command.envs or {}:
        if not name or "=" in name:
            raise BadRequest(f"envs: {name!r} cannot name a variable: it must not be empty nor contain '='")
    _check_texts(command)


def decode(body: bytes, kind: type[T]) -> T:
    """JSON object to struct; an empty body is an empty object (contract 0.3).

    Raises BadRequest that says at which field what was expected.
    """
    try:
        return msgspec.json.decode(body or b"{}", type=kind)
    except msgspec.ValidationError as error:
        raise BadRequest(_explain(str(error))) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"the request body is not JSON: {error}") from error


def _explain(text: str) -> str:
    if (found := _PLACE.fullmatch(text)) is None:
        return f"the request body must be a JSON object: {text[0].lower()}{text[1:]}"
    what, field = found.groups()
    return f"{field}: {what[0].lower()}{what[1:]}"


def _check_texts(command: Command) -> None:
    size = 0
    for field, text in _texts(command):
        length = len(text.encode())
        size += length + LENGTH_BYTES
        if "\0" in text:
            raise BadRequest(f"{field} must not contain NUL")
        if length > MAX_TEXT or size > MAX_TEXTS:
            raise TooLarge(
                f"{field} is too long: one text may have {MAX_TEXT} bytes, all together {MAX_TEXTS}",
                hint="write long texts to a file in the sandbox first",
            )


def _texts(command: Command) -> Iterator[tuple[str, str]]:
    yield "cmd", command.cmd or ""
    yield "cwd", command.cwd or ""
    yield from ((f"args[{index}]", text) for index, text in enumerate(command.args or ()))
    yield from ((f"envs[{name[:64]}]", f"{name}={value}") for name, value in (command.envs or {}).items())
