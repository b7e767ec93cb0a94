"""What a client asks of a terminal (contract 2.8), checked field by field."""

from __future__ import annotations

import msgspec

from oc.model.errors import BadRequest
from oc.wire.messages import Start
from oc.worker.exec_request import Command, User, check, decode

LONGEST_SIDE = 1000  # rows or columns
LONGEST_PATH = 4096  # PATH_MAX
SHELLS = ("/bin/bash", "/bin/sh")
TERM = "TERM=xterm-256color"


class Terminal(msgspec.Struct, frozen=True):
    """Field names are the contract's; `cwd`, `user` and `envs` are ours. `null` is as good as absent."""

    cols: int | None = None
    rows: int | None = None
    shell: str | None = None
    cwd: str | None = None
    user: User | None = None
    envs: dict[str, str] | None = None

    @property
    def shells(self) -> tuple[str, ...]:
        """To be tried in this order."""
        return (self.shell,) if self.shell else SHELLS

    def start(self, session: str, shell: str) -> Start:
        """Without COLUMNS and LINES, which the contract has: they never change while a program runs, and programs
        that believe them more than their terminal (ncurses: `use_env`) would not notice that it was resized.
        """
        own = (f"{name}={value}" for name, value in (self.envs or {}).items())
        return Start(
            session=session,
            argv=(shell,),
            env=(TERM, *own),
            cwd=self.cwd or "",
            user=self.user or "",
            terminal=1,
            rows=self.rows or 24,
            cols=self.cols or 80,
            input=1,
            timeout_ms=0,
            linger_ms=0,
        )


class Size(msgspec.Struct, frozen=True):
    cols: int | None = None
    rows: int | None = None


def parse(body: bytes) -> Terminal:
    """Raises BadRequest and TooLarge; the text names the field and what it may be."""
    terminal = decode(body, Terminal)
    for field in ("cols", "rows"):
        if getattr(terminal, field) is not None:
            _check_side(field, getattr(terminal, field))
    if terminal.shell and not _may_be_shell(terminal.shell):
        raise BadRequest(f"shell must be an absolute path of at most {LONGEST_PATH} bytes, such as /bin/bash")
    check(Command(cwd=terminal.cwd, envs=terminal.envs))
    return terminal


def parse_size(body: bytes) -> tuple[int, int]:
    """Rows and columns. Raises BadRequest."""
    size = decode(body, Size)
    return _check_side("rows", size.rows), _check_side("cols", size.cols)


def _check_side(field: str, value: int | None) -> int:
    if value is None or not 1 <= value <= LONGEST_SIDE:
        given = "nothing" if value is None else value
        raise BadRequest(f"{field} must be a whole number from 1 to {LONGEST_SIDE}, not {given}")
    return value


def _may_be_shell(path: str) -> bool:
    return path.startswith("/") and "\0" not in path and len(path.encode()) <= LONGEST_PATH
